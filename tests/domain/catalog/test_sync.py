"""Prices at Stripe follow the catalog: made once, found again, ended, and not sold where they were changed there."""

from typing import Any

import pytest

from dashboard.core.db import db, transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.catalog import products, sync
from dashboard.domain.catalog.sync import NotAvailable
from dashboard.domain.payments.checkout.checkout import CheckoutRefused
from dashboard.models import PLATFORM_ORG_ID, ProviderPrice
from dashboard.providers.stripe import StripeProvider
from tests.domain.payments.shop import Shop
from tests.stripe_fake.client import FakeClient

PLATFORM = PLATFORM_ORG_ID


def run(shop: Shop) -> None:
    assert sync.run(PLATFORM, provider=shop.provider) is False
    assert shop.stripe.complaints == []
    db.session.expire_all()


def status(shop: Shop, version: Any = None) -> ProviderPrice:
    found = sync.status_of(version or shop.offer.version, "test")
    assert found
    return found


def an_hour_later() -> None:
    with transaction(org=PLATFORM) as session:
        session.execute(db.text("UPDATE provider_prices SET next_check_at = now() WHERE next_check_at IS NOT NULL"))


def change(shop: Shop, **changes: Any) -> None:
    with transaction(org=PLATFORM):
        shop.offer = products.change(PLATFORM, shop.offer.product.id, by=SYSTEM, **changes)


def at_stripe(shop: Shop, version: Any = None) -> dict[str, Any]:
    return shop.stripe.account().things[status(shop, version).price_ref or ""]


def test_a_version_gets_its_price_and_checkout_sells_with_it(shop: Shop) -> None:
    assert sync.due(shop.provider) == [PLATFORM]
    run(shop)
    row = status(shop)
    assert (row.state, row.product_ref) == ("ready", f"coffer_{shop.offer.product.id.hex}")
    assert at_stripe(shop)["lookup_key"] == f"coffer_{shop.offer.version.id.hex}"
    assert sync.due(shop.provider) == []
    payment = shop.buy()
    assert payment.provider_price_id == row.price_ref
    assert shop.stripe.calls[-1].params["line_items"] == [{"price": row.price_ref, "quantity": 1}]


def test_selling_does_not_wait_for_the_price(shop: Shop) -> None:
    payment = shop.buy()
    assert payment.provider_price_id is None
    assert "price_data" in shop.stripe.calls[-1].params["line_items"][0]


@pytest.mark.parametrize("kind", ["timeout", "reset", "broken"])
@pytest.mark.parametrize("executed", [True, False])
def test_a_lost_answer_ends_in_one_price(shop: Shop, kind: str, executed: bool) -> None:
    shop.stripe.inject(kind, path="/v1/prices", method="POST", executed=executed, times=2, seconds=0)
    run(shop)
    assert status(shop).state == "wanted"
    shop.stripe.faults.clear()
    an_hour_later()
    run(shop)
    assert status(shop).state == "ready"
    assert len(shop.stripe.account().newest("price")) == 1


def test_a_new_version_ends_the_old_ones_price(shop: Shop) -> None:
    run(shop)
    old = shop.offer.version
    change(shop, price_minor=2_600)
    assert sync.due(shop.provider) == [PLATFORM]
    run(shop)
    assert (status(shop, old).state, at_stripe(shop, old)["active"]) == ("archived", False)
    assert (status(shop).state, at_stripe(shop)["unit_amount"]) == ("ready", 2_600)
    assert len(shop.stripe.account().newest("product")) == 1


def test_archived_products_come_back_with_the_same_price(shop: Shop) -> None:
    run(shop)
    price = status(shop).price_ref
    change(shop, active=False)
    run(shop)
    assert (status(shop).state, at_stripe(shop)["active"]) == ("archived", False)
    assert sync.due(shop.provider) == []
    change(shop, active=True)
    run(shop)
    assert (status(shop).state, status(shop).price_ref, at_stripe(shop)["active"]) == ("ready", price, True)


def test_a_new_name_is_told(shop: Shop) -> None:
    run(shop)
    change(shop, name="Begin")
    assert sync.due(shop.provider) == [PLATFORM]
    run(shop)
    assert shop.stripe.account().newest("product")[0]["name"] == "Begin"
    assert sync.due(shop.provider) == []


@pytest.mark.parametrize(
    ("by_hand", "words"),
    [
        ({"unit_amount": 1, "unit_amount_decimal": "1"}, "the amount is 1 there and 2500 here"),
        ({"currency": "eur"}, "the currency is eur there"),
        ({"active": False}, "archived there"),
    ],
    ids=["amount", "currency", "active"],
)
def test_what_was_changed_by_hand_is_not_sold(shop: Shop, by_hand: dict[str, Any], words: str) -> None:
    run(shop)
    shop.stripe.amend(status(shop).price_ref or "", **by_hand)
    an_hour_later()
    run(shop)
    row = status(shop)
    assert row.state == "drift"
    assert words in (row.problem or "")
    assert [offer.blocked for offer in products.on_sale(PLATFORM, mode="test")] == [True]
    with pytest.raises(NotAvailable) as refusal:
        shop.buy()
    assert refusal.value.field == "product_id"


def test_a_payment_opened_before_goes_on(shop: Shop) -> None:
    run(shop)
    payment = shop.buy("before")
    shop.stripe.amend(status(shop).price_ref or "", active=False)
    an_hour_later()
    run(shop)
    assert shop.buy("before").id == payment.id
    shop.stripe.pay(payment.session_id or "")
    shop.deliver_all()
    shop.work()
    assert shop.payment(payment.id).state == "credited"


