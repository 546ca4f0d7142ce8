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
from tests.domain.payments.seller import Seller
from tests.stripe_fake.client import FakeClient

PLATFORM = PLATFORM_ORG_ID


def run(seller: Seller) -> None:
    assert sync.run(PLATFORM, provider=seller.provider) is False
    assert seller.stripe.complaints == []
    db.session.expire_all()


def status(seller: Seller, version: Any = None) -> ProviderPrice:
    found = sync.status_of(version or seller.offer.version, "test")
    assert found
    return found


def an_hour_later() -> None:
    with transaction(org=PLATFORM) as session:
        session.execute(db.text("UPDATE provider_prices SET next_check_at = now() WHERE next_check_at IS NOT NULL"))


def change(seller: Seller, **changes: Any) -> None:
    with transaction(org=PLATFORM):
        seller.offer = products.change(PLATFORM, seller.offer.product.id, by=SYSTEM, **changes)


def at_stripe(seller: Seller, version: Any = None) -> dict[str, Any]:
    return seller.stripe.account().things[status(seller, version).price_ref or ""]


def test_a_version_gets_its_price_and_checkout_sells_with_it(seller: Seller) -> None:
    assert sync.due(seller.provider) == [PLATFORM]
    run(seller)
    row = status(seller)
    assert (row.state, row.product_ref) == ("ready", f"coffer_{seller.offer.product.id.hex}")
    assert at_stripe(seller)["lookup_key"] == f"coffer_{seller.offer.version.id.hex}"
    assert sync.due(seller.provider) == []
    payment = seller.buy()
    assert payment.provider_price_id == row.price_ref
    assert seller.stripe.calls[-1].params["line_items"] == [{"price": row.price_ref, "quantity": 1}]


def test_selling_does_not_wait_for_the_price(seller: Seller) -> None:
    payment = seller.buy()
    assert payment.provider_price_id is None
    assert "price_data" in seller.stripe.calls[-1].params["line_items"][0]


@pytest.mark.parametrize("kind", ["timeout", "reset", "broken"])
@pytest.mark.parametrize("executed", [True, False])
def test_a_lost_answer_ends_in_one_price(seller: Seller, kind: str, executed: bool) -> None:
    seller.stripe.inject(kind, path="/v1/prices", method="POST", executed=executed, times=2, seconds=0)
    run(seller)
    assert status(seller).state == "wanted"
    seller.stripe.faults.clear()
    an_hour_later()
    run(seller)
    assert status(seller).state == "ready"
    assert len(seller.stripe.account().newest("price")) == 1


def test_a_new_version_ends_the_old_ones_price(seller: Seller) -> None:
    run(seller)
    old = seller.offer.version
    change(seller, price_minor=2_600)
    assert sync.due(seller.provider) == [PLATFORM]
    run(seller)
    assert (status(seller, old).state, at_stripe(seller, old)["active"]) == ("archived", False)
    assert (status(seller).state, at_stripe(seller)["unit_amount"]) == ("ready", 2_600)
    assert len(seller.stripe.account().newest("product")) == 1


def test_archived_products_come_back_with_the_same_price(seller: Seller) -> None:
    run(seller)
    price = status(seller).price_ref
    change(seller, active=False)
    run(seller)
    assert (status(seller).state, at_stripe(seller)["active"]) == ("archived", False)
    assert sync.due(seller.provider) == []
    change(seller, active=True)
    run(seller)
    assert (status(seller).state, status(seller).price_ref, at_stripe(seller)["active"]) == ("ready", price, True)


def test_a_new_name_is_told(seller: Seller) -> None:
    run(seller)
    change(seller, name="Begin")
    assert sync.due(seller.provider) == [PLATFORM]
    run(seller)
    assert seller.stripe.account().newest("product")[0]["name"] == "Begin"
    assert sync.due(seller.provider) == []


@pytest.mark.parametrize(
    ("by_hand", "words"),
    [
        ({"unit_amount": 1, "unit_amount_decimal": "1"}, "the amount is 1 there and 2500 here"),
        ({"currency": "eur"}, "the currency is eur there"),
        ({"active": False}, "archived there"),
    ],
    ids=["amount", "currency", "active"],
)
def test_what_was_changed_by_hand_is_not_sold(seller: Seller, by_hand: dict[str, Any], words: str) -> None:
    run(seller)
    seller.stripe.amend(status(seller).price_ref or "", **by_hand)
    an_hour_later()
    run(seller)
    row = status(seller)
    assert row.state == "drift"
    assert words in (row.problem or "")
    assert [offer.blocked for offer in products.on_sale(PLATFORM, mode="test")] == [True]
    with pytest.raises(NotAvailable) as refusal:
        seller.buy()
    assert refusal.value.field == "product_id"


def test_a_payment_opened_before_goes_on(seller: Seller) -> None:
    run(seller)
    payment = seller.buy("before")
    seller.stripe.amend(status(seller).price_ref or "", active=False)
    an_hour_later()
    run(seller)
    assert seller.buy("before").id == payment.id
    seller.stripe.pay(payment.session_id or "")
    seller.deliver_all()
    seller.work()
    assert seller.payment(payment.id).state == "credited"


