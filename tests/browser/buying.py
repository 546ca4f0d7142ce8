"""Steps of a purchase, as a person takes them."""

from playwright.sync_api import Locator, Page, expect

STARTER = 25_000_000


def exact(micros: int) -> str:
    """As pages write it out, for balances above zero."""
    return f"${micros // 1_000_000:,}.{micros % 1_000_000:06d}"


def balance_card(page: Page) -> Locator:
    return page.locator("#balance .figure span")


def choose(page: Page, pack: str = "Starter", *, script: bool = True) -> None:
    """From the cost page to the payment page: by the dialog, or without script by the page of its own."""
    page.goto("/o/demo/")
    page.locator(".page-head").get_by_role("link", name="Buy credits").click()
    form = page.get_by_role("dialog", name="Buy credits") if script else page.locator("main")
    form.get_by_role("radio", name=pack).check()
    form.get_by_role("button", name="Continue to payment").click()


def titled(page: Page, title: str) -> None:
    """Waits until the page has this heading, whatever badge stands beside it."""
    expect(page.get_by_role("heading", level=1)).to_contain_text(title)


def payment(page: Page) -> Locator:
    return page.get_by_role("region", name="Payment")