def test_agreeing_again_sells_again(shop: Shop) -> None:
    run(shop)
    shop.stripe.amend(status(shop).price_ref or "", active=False)
    an_hour_later()
    run(shop)
    shop.stripe.amend(status(shop).price_ref or "", active=True)
    an_hour_later()
    run(shop)
    assert status(shop).state == "ready"
    assert shop.buy().session_url


@pytest.mark.parametrize("by_hand", [{"unit_amount": 1, "unit_amount_decimal": "1"}, {"active": False}], ids=str)
def test_ours_is_put_in_place_when_a_manager_says_so(shop: Shop, by_hand: dict[str, Any]) -> None:
    run(shop)
    first = status(shop).price_ref
    shop.stripe.amend(first or "", **by_hand)
    an_hour_later()
    run(shop)
    with transaction(org=PLATFORM):
        sync.put_right(shop.offer.version, mode="test", replace=True, by=SYSTEM)
    run(shop)
    assert (status(shop).state, at_stripe(shop)["unit_amount"], at_stripe(shop)["active"]) == ("ready", 2_500, True)
    assert (status(shop).price_ref == first) == ("active" in by_hand)
    assert shop.buy().session_url


def test_a_product_archived_at_stripe_is_seen_and_put_in_place(shop: Shop) -> None:
    run(shop)
    row = status(shop)
    shop.stripe.amend(row.product_ref or "", active=False)
    assert at_stripe(shop)["active"]
    with pytest.raises(CheckoutRefused):
        shop.buy("while archived")
    run(shop)
    row = status(shop)
    assert (row.state, "its product is archived there" in (row.problem or "")) == ("drift", True)
    with pytest.raises(NotAvailable):
        shop.buy("while blocked")
    with transaction(org=PLATFORM):
        sync.put_right(shop.offer.version, mode="test", replace=True, by=SYSTEM)
    run(shop)
    assert (status(shop).state, status(shop).price_ref) == ("ready", row.price_ref)
    assert shop.buy("after").session_url


def test_a_new_version_switches_its_archived_product_on(shop: Shop) -> None:
    run(shop)
    shop.stripe.amend(status(shop).product_ref or "", active=False)
    change(shop, price_minor=2_600)
    run(shop)
    assert status(shop).state == "ready"
    assert shop.buy().session_url


def test_a_price_that_is_gone_is_said_and_made_again(shop: Shop) -> None:
    run(shop)
    del shop.stripe.account().things[status(shop).price_ref or ""]
    an_hour_later()
    run(shop)
    assert (status(shop).state, "no longer there" in (status(shop).problem or "")) == ("drift", True)
    with transaction(org=PLATFORM):
        sync.put_right(shop.offer.version, mode="test", replace=True, by=SYSTEM)
    run(shop)
    assert status(shop).state == "ready"
    assert shop.buy().session_url


def test_a_refusal_at_the_page_has_the_price_looked_at(shop: Shop) -> None:
    run(shop)
    shop.stripe.amend(status(shop).price_ref or "", active=False)
    with pytest.raises(CheckoutRefused):
        shop.buy()
    assert sync.due(shop.provider) == [PLATFORM]
    run(shop)
    assert status(shop).state == "drift"


def test_another_account_gets_prices_of_its_own(shop: Shop) -> None:
    run(shop)
    first = status(shop).price_ref
    shop.stripe.account_of_key["sk_test_moved"] = "acct_other"
    moved = StripeProvider(api_key="sk_test_moved", http_client=FakeClient(shop.stripe))
    assert sync.price_for(shop.offer.version, moved) is None
    assert sync.run(PLATFORM, provider=moved) is False
    db.session.expire_all()
    rows = db.session.query(ProviderPrice).order_by(ProviderPrice.id).all()
    assert [(row.account_id, row.state) for row in rows][1] == ("acct_other", "ready")
    assert rows[0].state == "archived"
    assert sync.price_for(shop.offer.version, moved) == rows[1].price_ref != first


def test_the_first_account_comes_back_with_its_prices(shop: Shop) -> None:
    run(shop)
    first = status(shop).price_ref
    shop.stripe.account_of_key["sk_test_moved"] = "acct_other"
    moved = StripeProvider(api_key="sk_test_moved", http_client=FakeClient(shop.stripe))
    assert sync.run(PLATFORM, provider=moved) is False
    assert sync.price_for(shop.offer.version, shop.provider) is None
    run(shop)
    assert (status(shop).account_id, status(shop).state) == (shop.provider.account_id(), "ready")
    assert sync.price_for(shop.offer.version, shop.provider) == first
    assert sync.due(shop.provider) == []
    with transaction(org=PLATFORM):
        sync.put_right(shop.offer.version, mode="test", replace=False, by=SYSTEM)


def test_a_claim_that_was_rung_over_does_not_win(shop: Shop) -> None:
    """Who changed the product while Stripe was asked is looked at again."""
    sync._want(PLATFORM, shop.provider)
    claim = sync.WORK.claim(PLATFORM, seconds=60)
    assert claim
    outcome = sync._attempt(sync.WORK.load(PLATFORM, claim.id), claim, provider=shop.provider)
    sync.suspect(shop.offer.version.id, catalog_id=PLATFORM, mode="test")
    with transaction(org=PLATFORM):
        assert not sync.WORK.finish(PLATFORM, claim, outcome)
    assert status(shop).state == "wanted"
    run(shop)
    assert status(shop).state == "ready"
    assert len(shop.stripe.account().newest("price")) == 1
