"""A pack's life in front of Stripe's stand-in: new, sold, in a new version, changed by hand there, archived."""

from playwright.sync_api import Page, expect

from tests.browser import audit
from tests.browser.buying import STARTER, payment, titled
from tests.browser.conftest import Visit
from tests.browser.site import Site
from tests.browser.test_pages import SHOTS
from tests.providers.test_catalog import promotion
from tests.scenarios.processes import wait_until

STANDING = (
    "SELECT p.state, p.price_ref FROM provider_prices p JOIN product_versions v ON v.org_id = p.org_id"
    " AND v.id = p.version_id JOIN products o ON o.org_id = v.org_id AND o.id = v.product_id"
    " WHERE o.name = 'Boost' ORDER BY v.number DESC"
)
LATER = "UPDATE provider_prices SET next_check_at = now() WHERE next_check_at IS NOT NULL"


def stands(site: Site, state: str) -> str:
    """The newest version's price at the provider, once it stands so."""
    wait_until(lambda: (site.ask(STANDING) or [("",)])[0][0] == state, f"a price that is {state}")
    return str(site.ask(STANDING)[0][1])


def fill(page: Page, **fields: str) -> None:
    for label, text in fields.items():
        page.get_by_label(label.replace("_", " "), exact=False).first.fill(text)


def buy(page: Page, *, code: str = "") -> None:
    page.goto("/o/demo/buy")
    page.get_by_role("radio", name="Boost").check()
    page.get_by_label("Quantity").fill("2")
    page.get_by_label("Promotion code").fill(code)
    page.get_by_role("button", name="Continue to payment").click()
    page.get_by_role("button", name="Pay", exact=True).click()
    titled(page, "Payment confirmed")


def test_a_packs_life(stripe_site: Site, visit: Visit) -> None:
    site, manager, owner = stripe_site, visit(stripe_site, "manager"), visit(stripe_site, "owner")
    prices = site.stripe.fake.account().things
    manager.goto("/admin/catalog/packs")
    manager.get_by_role("link", name="New pack").click()
    fill(manager, Name="Boost", Price_in_US_dollars="12", Credits="12.5", Bonus="0.5", Largest_quantity="10")
    expect(manager.locator("#pack-preview")).to_contain_text("$13.00 of credits")
    manager.get_by_role("button", name="Create pack").click()
    titled(manager, "Boost")
    first = stands(site, "ready")
    assert prices[first]["unit_amount"] == 1_200

    before = site.balance()
    buy(owner)
    assert site.balance() == before + 26_000_000
    manager.reload()
    expect(manager.locator(".facts")).to_contain_text("Matches")
    expect(manager.get_by_role("region", name="List of versions").locator("tbody tr").first).to_contain_text("2")

    manager.get_by_role("link", name="Change pack").click()
    fill(manager, Price_in_US_dollars="14")
    expect(manager.locator("#pack-preview")).to_contain_text("Version 1 sold 2 pieces")
    manager.get_by_role("button", name="Save pack").click()
    expect(manager.locator("#toasts")).to_contain_text("now sells version 2")
    second = stands(site, "ready")
    wait_until(lambda: not prices[first]["active"], "an end of the first version's price")
    buy(owner)
    kept = site.ask("SELECT unit_price_minor FROM payments WHERE name = 'Boost' ORDER BY created_at")
    assert kept == [(1_200,), (1_400,)]

    changed_by_hand(site, manager, owner, second)
    manager.reload()
    manager.get_by_role("button", name="Archive").click()
    expect(manager.locator("main")).to_contain_text("Customers do not see it")
    stands(site, "archived")
    assert prices[second]["active"] is False
    owner.goto("/o/demo/buy")
    expect(owner.get_by_role("radio", name="Boost")).to_have_count(0)
    assert site.stripe.fake.complaints == []


def changed_by_hand(site: Site, manager: Page, owner: Page, price_id: str) -> None:
    """Somebody archives the price at Stripe; a manager puts ours in place."""
    site.stripe.fake.amend(price_id, active=False)
    site.tell(LATER)
    stands(site, "drift")
    owner.goto("/o/demo/buy")
    expect(owner.get_by_role("radio", name="Boost")).to_be_disabled()
    expect(owner.locator("main")).to_contain_text("not available now")
    manager.reload()
    expect(manager.get_by_role("region", name="Not sold now")).to_contain_text("archived")
    assert audit.faults(manager, SHOTS, "platform-pack-drift") == []
    assert audit.faults(owner, SHOTS, "buy-blocked") == []
    manager.get_by_role("button", name="Put ours in place").click()
    stands(site, "ready")


def test_a_code_is_used_up_by_a_purchase(stripe_site: Site, visit: Visit) -> None:
    promotion(stripe_site.stripe.fake, "ONLYONCE", percent=100, max_redemptions=1)
    before, page = stripe_site.balance(), visit(stripe_site, "owner")
    page.goto("/o/demo/buy")
    page.get_by_role("radio", name="Starter").check()
    page.get_by_label("Promotion code").fill("onlyonce")
    page.get_by_role("button", name="Continue to payment").click()
    page.get_by_role("button", name="Pay", exact=True).click()
    titled(page, "Payment confirmed")
    expect(payment(page)).to_contain_text("Discount")
    assert stripe_site.balance() == before + STARTER
    page.goto("/o/demo/buy")
    page.get_by_label("Promotion code").fill("ONLYONCE")
    page.get_by_role("button", name="Continue to payment").click()
    expect(page.locator("#f-promotion_code-error")).to_contain_text("used up")
