"""The review: accepted credits exactly what was sold, rejected credits nothing; each is decided once."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from flask import current_app

from dashboard.core.db import db, transaction
from dashboard.core.errors import Invalid, NotFound
from dashboard.domain.audit import Actor
from dashboard.domain.funds.transactions import explain
from dashboard.domain.payments import fulfil, review, timeline
from dashboard.domain.payments.review import NotInReview
from dashboard.domain.platform import verify
from dashboard.models import AuditEntry, Payment, Transaction
from tests.domain.payments.shop import Shop
from tests.factories import make_org, make_user

REASON = "The price at Stripe was edited by hand; the customer paid what was shown."


@pytest.fixture
def manager(shop: Shop) -> Actor:
    return Actor("manager", make_user(manager=True, name="Mia Manager").id)


def in_review(shop: Shop, **changes: object) -> Payment:
    payment = shop.buy()
    shop.stripe.pay(str(payment.session_id))
    shop.stripe.amend(str(payment.session_id), **(changes or {"amount_subtotal": 2_000, "amount_total": 2_000}))
    assert fulfil.confirm(shop.org.id, payment.id, provider=shop.provider).state == "review"
    return payment


def accept(shop: Shop, payment: Payment, by: Actor, reason: str = REASON) -> bool:
    with transaction(org=shop.org.id):
        return review.accept(shop.org.id, payment.id, reason=reason, by=by)


def reject(shop: Shop, payment: Payment, by: Actor, reason: str = REASON) -> bool:
    with transaction(org=shop.org.id):
        return review.reject(shop.org.id, payment.id, reason=reason, by=by)


def test_accepted_credits_exactly_what_was_sold_once(shop: Shop, manager: Actor) -> None:
    payment = in_review(shop)
    assert accept(shop, payment, manager) is True
    assert accept(shop, payment, manager) is False
    assert shop.wallet.balance == 26_000_000
    row = db.session.query(Transaction).filter_by(org_id=shop.org.id).one()
    assert (row.type, row.payment_id, row.actor_kind, row.reason) == ("purchase", payment.id, "manager", REASON)
    done = shop.payment(payment.id)
    assert (done.state, done.transaction_id, done.total_minor) == ("credited", row.id, 2_000)
    assert verify.broken() == []


def test_accepted_by_many_at_once_credits_once(shop: Shop, manager: Actor) -> None:
    payment = in_review(shop)
    payment_id, org_id = payment.id, shop.org.id
    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def act(_: int) -> bool:
        with app.app_context(), transaction(org=org_id):
            return review.accept(org_id, payment_id, reason=REASON, by=manager)

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(act, range(6))) == [False] * 5 + [True]
    assert shop.wallet.balance == 26_000_000


def test_rejected_credits_nothing_whatever_is_told_later(shop: Shop, manager: Actor) -> None:
    payment = in_review(shop)
    assert reject(shop, payment, manager) is True
    assert reject(shop, payment, manager) is False
    shop.deliver_all()
    shop.work()
    fulfil.confirm(shop.org.id, payment.id, provider=shop.provider)
    done = shop.payment(payment.id)
    assert (done.state, done.rejected, shop.wallet.balance) == ("failed", True, 0)
    assert REASON in str(done.problem)
    assert verify.broken() == []


def test_who_was_faster_decides(shop: Shop, manager: Actor) -> None:
    payment = in_review(shop)
    reject(shop, payment, manager)
    with pytest.raises(NotInReview):
        accept(shop, payment, manager)
    other = shop.buy("form-2")
    shop.stripe.pay(str(other.session_id))
    shop.stripe.amend(str(other.session_id), currency="eur")
    fulfil.confirm(shop.org.id, other.id, provider=shop.provider)
    accept(shop, other, manager)
    with pytest.raises(NotInReview):
        reject(shop, other, manager)
    assert shop.wallet.balance == 26_000_000


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 501, "a\x00b"])
def test_a_reason_is_needed(shop: Shop, manager: Actor, reason: str) -> None:
    payment = in_review(shop)
    for act in (accept, reject):
        with pytest.raises(Invalid) as refusal:
            act(shop, payment, manager, reason)
        assert refusal.value.field == "reason"
    assert shop.payment(payment.id).state == "review"


def test_only_what_is_in_review_is_decided(shop: Shop, manager: Actor) -> None:
    payment = shop.buy()
    for act in (accept, reject):
        with pytest.raises(NotInReview):
            act(shop, payment, manager)


def test_another_organizations_payment_is_not_found(shop: Shop, manager: Actor) -> None:
    payment, other = in_review(shop), make_org("Other")
    for act in (review.accept, review.reject):
        with pytest.raises(NotFound), transaction(org=other.id):
            act(other.id, payment.id, reason=REASON, by=manager)
        with pytest.raises(NotFound), transaction(org=shop.org.id):
            act(shop.org.id, uuid4(), reason=REASON, by=manager)


def test_the_act_stands_in_the_payers_trail(shop: Shop, manager: Actor) -> None:
    payment = in_review(shop)
    accept(shop, payment, manager)
    entry = db.session.query(AuditEntry).filter_by(action="payment.accepted").one()
    assert (entry.org_id, entry.actor_kind, entry.actor_id) == (shop.org.id, "manager", manager.id)
    assert (entry.reason, entry.after) == (REASON, {"state": "credited", "amount": 26_000_000})


def test_the_story_tells_both_sides_in_order(shop: Shop, manager: Actor) -> None:
    payment = in_review(shop, currency="eur")
    before = timeline.of(shop.payment(payment.id))
    titles = [step.title for step in before.steps]
    assert titles == ["Created", "Sent to the provider", "Paid", "Held for review", "Waiting for support"]
    assert before.taken is not None
    assert (before.taken.subtotal_minor, before.taken.currency) == (2_500, "eur")
    accept(shop, payment, manager)
    after = timeline.of(shop.payment(payment.id))
    assert [step.title for step in after.steps][-2:] == ["Credited", "Accepted"]
    assert after.steps[-1].detail == f"Platform manager: {REASON}"
    assert timeline.of(shop.payment(payment.id), for_manager=True).steps[-1].detail == f"Mia Manager: {REASON}"


def test_between_payment_and_credit_the_story_says_what_follows(shop: Shop) -> None:
    payment = shop.buy()
    with transaction(org=shop.org.id):
        payment.state = "paid"
    assert timeline.of(payment).steps[-1].title == "Adding the credits"


def test_a_declined_payments_story_says_why_and_what_to_do(shop: Shop) -> None:
    payment = shop.buy()
    shop.stripe.pay_later(str(payment.session_id))
    shop.stripe.fail(str(payment.session_id))
    fulfil.confirm(shop.org.id, payment.id, provider=shop.provider)
    told = timeline.of(shop.payment(payment.id))
    assert [step.title for step in told.steps] == ["Created", "Sent to the provider", "Failed"]
    assert "insufficient funds" in told.steps[-1].detail
    assert told.advice == "Pay with another card."


def test_the_transactions_explanation_names_the_payment_and_the_review(shop: Shop, manager: Actor) -> None:
    payment = in_review(shop)
    accept(shop, payment, manager)
    row = db.session.query(Transaction).filter_by(org_id=shop.org.id).one()
    told = [step.text for step in explain.explain(row).cause]
    assert f"Starter was ordered: payment {payment.id}" in told
    assert told[-1] == f"Held for review, and accepted: {REASON}"
