"""Pages of people's own accounts."""

from playwright.sync_api import Page, expect

from tests.browser.cases import Case


def _begin_second_factor(page: Page) -> None:
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_role("img", name="QR code for the authenticator app")).to_be_visible()


ALL = (
    Case("forgot", "", "/forgot"),
    Case("verification", "", "/verify"),
    Case("account", "owner", "/account"),
    Case("account-security", "owner", "/account/security"),
    Case("account-second-factor", "member", "/account/security", _begin_second_factor),
)
