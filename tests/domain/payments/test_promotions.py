"""Promotion codes, quantities and kinds: what is paid may be less, what is credited never is."""

from typing import Any
from uuid import UUID

import pytest

from dashboard.core import ids
from dashboard.core.db import db, transaction
from dashboard.core.errors import Invalid
from dashboard.domain import rate_limits
from dashboard.domain.access import keys
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.catalog import products
from dashboard.domain.funds import ledger
from dashboard.domain.payments.checkout import checkout
from dashboard.domain.payments.checkout.budgets import TooManyCodes, TooManyPages
from dashboard.domain.payments.checkout.checkout import PromotionInvalid, ProviderAway
from dashboard.models import PLATFORM_ORG_ID, ApiKey, AuditEntry, CreditGrant, Organization, Payment
from tests.domain.payments.seller import Seller
from tests.each import each
from tests.factories import make_org, make_user
from tests.providers.test_catalog import promotion

BUYER = Actor("user", ids.new())


def buy(
    seller: Seller, code: str = "", *, key: str = "form-1", quantity: int = 1, org: Organization | None = None,
    by: Actor = BUYER,
) -> Payment:  # fmt: skip
    return checkout.open_checkout(
        checkout.Buyer(org or seller.org, by, "buyer@example.test"), seller.offer, provider=seller.provider,
        quantity=quantity, success_url="http://127.0.0.1/ok", cancel_url="http://127.0.0.1/no", key=key,
        body_hash=ledger.body_hash("/buy", {"code": code, "quantity": quantity}), promotion_code=code,
    )  # fmt: skip


def guess(seller: Seller, times: int, **named: Any) -> None:
    for number in range(times):
        with pytest.raises(PromotionInvalid):
            buy(seller, f"GUESS{number}", key=f"guess-{number}", **named)


def looked_up(seller: Seller) -> int:
    return sum(call.path == "/v1/promotion_codes" for call in seller.stripe.calls)


def trail(action: str) -> list[AuditEntry]:
    return db.session.query(AuditEntry).filter_by(action=action).all()


def settle(seller: Seller, payment: Payment) -> Payment:
    seller.stripe.pay(payment.session_id or "")
    seller.deliver_all()
    seller.work()
    return seller.payment(payment.id)


def terms(seller: Seller, **changes: Any) -> None:
    with transaction(org=PLATFORM_ORG_ID):
        seller.offer = products.change(PLATFORM_ORG_ID, seller.offer.product.id, by=SYSTEM, **changes)


def test_a_discount_credits_the_full_grant_and_records_what_was_paid(seller: Seller) -> None:
    promotion(seller.stripe, "LAUNCH20")
    payment = settle(seller, buy(seller, " launch20 ", quantity=2))
    assert (payment.state, payment.promotion_code) == ("credited", "launch20")
    assert (payment.amount_minor, payment.discount_minor, payment.total_minor) == (5_000, 1_000, 4_000)
    assert seller.wallet.balance == 52_000_000


def test_a_free_order_is_credited_without_a_payment(seller: Seller) -> None:
    promotion(seller.stripe, "FREE", percent=100)
    payment = settle(seller, buy(seller, "FREE"))
    assert (payment.state, payment.total_minor, payment.discount_minor, payment.intent_id) == (
        "credited", 0, 2_500, None,
    )  # fmt: skip
    assert seller.wallet.balance == 26_000_000


@each("code", ["NEVER", "two words", "<script>", "é", "x" * 101])
def test_a_code_that_does_not_work_opens_nothing(seller: Seller, code: str) -> None:
    with pytest.raises(PromotionInvalid) as refusal:
        buy(seller, code)
    assert refusal.value.field == "promotion_code"
    assert db.session.query(Payment).count() == 0


def test_a_code_that_does_not_fit_the_order_is_refused_at_the_page(seller: Seller) -> None:
    found = promotion(seller.stripe, "ONCE")
    seller.stripe.account().things[found]["restrictions"]["minimum_amount"] = 100_000
    with pytest.raises(PromotionInvalid, match="minimum amount"):
        buy(seller, "ONCE")
    assert db.session.query(Payment).one().state == "failed"


def test_a_provider_that_is_away_while_the_code_is_asked_about_opens_nothing(seller: Seller) -> None:
    seller.stripe.inject("reset", path="/v1/promotion_codes", times=2)
    with pytest.raises(ProviderAway):
        buy(seller, "LAUNCH20")
    assert db.session.query(Payment).count() == 0


def test_a_repeat_opens_the_same_page_also_when_the_code_ended(seller: Seller) -> None:
    found = promotion(seller.stripe, "LAUNCH20")
    seller.stripe.inject("reset", path="/v1/checkout/sessions", executed=True, times=2)
    with pytest.raises(ProviderAway):
        buy(seller, "LAUNCH20")
    seller.stripe.faults.clear()
    seller.stripe.account().things[found]["active"] = False
    assert buy(seller, "LAUNCH20").session_url
    assert len(seller.stripe.account().newest("checkout.session")) == 1


@pytest.mark.parametrize("quantity", [1, 6])
def test_quantities_outside_the_packs_bounds_are_refused(seller: Seller, quantity: int) -> None:
    terms(seller, min_quantity=2, max_quantity=5)
    with pytest.raises(Invalid, match="from 2 to 5") as refusal:
        buy(seller, quantity=quantity)
    assert refusal.value.field == "quantity"


