"""Promotion codes, quantities and kinds: what is paid may be less, what is credited never is."""

from typing import Any

import pytest

from dashboard.core.db import db, transaction
from dashboard.core.errors import Invalid
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.catalog import products
from dashboard.domain.funds import ledger
from dashboard.domain.payments import checkout
from dashboard.domain.payments.checkout import PromotionInvalid, ProviderAway
from dashboard.models import PLATFORM_ORG_ID, CreditGrant, Payment
from tests.domain.payments.shop import Shop
from tests.providers.test_catalog import promotion


def buy(shop: Shop, code: str = "", *, key: str = "form-1", quantity: int = 1) -> Payment:
    return checkout.open_checkout(
        checkout.Buyer(shop.org, Actor("user"), "buyer@example.test"), shop.offer, provider=shop.provider,
        quantity=quantity, success_url="http://127.0.0.1/ok", cancel_url="http://127.0.0.1/no", key=key,
        body_hash=ledger.body_hash("/buy", {"code": code, "quantity": quantity}), promotion_code=code,
    )  # fmt: skip


def settle(shop: Shop, payment: Payment) -> Payment:
    shop.stripe.pay(payment.session_id or "")
    shop.deliver_all()
    shop.work()
    return shop.payment(payment.id)


def terms(shop: Shop, **changes: Any) -> None:
    with transaction(org=PLATFORM_ORG_ID):
        shop.offer = products.change(PLATFORM_ORG_ID, shop.offer.product.id, by=SYSTEM, **changes)


def test_a_discount_credits_the_full_grant_and_records_what_was_paid(shop: Shop) -> None:
    promotion(shop.stripe, "LAUNCH20")
    payment = settle(shop, buy(shop, " launch20 ", quantity=2))
    assert (payment.state, payment.promotion_code) == ("credited", "launch20")
    assert (payment.amount_minor, payment.discount_minor, payment.total_minor) == (5_000, 1_000, 4_000)
    assert shop.wallet.balance == 52_000_000


def test_a_free_order_is_credited_without_a_payment(shop: Shop) -> None:
    promotion(shop.stripe, "FREE", percent=100)
    payment = settle(shop, buy(shop, "FREE"))
    assert (payment.state, payment.total_minor, payment.discount_minor, payment.intent_id) == (
        "credited", 0, 2_500, None,
    )  # fmt: skip
    assert shop.wallet.balance == 26_000_000


@pytest.mark.parametrize("code", ["NEVER", "two words", "<script>", "é", "x" * 101])
def test_a_code_that_does_not_work_opens_nothing(shop: Shop, code: str) -> None:
    with pytest.raises(PromotionInvalid) as refusal:
        buy(shop, code)
    assert refusal.value.field == "promotion_code"
    assert db.session.query(Payment).count() == 0


def test_a_code_that_does_not_fit_the_order_is_refused_at_the_page(shop: Shop) -> None:
    found = promotion(shop.stripe, "ONCE")
    shop.stripe.account().things[found]["restrictions"]["minimum_amount"] = 100_000
    with pytest.raises(PromotionInvalid, match="minimum amount"):
        buy(shop, "ONCE")
    assert db.session.query(Payment).one().state == "failed"


def test_a_provider_that_is_away_while_the_code_is_asked_about_opens_nothing(shop: Shop) -> None:
    shop.stripe.inject("reset", path="/v1/promotion_codes", times=2)
    with pytest.raises(ProviderAway):
        buy(shop, "LAUNCH20")
    assert db.session.query(Payment).count() == 0


def test_a_repeat_opens_the_same_page_also_when_the_code_ended(shop: Shop) -> None:
    found = promotion(shop.stripe, "LAUNCH20")
    shop.stripe.inject("reset", path="/v1/checkout/sessions", executed=True, times=2)
    with pytest.raises(ProviderAway):
        buy(shop, "LAUNCH20")
    shop.stripe.faults.clear()
    shop.stripe.account().things[found]["active"] = False
    assert buy(shop, "LAUNCH20").session_url
    assert len(shop.stripe.account().newest("checkout.session")) == 1


@pytest.mark.parametrize("quantity", [1, 6])
def test_quantities_outside_the_packs_bounds_are_refused(shop: Shop, quantity: int) -> None:
    terms(shop, min_quantity=2, max_quantity=5)
    with pytest.raises(Invalid, match="from 2 to 5") as refusal:
        buy(shop, quantity=quantity)
    assert refusal.value.field == "quantity"


def test_what_was_opened_before_the_bounds_changed_is_paid(shop: Shop) -> None:
    payment = buy(shop)
    terms(shop, min_quantity=2)
    assert buy(shop).id == payment.id
    assert settle(shop, payment).state == "credited"


def test_a_promotional_pack_opens_promotional_slices(shop: Shop) -> None:
    terms(shop, grant_kind="promotional")
    payment = settle(shop, buy(shop))
    assert payment.grant_kind == "promotional"
    slices = db.session.query(CreditGrant).filter_by(org_id=shop.org.id).all()
    assert {(one.kind, one.category, one.amount) for one in slices} == {
        ("promotional", "purchase", 25_000_000), ("promotional", "bonus", 1_000_000),
    }  # fmt: skip


def test_another_currency_is_kept_for_review(shop: Shop) -> None:
    payment = buy(shop)
    shop.stripe.amend(payment.session_id or "", currency="eur")
    assert settle(shop, payment).state == "review"
    assert shop.wallet.balance == 0


def test_a_deleted_customer_is_made_anew(shop: Shop) -> None:
    settle(shop, buy(shop))
    customer = shop.stripe.account().newest("customer")[0]["id"]
    shop.stripe.account().things[customer] = {"id": customer, "object": "customer", "deleted": True}
    again = buy(shop, key="form-2")
    assert again.session_url
    assert shop.stripe.session(again.session_id or "")["customer"] != customer
