"""The inbox: stored once, worked on until it is decided, and every reason visible."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import text

from dashboard.core import clock
from dashboard.core.db import autocommit, db, transaction
from dashboard.core.errors import Conflict
from dashboard.domain.audit import SYSTEM
from dashboard.domain.payments import sweep
from dashboard.domain.payments.webhooks import inbox
from dashboard.domain.platform import overview
from dashboard.models import PLATFORM_ORG_ID, InboxEvent, InboxTry, Payment
from dashboard.providers.stripe import StripeProvider
from tests.domain.payments.seller import SECRET, Seller
from tests.factories import make_org, make_pack, wallet_of
from tests.stripe_fake import signing
from tests.stripe_fake.client import FakeClient

COMPLETED = "checkout.session.completed"


def make_due() -> None:
    autocommit().execute(text("UPDATE inbox_events SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL"))


def test_purchase_is_credited_by_the_worker(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.pay(str(payment.session_id))
    seller.deliver_all()
    assert seller.wallet.balance == 0
    seller.work()
    assert seller.wallet.balance == 26_000_000
    done = seller.event(seller.told(COMPLETED)["id"])
    assert (done.state, done.attempts) == ("processed", 1)
    assert done.effects["payment_id"] == str(payment.id)


def test_delivered_five_times_is_one_row_and_one_credit(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.pay(str(payment.session_id))
    for _ in range(5):
        seller.deliver(seller.told(COMPLETED))
        seller.work()
    assert seller.event(seller.told(COMPLETED)["id"]).deliveries == 5
    assert seller.wallet.balance == 26_000_000


def test_events_in_any_order_end_the_same(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.pay_later(str(payment.session_id))
    seller.stripe.settle(str(payment.session_id))
    for event in reversed(seller.sent):
        seller.deliver(event)
        seller.work()
    assert seller.payment(payment.id).state == "credited"
    assert seller.wallet.balance == 26_000_000


def test_a_failed_delayed_payment_fails_with_a_reason(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.pay_later(str(payment.session_id))
    seller.stripe.fail(str(payment.session_id))
    seller.deliver_all()
    seller.work()
    failed = seller.payment(payment.id)
    assert (failed.state, seller.wallet.balance) == ("failed", 0)
    assert "declined" in str(failed.problem)


def test_what_we_do_not_know_is_ignored_with_a_reason(seller: Seller) -> None:
    event = signing.event_file("payment_intent.succeeded.checkout")
    seller.deliver(event)
    seller.work()
    stored = seller.event(event["id"])
    assert stored.state == "ignored"
    assert "payment_intent.succeeded" in str(stored.error)


def test_a_foreign_session_of_the_account_is_ignored(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.pay(str(payment.session_id))
    seller.stripe.amend(str(payment.session_id), metadata={"seller": "elsewhere"})
    seller.deliver(seller.told(COMPLETED))
    seller.work()
    assert seller.event(seller.told(COMPLETED)["id"]).state == "ignored"


@pytest.mark.parametrize(
    "metadata",
    [{"org_id": "org_acme"}, {"org_id": "00000000-0000-7000-8000-0000000000ff"}, {"order_id": "ord_1001"}],
)
def test_an_unknown_organization_or_order_is_parked(seller: Seller, metadata: dict[str, str]) -> None:
    payment = seller.buy()
    seller.stripe.pay(str(payment.session_id))
    known = seller.stripe.session(str(payment.session_id))["metadata"]
    seller.stripe.amend(str(payment.session_id), metadata=known | metadata)
    seller.deliver(seller.told(COMPLETED))
    seller.work()
    parked = seller.event(seller.told(COMPLETED)["id"])
    assert parked.state == "parked"
    assert "Nothing was credited" in str(parked.error)
    assert seller.wallet.balance == 0


def test_a_passing_failure_comes_again_later(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.pay(str(payment.session_id))
    seller.deliver(seller.told(COMPLETED))
    seller.stripe.inject("reset", times=2, path="/v1/checkout/sessions")
    seller.work()
    waiting = seller.event(seller.told(COMPLETED)["id"])
    assert waiting.state == "failed"
    assert waiting.next_attempt_at > clock.now()
    assert inbox.due() == []
    make_due()
    assert inbox.due() == [PLATFORM_ORG_ID]
    seller.work()
    assert seller.wallet.balance == 26_000_000
    tries = db.session.query(InboxTry).order_by(InboxTry.number).all()
    assert [one.result for one in tries] == ["failed", "processed"]


def test_failures_without_end_are_parked(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.pay(str(payment.session_id))
    seller.deliver(seller.told(COMPLETED))
    seller.stripe.inject("reset", times=10_000, path="/v1/checkout/sessions")
    for _ in range(inbox.MAX_ATTEMPTS):
        make_due()
        seller.work()
    parked = seller.event(seller.told(COMPLETED)["id"])
    assert parked.state == "parked"
    assert str(inbox.MAX_ATTEMPTS) in str(parked.error)


def test_a_dead_workers_claim_runs_out(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.pay(str(payment.session_id))
    seller.deliver(seller.told(COMPLETED))
    inbox.WORK.claim(PLATFORM_ORG_ID, seconds=60)  # a worker takes it and dies
    assert inbox.due() == []
    seller.work()
    assert seller.wallet.balance == 0
    autocommit().execute(text("UPDATE inbox_events SET next_attempt_at = now() - interval '1 second'"))
    assert inbox.due() == [PLATFORM_ORG_ID]
    seller.work()
    assert seller.wallet.balance == 26_000_000


def test_another_api_version_is_put_aside_and_retry_reads_the_object(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.pay(str(payment.session_id))
    event = seller.told(COMPLETED) | {"api_version": "2020-08-27"}
    seller.deliver(event)
    seller.work()
    parked = seller.event(event["id"])
    assert parked.state == "parked"
    assert "2020-08-27" in str(parked.error)
    assert seller.wallet.balance == 0
    with transaction(org=PLATFORM_ORG_ID):
        inbox.retry(parked, by=SYSTEM)
    seller.work()
    assert seller.event(event["id"]).state == "processed"
    assert seller.wallet.balance == 26_000_000


def test_only_parked_and_failed_events_can_be_retried(seller: Seller) -> None:
    seller.deliver(signing.event_file("customer.updated"))
    seller.work()
    event = db.session.query(InboxEvent).one()
    with pytest.raises(Conflict), transaction(org=PLATFORM_ORG_ID):
        inbox.retry(event, by=SYSTEM)


def replay(seller: Seller, event: InboxEvent) -> None:
    with transaction(org=PLATFORM_ORG_ID):
        inbox.retry(event, by=SYSTEM)
    seller.work()


class MovedClient(FakeClient):
    """Stripe in a later version, in which a field has another name."""

    moved = True

    def request(self, *args: Any, **named: Any) -> tuple[bytes, int, Mapping[str, str]]:
        body, status, headers = super().request(*args, **named)
        return (body.replace(b'"payment_status"', b'"state_of_payment"') if self.moved else body), status, headers


def test_paid_sessions_that_cannot_be_read_are_credited_once_after_the_repair(seller: Seller) -> None:
    other, large = make_org("Other"), make_pack(price_minor=2_000, credits_micros=20_000_000)
    small = make_pack("Small", price_minor=500, credits_micros=5_000_000)
    bought: list[Payment] = []
    for number, (offer, org) in enumerate(((large, seller.org), (small, seller.org), (large, other))):
        seller.offer = offer
        bought.append(seller.buy(f"form-{number}", org=org))
        seller.stripe.pay(str(bought[-1].session_id))
    client = MovedClient(seller.stripe)
    seller.provider = StripeProvider(api_key="sk_test_later", webhook_secrets=[SECRET], http_client=client)
    seller.deliver_all()
    seller.work()
    db.session.expire_all()
    stuck = db.session.query(InboxEvent).filter_by(type=COMPLETED).all()
    assert [(event.state, event.error) for event in stuck] == [("failed", "Stripe's answer could not be read.")] * 3
    assert [seller.payment(payment.id).state for payment in bought] == ["paid"] * 3
    assert (seller.wallet.balance, wallet_of(other).balance) == (0, 0)
    autocommit().execute(text("UPDATE payments SET changed_at = now() - interval '6 minutes'"))
    counts = {item.kind: item.count for item in overview.work_list("test")}
    assert (counts["payment_uncredited"], counts["inbox_failed"]) == (3, 3)
    client.moved = False
    for event in stuck:
        replay(seller, event)
    for event in stuck:
        with pytest.raises(Conflict):
            replay(seller, event)
    seller.deliver_all()
    seller.work()
    assert (seller.wallet.balance, wallet_of(other).balance) == (25_000_000, 20_000_000)


def test_a_payment_that_cannot_be_read_is_asked_about_until_it_can(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.pay(str(payment.session_id))
    client = MovedClient(seller.stripe)
    seller.provider = StripeProvider(api_key="sk_test_later", webhook_secrets=[SECRET], http_client=client)
    seller.deliver(seller.told(COMPLETED))
    seller.work()
    for moved, state in ((True, "paid"), (False, "credited")):
        client.moved = moved
        autocommit().execute(text("UPDATE payments SET next_check_at = now()"))
        assert sweep.due() == [seller.org.id]
        sweep.drain(seller.org.id, provider=seller.provider)
        assert seller.payment(payment.id).state == state
    assert seller.wallet.balance == 26_000_000


def test_a_review_of_sums_that_were_not_told_is_judged_again_by_a_replay(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.pay(str(payment.session_id))
    seller.stripe.amend(str(payment.session_id), amount_subtotal=None, amount_total=None)
    seller.deliver(seller.told(COMPLETED))
    seller.work()
    held = seller.payment(payment.id)
    assert (held.state, seller.wallet.balance) == ("review", 0)
    assert "an unknown amount was paid" in str(held.problem)
    seller.stripe.amend(str(payment.session_id), amount_subtotal=2_500, amount_total=2_500)
    event = seller.event(seller.told(COMPLETED)["id"])
    replay(seller, event)
    assert (seller.payment(payment.id).state, seller.wallet.balance) == ("credited", 26_000_000)
    with pytest.raises(Conflict):
        replay(seller, event)