def test_what_was_opened_before_the_bounds_changed_is_paid(seller: Seller) -> None:
    payment = buy(seller)
    terms(seller, min_quantity=2)
    assert buy(seller).id == payment.id
    assert settle(seller, payment).state == "credited"


def test_a_promotional_pack_opens_promotional_slices(seller: Seller) -> None:
    terms(seller, grant_kind="promotional")
    payment = settle(seller, buy(seller))
    assert payment.grant_kind == "promotional"
    slices = db.session.query(CreditGrant).filter_by(org_id=seller.org.id).all()
    assert {(one.kind, one.category, one.amount) for one in slices} == {
        ("promotional", "purchase", 25_000_000), ("promotional", "bonus", 1_000_000),
    }  # fmt: skip


def test_another_currency_is_kept_for_review(seller: Seller) -> None:
    payment = buy(seller)
    seller.stripe.amend(payment.session_id or "", currency="eur")
    assert settle(seller, payment).state == "review"
    assert seller.wallet.balance == 0


def test_a_deleted_customer_is_made_anew(seller: Seller) -> None:
    settle(seller, buy(seller))
    customer = seller.stripe.account().newest("customer")[0]["id"]
    seller.stripe.account().things[customer] = {"id": customer, "object": "customer", "deleted": True}
    again = buy(seller, key="form-2")
    assert again.session_url
    assert seller.stripe.session(again.session_id or "")["customer"] != customer


def test_ten_wrong_codes_are_looked_up_and_each_stands_in_the_trail(seller: Seller) -> None:
    promotion(seller.stripe, "LAUNCH20")
    guess(seller, 10)
    with pytest.raises(TooManyCodes) as refusal:
        buy(seller, "LAUNCH20")
    assert 0 < refusal.value.retry_after <= 30 * 60
    assert looked_up(seller) == 10
    assert [(one.org_id, one.actor_id) for one in trail("promotion.refused")] == [(seller.org.id, BUYER.id)] * 10
    assert buy(seller).state == "pending"


def test_codes_that_work_cost_nothing_of_the_budget(seller: Seller) -> None:
    promotion(seller.stripe, "LAUNCH20")
    for number in range(11):
        assert buy(seller, "LAUNCH20", key=f"form-{number}").state == "pending"
    assert trail("promotion.refused") == []


def test_a_provider_that_is_away_costs_nothing_of_the_budget(seller: Seller) -> None:
    seller.stripe.inject("reset", path="/v1/promotion_codes", times=22)
    for number in range(11):
        with pytest.raises(ProviderAway):
            buy(seller, "LAUNCH20", key=f"form-{number}")
    assert trail("promotion.refused") == []


def test_a_person_has_one_budget_in_all_organizations_and_for_all_keys(seller: Seller) -> None:
    guess(seller, 10)
    with pytest.raises(TooManyCodes):
        buy(seller, "GUESS", org=make_org("Second"))
    colleague = Actor("user", ids.new())
    with pytest.raises(TooManyCodes):
        buy(seller, "GUESS", by=colleague)
    guess(seller, 1, by=colleague, org=make_org("Third"))


def two_programs() -> tuple[Organization, Organization, dict[UUID, Actor]]:
    """Two organizations with a key each, both made by one person."""
    person = make_user()
    first, second = make_org("First"), make_org("Second")
    programs = {}
    for org in (first, second):
        with transaction(org=org.id):
            made = keys.make(org, name="Seller", scopes=["checkout:create"], mode="test", by=SYSTEM, made_by=person.id)
        programs[org.id] = Actor("key", made.row.id)
    return first, second, programs


def test_the_keys_that_a_person_made_share_the_persons_budget(seller: Seller) -> None:
    first, second, programs = two_programs()
    guess(seller, 10, org=first, by=programs[first.id])
    with pytest.raises(TooManyCodes):
        buy(seller, "GUESS", org=second, by=programs[second.id])


def test_sixty_payment_pages_a_minute_are_asked_for_and_the_trail_tells_once(seller: Seller) -> None:
    first = buy(seller)
    with transaction():
        for _ in range(59):
            rate_limits.exceeded(rate_limits.CHECKOUT_ORG, str(seller.org.id))
    asked = len(seller.stripe.calls)
    for number in range(3):
        with pytest.raises(TooManyPages):
            buy(seller, key=f"more-{number}")
    assert len(seller.stripe.calls) == asked
    assert [one.org_id for one in trail("checkouts.limited")] == [seller.org.id]
    assert buy(seller).id == first.id
    assert buy(seller, org=make_org("Other"), key="form-1").state == "pending"


def test_a_person_opens_120_payment_pages_a_minute_in_all_organizations(seller: Seller) -> None:
    first, second, programs = two_programs()
    assert buy(seller, org=first, by=programs[first.id]).session_url
    with transaction():
        person = db.session.get_one(ApiKey, (first.id, programs[first.id].id)).created_by
        for _ in range(119):
            assert rate_limits.exceeded(rate_limits.CHECKOUT_PERSON, str(person)) is None
    asked = len(seller.stripe.calls)
    with pytest.raises(TooManyPages):
        buy(seller, org=second, by=programs[second.id])
    assert len(seller.stripe.calls) == asked
    assert [one.org_id for one in trail("checkouts.limited")] == [second.id]
    assert buy(seller, org=second, by=Actor("user", ids.new())).state == "pending"
