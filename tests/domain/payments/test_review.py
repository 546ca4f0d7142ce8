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
from tests.domain.payments.seller import Seller
from tests.factories import make_org, make_user

REASON = "The price at Stripe was edited by hand; the customer paid what was shown."


@pytest.fixture
def manager(seller: Seller) -> Actor:
    return Actor("manager", make_user(manager=True, name="Mia Manager").id)


def in_review(seller: Seller, **changes: object) -> Payment:
    payment = seller.buy()
    seller.stripe.pay(str(payment.session_id))
    seller.stripe.amend(str(payment.session_id), **(changes or {"amount_subtotal": 2_000, "amount_total": 2_000}))
    assert fulfil.confirm(seller.org.id, payment.id, provider=seller.provider).state == "review"
    return payment


def accept(seller: Seller, payment: Payment, by: Actor, reason: str = REASON) -> bool:
    with transaction(org=seller.org.id):
        return review.accept(seller.org.id, payment.id, reason=reason, by=by)


def reject(seller: Seller, payment: Payment, by: Actor, reason: str = REASON) -> bool:
    with transaction(org=seller.org.id):
        return review.reject(seller.org.id, payment.id, reason=reason, by=by)


def test_accepted_credits_exactly_what_was_sold_once(seller: Seller, manager: Actor) -> None:
    payment = in_review(seller)
    assert accept(seller, payment, manager) is True
    assert accept(seller, payment, manager) is False
    assert seller.wallet.balance == 26_000_000
    row = db.session.query(Transaction).filter_by(org_id=seller.org.id).one()
    assert (row.type, row.payment_id, row.actor_kind, row.reason) == ("purchase", payment.id, "manager", REASON)
    done = seller.payment(payment.id)
    assert (done.state, done.transaction_id, done.total_minor) == ("credited", row.id, 2_000)
    assert verify.broken() == []


def test_accepted_by_many_at_once_credits_once(seller: Seller, manager: Actor) -> None:
    payment = in_review(seller)
    payment_id, org_id = payment.id, seller.org.id
    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def act(_: int) -> bool:
        with app.app_context(), transaction(org=org_id):
            return review.accept(org_id, payment_id, reason=REASON, by=manager)

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(act, range(6))) == [False] * 5 + [True]
    assert seller.wallet.balance == 26_000_000


def test_rejected_credits_nothing_whatever_is_told_later(seller: Seller, manager: Actor) -> None:
    payment = in_review(seller)
    assert reject(seller, payment, manager) is True
    assert reject(seller, payment, manager) is False
    seller.deliver_all()
    seller.work()
    fulfil.confirm(seller.org.id, payment.id, provider=seller.provider)
    done = seller.payment(payment.id)
    assert (done.state, done.rejected, seller.wallet.balance) == ("failed", True, 0)
    assert REASON in str(done.problem)
    assert verify.broken() == []


def test_who_was_faster_decides(seller: Seller, manager: Actor) -> None:
    payment = in_review(seller)
    reject(seller, payment, manager)
    with pytest.raises(NotInReview):
        accept(seller, payment, manager)
    other = seller.buy("form-2")
    seller.stripe.pay(str(other.session_id))
    seller.stripe.amend(str(other.session_id), currency="eur")
    fulfil.confirm(seller.org.id, other.id, provider=seller.provider)
    accept(seller, other, manager)
    with pytest.raises(NotInReview):
        reject(seller, other, manager)
    assert seller.wallet.balance == 26_000_000


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 501, "a\x00b"])
def test_a_reason_is_needed(seller: Seller, manager: Actor, reason: str) -> None:
    payment = in_review(seller)
    for act in (accept, reject):
        with pytest.raises(Invalid) as refusal:
            act(seller, payment, manager, reason)
        assert refusal.value.field == "reason"
    assert seller.payment(payment.id).state == "review"


def test_only_what_is_in_review_is_decided(seller: Seller, manager: Actor) -> None:
    payment = seller.buy()
    for act in (accept, reject):
        with pytest.raises(NotInReview):
            act(seller, payment, manager)


def test_another_organizations_payment_is_not_found(seller: Seller, manager: Actor) -> None:
    payment, other = in_review(seller), make_org("Other")
    for act in (review.accept, review.reject):
        with pytest.raises(NotFound), transaction(org=other.id):
            act(other.id, payment.id, reason=REASON, by=manager)
        with pytest.raises(NotFound), transaction(org=seller.org.id):
            act(seller.org.id, uuid4(), reason=REASON, by=manager)


def test_the_act_stands_in_the_payers_trail(seller: Seller, manager: Actor) -> None:
    payment = in_review(seller)
    accept(seller, payment, manager)
    entry = db.session.query(AuditEntry).filter_by(action="payment.accepted").one()
    assert (entry.org_id, entry.actor_kind, entry.actor_id) == (seller.org.id, "manager", manager.id)
    assert (entry.reason, entry.after) == (REASON, {"state": "credited", "amount": 26_000_000})


def test_the_story_tells_both_sides_in_order(seller: Seller, manager: Actor) -> None:
    payment = in_review(seller, currency="eur")
    before = timeline.of(seller.payment(payment.id))
    titles = [step.title for step in before.steps]
    assert titles == ["Created", "Sent to the provider", "Paid", "Held for review", "Waiting for support"]
    assert before.taken is not None
    assert (before.taken.subtotal_minor, before.taken.currency) == (2_500, "eur")
    accept(seller, payment, manager)
    after = timeline.of(seller.payment(payment.id))
    assert [step.title for step in after.steps][-2:] == ["Credited", "Accepted"]
    assert after.steps[-1].detail == f"Platform manager: {REASON}"
    assert timeline.of(seller.payment(payment.id), for_manager=True).steps[-1].detail == f"Mia Manager: {REASON}"


def test_between_payment_and_credit_the_story_says_what_follows(seller: Seller) -> None:
    payment = seller.buy()
    with transaction(org=seller.org.id):
        payment.state = "paid"
    assert timeline.of(payment).steps[-1].title == "Adding the credits"


def test_a_declined_payments_story_says_why_and_what_to_do(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.pay_later(str(payment.session_id))
    seller.stripe.fail(str(payment.session_id))
    fulfil.confirm(seller.org.id, payment.id, provider=seller.provider)
    told = timeline.of(seller.payment(payment.id))
    assert [step.title for step in told.steps] == ["Created", "Sent to the provider", "Failed"]
    assert "insufficient funds" in told.steps[-1].detail
    assert told.advice == "Pay with another card."


def test_the_transactions_explanation_names_the_payment_and_the_review(seller: Seller, manager: Actor) -> None:
    payment = in_review(seller)
    accept(seller, payment, manager)
    row = db.session.query(Transaction).filter_by(org_id=seller.org.id).one()
    told = [step.text for step in explain.explain(row).cause]
    assert f"Starter was ordered: payment {payment.id}" in told
    assert told[-1] == f"Held for review, and accepted: {REASON}"
