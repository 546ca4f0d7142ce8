"""The sweep: whatever the provider knows of a payment is found out without a webhook, and what it cannot know ends."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from dashboard.core import clock
from dashboard.core.db import autocommit, db, transaction
from dashboard.domain.payments import sweep, timeline
from dashboard.domain.payments.checkout.checkout import ProviderAway
from dashboard.domain.platform import overview, webhooks
from dashboard.models import AuditEntry, Customer, Payment
from dashboard.providers.stripe import StripeProvider
from tests.domain.payments.seller import Seller
from tests.stripe_fake.client import FakeClient

SESSIONS = "/v1/checkout/sessions"


def make_due() -> None:
    autocommit().execute(text("UPDATE payments SET next_check_at = now() - interval '1 second'"))


def ask(seller: Seller, times: int = 1) -> None:
    for _ in range(times):
        make_due()
        sweep.drain(seller.org.id, provider=seller.provider)


def unanswered(seller: Seller, *, executed: bool) -> Payment:
    seller.stripe.inject("reset", times=2, path=SESSIONS, method="POST", executed=executed)
    with pytest.raises(ProviderAway):
        seller.buy("form-1")
    return db.session.query(Payment).one()


def orphan(seller: Seller) -> Payment:
    """What a process leaves that dies after its intent, before anybody is asked."""
    payment = seller.buy("form-1")
    with transaction(org=seller.org.id):
        payment.state, payment.session_id, payment.session_url = "created", None, None
    return payment


def test_without_any_webhook_a_paid_session_is_credited_by_the_sweep(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.pay(str(payment.session_id))
    assert sweep.due() == []  # the webhook has its minute
    make_due()
    assert sweep.due() == [seller.org.id]
    ask(seller)
    assert seller.payment(payment.id).state == "credited"
    assert seller.wallet.balance == 26_000_000
    assert sweep.due() == []


def silence() -> int:
    with clock.at(clock.now() + timedelta(minutes=11)):
        found = webhooks.silence("test")
    return found.payments if found else 0


def test_payments_credited_without_any_webhook_are_an_alert_until_one_comes(seller: Seller) -> None:
    assert silence() == 0
    for key in ("form-1", "form-2"):
        seller.stripe.pay(str(seller.buy(key).session_id))
    ask(seller, times=2)
    assert webhooks.silence("test") is None  # the webhook has its ten minutes
    assert silence() == 2
    with clock.at(clock.now() + timedelta(minutes=11)):
        assert ("webhooks_silent", 2) in [(item.kind, item.count) for item in overview.work_list("test")]
    seller.deliver(seller.sent[-1])  # of the second payment
    seller.work()
    assert silence() == 0
    seller.stripe.pay(str(seller.buy("form-3").session_id))
    ask(seller)
    assert silence() == 1


def test_the_first_question_comes_after_a_minute(seller: Seller) -> None:
    payment = seller.buy()
    waits = payment.next_check_at - clock.now()
    assert timedelta(seconds=50) < waits <= timedelta(minutes=1)


def test_an_open_page_is_asked_about_with_growing_pauses_of_at_most_an_hour(seller: Seller) -> None:
    payment = seller.buy()
    pauses = []
    for _ in range(9):
        ask(seller)
        known = seller.payment(payment.id)
        pauses.append(round((known.next_check_at - clock.now()).total_seconds() / 60))
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert (known.state, known.checks) == ("pending", 9)


def test_an_expired_page_ends_the_payment(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.expire(str(payment.session_id))
    ask(seller)
    assert seller.payment(payment.id).state == "expired"


def test_a_page_whose_answer_got_lost_is_found_and_credited(seller: Seller) -> None:
    payment = unanswered(seller, executed=True)
    assert payment.state == "unknown"
    ask(seller)
    found = seller.payment(payment.id)
    assert (found.state, found.session_url is not None, found.opened_at is not None) == ("pending", True, True)
    seller.stripe.pay(str(found.session_id))
    ask(seller)
    assert seller.wallet.balance == 26_000_000


def test_a_page_that_was_never_opened_ends_after_three_looks(seller: Seller) -> None:
    payment = unanswered(seller, executed=False)
    ask(seller, times=2)
    assert seller.payment(payment.id).state == "unknown"  # the buyer may repeat the request
    ask(seller)
    ended = seller.payment(payment.id)
    assert (ended.state, ended.problem) == ("expired", "The payment page was never opened. Nothing was charged.")
    assert sweep.due() == []


def test_the_buyer_may_repeat_the_request_until_then(seller: Seller) -> None:
    unanswered(seller, executed=False)
    ask(seller, times=2)
    assert seller.buy("form-1").state == "pending"


def test_an_answer_that_stripe_keeps_as_an_error_ends_too(seller: Seller) -> None:
    seller.stripe.inject("error", status=500, path=SESSIONS, method="POST")
    with pytest.raises(ProviderAway):
        seller.buy("form-1")
    ask(seller, times=3)
    assert db.session.query(Payment.state).scalar() == "expired"


def test_without_a_customer_no_page_can_have_been_opened(seller: Seller) -> None:
    seller.stripe.inject("reset", times=2, path="/v1/customers")
    with pytest.raises(ProviderAway):
        seller.buy("form-1")
    assert db.session.query(Customer).count() == 0
    ask(seller, times=3)
    assert db.session.query(Payment.state).scalar() == "expired"


def test_what_a_dead_process_left_becomes_unknown_and_the_buyer_goes_on(seller: Seller) -> None:
    payment = orphan(seller)
    session = seller.stripe.account().newest("checkout.session")[0]
    seller.stripe.amend(session["id"], metadata={})  # not opened for this payment
    ask(seller)
    assert seller.payment(payment.id).state == "unknown"


def test_a_dead_processs_page_is_found(seller: Seller) -> None:
    payment = orphan(seller)
    ask(seller)
    assert seller.payment(payment.id).state == "pending"


def test_paid_after_it_had_ended_is_credited(seller: Seller) -> None:
    payment = unanswered(seller, executed=True)
    session = seller.stripe.account().newest("checkout.session")[0]
    known = session["metadata"]
    seller.stripe.amend(session["id"], metadata={})
    ask(seller, times=3)
    assert seller.payment(payment.id).state == "expired"
    seller.stripe.amend(session["id"], metadata=known)
    seller.stripe.pay(session["id"])
    seller.deliver_all()
    seller.work()
    assert seller.payment(payment.id).state == "credited"


def test_a_provider_that_is_away_ends_the_round_and_is_asked_later(seller: Seller) -> None:
    for number in range(3):
        seller.buy(f"form-{number}")
    asked = len(seller.stripe.calls)
    seller.stripe.inject("reset", times=2, path=SESSIONS)
    make_due()
    assert sweep.drain(seller.org.id, provider=seller.provider) is False
    assert len(seller.stripe.calls) - asked == 2  # one payment, with its retry: the others would wait as long
    assert sweep.due() == [seller.org.id]
    assert sweep.drain(seller.org.id, provider=seller.provider) is False
    assert sweep.due() == []


def test_a_delayed_payment_that_failed_silently_fails_with_words(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.pay_later(str(payment.session_id))
    ask(seller)
    assert seller.payment(payment.id).state == "pending"
    seller.stripe.fail(str(payment.session_id))
    ask(seller)
    failed = seller.payment(payment.id)
    assert (failed.state, failed.decline_code, failed.paid_at) == ("failed", "insufficient_funds", None)
    assert "insufficient funds" in str(failed.problem)


def test_a_declined_try_on_an_open_page_is_noted_and_nothing_ends(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.decline(str(payment.session_id))
    ask(seller)
    noted = seller.payment(payment.id)
    assert (noted.state, noted.decline_code) == ("pending", "insufficient_funds")
    seller.stripe.pay(str(payment.session_id))
    ask(seller)
    assert (seller.payment(payment.id).state, seller.payment(payment.id).decline_code) == ("credited", None)


def test_a_key_that_may_not_read_intents_still_settles(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.pay(str(payment.session_id))
    seller.stripe.inject("error", status=403, path=SESSIONS, method="GET")
    ask(seller)
    assert seller.payment(payment.id).state == "credited"


def test_a_payment_of_a_provider_that_is_not_configured_waits(seller: Seller) -> None:
    payment = seller.buy()
    seller.provider = StripeProvider(api_key="sk_live_other", http_client=FakeClient(seller.stripe))
    ask(seller)
    assert seller.payment(payment.id).state == "pending"


def test_a_session_that_is_not_ours_credits_nothing_and_says_so(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.pay(str(payment.session_id))
    known = seller.stripe.session(str(payment.session_id))["metadata"]
    seller.stripe.amend(str(payment.session_id), metadata={})
    ask(seller)
    odd = seller.payment(payment.id)
    assert (odd.state, seller.wallet.balance) == ("unknown", 0)
    assert "not the one" in str(odd.problem)
    seller.stripe.amend(str(payment.session_id), metadata=known)
    ask(seller)
    assert seller.payment(payment.id).state == "credited"


def test_a_page_that_the_provider_forgot_ends_once_it_cannot_be_paid(seller: Seller) -> None:
    payment = seller.buy()
    del seller.stripe.account().things[str(payment.session_id)]
    ask(seller)
    assert seller.payment(payment.id).state == "unknown"
    with clock.at(clock.now() + timedelta(hours=26)):
        ask(seller)
    gone = seller.payment(payment.id)
    assert (gone.state, "no longer knows" in str(gone.problem)) == ("expired", True)


def test_what_the_provider_tells_of_us_is_not_for_customers(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.inject("error", status=401, times=2)
    ask(seller)
    refused = seller.payment(payment.id)
    assert "API key" in str(refused.problem)
    for text_, manager in ((timeline.NO_ANSWER, False), (refused.problem, True)):
        assert timeline.problem(refused, for_manager=manager) == text_
        assert text_ in [step.detail for step in timeline.of(refused, for_manager=manager).steps]


def test_what_the_sweep_did_stands_in_the_trail(seller: Seller) -> None:
    payment = unanswered(seller, executed=False)
    ask(seller, times=3)
    told = db.session.query(AuditEntry).filter_by(object_id=str(payment.id)).order_by(AuditEntry.id)
    assert [row.action for row in told] == ["payment.created", "payment.unknown", "payment.expired"]