def test_agreeing_again_sells_again(seller: Seller) -> None:
    run(seller)
    seller.stripe.amend(status(seller).price_ref or "", active=False)
    an_hour_later()
    run(seller)
    seller.stripe.amend(status(seller).price_ref or "", active=True)
    an_hour_later()
    run(seller)
    assert status(seller).state == "ready"
    assert seller.buy().session_url


@pytest.mark.parametrize("by_hand", [{"unit_amount": 1, "unit_amount_decimal": "1"}, {"active": False}], ids=str)
def test_ours_is_put_in_place_when_a_manager_says_so(seller: Seller, by_hand: dict[str, Any]) -> None:
    run(seller)
    first = status(seller).price_ref
    seller.stripe.amend(first or "", **by_hand)
    an_hour_later()
    run(seller)
    with transaction(org=PLATFORM):
        sync.put_right(seller.offer.version, mode="test", replace=True, by=SYSTEM)
    run(seller)
    assert (status(seller).state, at_stripe(seller)["unit_amount"], at_stripe(seller)["active"]) == (
        "ready",
        2_500,
        True,
    )
    assert (status(seller).price_ref == first) == ("active" in by_hand)
    assert seller.buy().session_url


def test_a_product_archived_at_stripe_is_seen_and_put_in_place(seller: Seller) -> None:
    run(seller)
    row = status(seller)
    seller.stripe.amend(row.product_ref or "", active=False)
    assert at_stripe(seller)["active"]
    with pytest.raises(CheckoutRefused):
        seller.buy("while archived")
    run(seller)
    row = status(seller)
    assert (row.state, "its product is archived there" in (row.problem or "")) == ("drift", True)
    with pytest.raises(NotAvailable):
        seller.buy("while blocked")
    with transaction(org=PLATFORM):
        sync.put_right(seller.offer.version, mode="test", replace=True, by=SYSTEM)
    run(seller)
    assert (status(seller).state, status(seller).price_ref) == ("ready", row.price_ref)
    assert seller.buy("after").session_url


def test_a_new_version_switches_its_archived_product_on(seller: Seller) -> None:
    run(seller)
    seller.stripe.amend(status(seller).product_ref or "", active=False)
    change(seller, price_minor=2_600)
    run(seller)
    assert status(seller).state == "ready"
    assert seller.buy().session_url


def test_a_price_that_is_gone_is_said_and_made_again(seller: Seller) -> None:
    run(seller)
    del seller.stripe.account().things[status(seller).price_ref or ""]
    an_hour_later()
    run(seller)
    assert (status(seller).state, "no longer there" in (status(seller).problem or "")) == ("drift", True)
    with transaction(org=PLATFORM):
        sync.put_right(seller.offer.version, mode="test", replace=True, by=SYSTEM)
    run(seller)
    assert status(seller).state == "ready"
    assert seller.buy().session_url


def test_a_refusal_at_the_page_has_the_price_looked_at(seller: Seller) -> None:
    run(seller)
    seller.stripe.amend(status(seller).price_ref or "", active=False)
    with pytest.raises(CheckoutRefused):
        seller.buy()
    assert sync.due(seller.provider) == [PLATFORM]
    run(seller)
    assert status(seller).state == "drift"


def test_another_account_gets_prices_of_its_own(seller: Seller) -> None:
    run(seller)
    first = status(seller).price_ref
    seller.stripe.account_of_key["sk_test_moved"] = "acct_other"
    moved = StripeProvider(api_key="sk_test_moved", http_client=FakeClient(seller.stripe))
    assert sync.price_for(seller.offer.version, moved) is None
    assert sync.run(PLATFORM, provider=moved) is False
    db.session.expire_all()
    rows = db.session.query(ProviderPrice).order_by(ProviderPrice.id).all()
    assert [(row.account_id, row.state) for row in rows][1] == ("acct_other", "ready")
    assert rows[0].state == "archived"
    assert sync.price_for(seller.offer.version, moved) == rows[1].price_ref != first


def test_the_first_account_comes_back_with_its_prices(seller: Seller) -> None:
    run(seller)
    first = status(seller).price_ref
    seller.stripe.account_of_key["sk_test_moved"] = "acct_other"
    moved = StripeProvider(api_key="sk_test_moved", http_client=FakeClient(seller.stripe))
    assert sync.run(PLATFORM, provider=moved) is False
    assert sync.price_for(seller.offer.version, seller.provider) is None
    run(seller)
    assert (status(seller).account_id, status(seller).state) == (seller.provider.account_id(), "ready")
    assert sync.price_for(seller.offer.version, seller.provider) == first
    assert sync.due(seller.provider) == []
    with transaction(org=PLATFORM):
        sync.put_right(seller.offer.version, mode="test", replace=False, by=SYSTEM)


def test_a_claim_that_was_rung_over_does_not_win(seller: Seller) -> None:
    """Who changed the product while Stripe was asked is looked at again."""
    sync._want(PLATFORM, seller.provider)
    claim = sync.WORK.claim(PLATFORM, seconds=60)
    assert claim
    outcome = sync._attempt(sync.WORK.load(PLATFORM, claim.id), claim, provider=seller.provider)
    sync.suspect(seller.offer.version.id, catalog_id=PLATFORM, mode="test")
    with transaction(org=PLATFORM):
        assert not sync.WORK.finish(PLATFORM, claim, outcome)
    assert status(seller).state == "wanted"
    run(seller)
    assert status(seller).state == "ready"
    assert len(seller.stripe.account().newest("price")) == 1
