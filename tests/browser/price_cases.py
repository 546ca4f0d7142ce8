"""The pages of metrics and prices in every state that looks different."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.cases import Case

LIST = "/admin/catalog/metrics"


def _price(amount: str, heading: str) -> Callable[[Page], None]:
    def then(page: Page) -> None:
        page.get_by_label("Price in US dollars").first.fill(amount)
        page.get_by_role("button", name="Review price").click()
        expect(page.get_by_role("heading", name=heading).first).to_be_visible()

    return then


ALL = (
    Case("prices", "viewer", "/o/demo/prices"),
    Case("price", "owner", "/o/demo/prices/media_mb"),
    Case("platform-metrics", "manager", LIST),
    Case("platform-metric", "manager", f"{LIST}/media_mb"),
    Case("platform-metric-new", "manager", f"{LIST}/new"),
    Case("platform-metric-archive", "manager", f"{LIST}/push/archive"),
    Case("platform-price", "manager", f"{LIST}/tokens/price"),
    Case("platform-price-tiers", "manager", f"{LIST}/media_mb/price"),
    Case("platform-price-error", "manager", f"{LIST}/tokens/price", _price("-1", "New price")),
    Case("platform-price-review", "manager", f"{LIST}/tokens/price", _price("0.12", "Review the price")),
)
