"""Money that arrived otherwise than it was sold: the owner reads that it waits, a manager decides, both see the end."""

import re

from playwright.sync_api import Page, expect

from tests.browser.buying import STARTER, choose, titled
from tests.browser.conftest import Visit
from tests.browser.site import Site

REASON = "Ticket 4821: charged in euros by mistake"


def held(site: Site, owner: Page) -> str:
    """Pays for a Starter pack in another currency than it was asked in; the address of the payment's page."""
    choose(owner)
    owner.wait_for_url(re.compile("cs_test_"))
    found = re.search(r"cs_test_\w+", owner.url)
    assert found
    site.stripe.fake.amend(found[0], currency="eur")
    owner.get_by_role("button", name="Pay", exact=True).click()
    titled(owner, "Payment in review")
    owner.locator("#payment").get_by_role("link", name="See the payment").click()
    expect(owner.locator("#payment")).to_contain_text("25.00 EUR through Stripe")
    return owner.url


def decide(manager: Page, address: str, verb: str, review: str) -> None:
    """From the work list to the decision."""
    payment_id = address.rpartition("/")[2]
    manager.goto("/admin/")
    manager.get_by_role("region", name="Needs attention").get_by_role("link", name=re.compile("in review")).click()
    manager.locator(f'#payments a[href$="{payment_id}"]').click()
    manager.get_by_role("link", name=verb, exact=True).click()
    manager.get_by_role("textbox", name="Reason").fill(REASON)
    manager.get_by_role("button", name=review).click()
    expect(manager.locator("main")).to_contain_text("Nothing has changed yet")
    manager.get_by_role("button", name=f"{verb} payment").click()


def test_accepted_it_is_credited_and_the_owner_gets_the_receipt(stripe_site: Site, visit: Visit) -> None:
    before = stripe_site.balance()
    owner, manager = visit(stripe_site, "owner"), visit(stripe_site, "manager")
    address = held(stripe_site, owner)
    assert stripe_site.balance() == before
    decide(manager, address, "Accept", "Review acceptance")
    expect(manager.locator("#toasts")).to_contain_text("Accepted: $25.00 credited")
    assert stripe_site.balance() == before + STARTER
    owner.goto(address)
    expect(owner.locator("h1 + .badge, .card-head .badge").first).to_have_text("Credited")
    expect(owner.locator(".timeline")).to_contain_text(REASON)
    expect(owner.get_by_role("link", name="Receipt as PDF")).to_be_visible()


def test_rejected_nothing_is_credited_and_the_owner_reads_why(stripe_site: Site, visit: Visit) -> None:
    before = stripe_site.balance()
    owner, manager = visit(stripe_site, "owner"), visit(stripe_site, "manager")
    address = held(stripe_site, owner)
    decide(manager, address, "Reject", "Review rejection")
    expect(manager.locator("#toasts")).to_contain_text("Rejected. Nothing was credited.")
    owner.goto(address)
    expect(owner.locator("#payment")).to_contain_text(f"Rejected after review: {REASON}")
    assert stripe_site.balance() == before
