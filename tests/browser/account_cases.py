"""Pages of people's own accounts."""

from playwright.sync_api import Page, expect

from tests.browser.cases import Case, _user


def _begin_second_factor(page: Page) -> None:
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_role("img", name="QR code for the authenticator app")).to_be_visible()


def _wish_address(page: Page) -> None:
    page.get_by_label("New address").fill("mara@northwind.test")
    page.get_by_role("button", name="Change address").click()
    page.goto("/account")
    expect(page.get_by_text("once both addresses have confirmed it")).to_be_visible()


ALL = (
    Case("forgot", "", "/forgot"),
    Case("verification", "", "/verify"),
    Case("account", "owner", "/account"),
    Case("account-address", "admin", "/account", _wish_address),
    Case("account-erase", "owner", "/account/erase"),
    Case("platform-user-disable", "manager", _user("viewer@demo.test", "/disable")),
    Case("platform-user-erase", "manager", _user("viewer@demo.test", "/erase")),
    Case("account-security", "owner", "/account/security"),
    Case("account-second-factor", "member", "/account/security", _begin_second_factor),
)
