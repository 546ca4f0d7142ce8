"""The same way with Stripe's stand-in: its hosted page, and webhooks that come late, twice and out of order."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.buying import STARTER, balance_card, choose, exact, payment, titled
from tests.browser.conftest import Visit
from tests.browser.site import Site
from tests.scenarios.processes import wait_until


def session_on(page: Page, site: Site) -> str:
    """The id of the session whose payment page is open."""
    found = re.search(r"cs_test_\w+", page.url)
    assert found, page.url
    return str(site.stripe.fake.session(found[0])["id"])


@pytest.fixture
def seller(stripe_site: Site, visit: Visit) -> Page:
    """On the payment page, with a Starter pack chosen."""
    page = visit(stripe_site, "owner")
    choose(page)
    expect(page).to_have_url(re.compile(re.escape(stripe_site.stripe.url)))
    return page


def test_paid_at_once(stripe_site: Site, seller: Page) -> None:
    before = stripe_site.balance()
    seller.get_by_role("button", name="Pay", exact=True).click()
    titled(seller, "Payment confirmed")
    payment(seller).get_by_role("link", name="See the transaction").click()
    expect(seller.locator(".timeline")).to_contain_text("Paid through Stripe")
    expect(seller.locator(".sum")).to_contain_text(exact(before + STARTER))
    seller.goto("/o/demo/")
    expect(balance_card(seller)).to_have_attribute("title", exact(before + STARTER))

    # Every copy of every event was taken, and the books moved once.
    assert stripe_site.stripe.courier.idle()
    told = [one for one in stripe_site.stripe.courier.deliveries if one.event["type"] == "checkout.session.completed"]
    assert len(told) >= 2
    assert all(one.taken for one in told)
    wait_until(lambda: not stripe_site.ask("SELECT 1 FROM inbox_events WHERE state = 'received'"), "an empty inbox")
    assert stripe_site.balance() == before + STARTER


def test_a_delayed_method_is_credited_when_it_settles(stripe_site: Site, seller: Page) -> None:
    before = stripe_site.balance()
    session_id = session_on(seller, stripe_site)
    seller.get_by_role("button", name="Pay later").click()
    titled(seller, "Payment being confirmed")
    assert stripe_site.stripe.courier.idle()
    assert stripe_site.balance() == before
    stripe_site.stripe.fake.settle(session_id)
    titled(seller, "Payment confirmed")
    assert stripe_site.balance() == before + STARTER


def test_a_delayed_method_that_fails_says_so(stripe_site: Site, seller: Page) -> None:
    before = stripe_site.balance()
    session_id = session_on(seller, stripe_site)
    seller.get_by_role("button", name="Pay later").click()
    titled(seller, "Payment being confirmed")
    stripe_site.stripe.fake.fail(session_id)
    titled(seller, "Payment failed")
    assert stripe_site.balance() == before


def test_a_declined_card_can_be_tried_again(stripe_site: Site, seller: Page) -> None:
    before = stripe_site.balance()
    seller.get_by_role("button", name="Pay with a declined card").click()
    expect(seller.locator("body")).to_contain_text(re.compile("declined", re.I))
    assert stripe_site.balance() == before
    seller.get_by_role("button", name="Pay", exact=True).click()
    titled(seller, "Payment confirmed")
    assert stripe_site.balance() == before + STARTER


def test_going_back_changes_nothing(stripe_site: Site, seller: Page) -> None:
    before = stripe_site.balance()
    seller.get_by_role("button", name="Cancel and go back").click()
    titled(seller, "Payment cancelled")
    payment(seller).get_by_role("link", name="Try again").click()
    titled(seller, "Buy credits")
    assert stripe_site.balance() == before
    assert stripe_site.stripe.fake.complaints == []
