"""One purchase, however often and in whatever order it is told of: one row, one receipt, and its own sums."""

import secrets
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import current_app

from dashboard.core.db import db
from dashboard.domain.payments import fulfil
from dashboard.domain.payments.receipts import receipts
from dashboard.domain.payments.webhooks import inbox
from dashboard.models import PLATFORM_ORG_ID, OutboxEmail, Transaction
from tests.domain.payments.seller import Seller, buy_as
from tests.factories import grant, make_pack, make_user
from tests.providers.test_catalog import made
from tests.stripe_fake import signing
from tests.stripe_fake.signing import Json

INVOICES = ("invoice.paid.manual_no_subscription", "invoice.payment_succeeded.subscription_create")


def purchases(seller: Seller) -> list[Transaction]:
    return db.session.query(Transaction).filter_by(org_id=seller.org.id, type="purchase").all()


@pytest.mark.parametrize("turn", range(5))
def test_five_events_in_any_order_and_two_open_return_pages_are_one_purchase(seller: Seller, turn: int) -> None:
    grant(seller.wallet, 160_000_000)
    seller.offer = make_pack(price_minor=5_000, credits_micros=50_000_000)
    payment = buy_as(seller, make_user("ada@example.test"))
    metadata = seller.stripe.pay(str(payment.session_id))["metadata"]
    events = deque(seller.sent[-3:])
    for name in INVOICES:
        event = signing.event_file(name) | {"id": f"evt_{secrets.token_hex(8)}"}
        event["data"]["object"]["metadata"] = metadata
        events.append(event)
    events.rotate(turn)
    for event in events:
        for told in (event, event, event | {"id": f"evt_{secrets.token_hex(8)}"}):
            seller.deliver(told)
    app, org_id, payment_id = current_app._get_current_object(), seller.org.id, payment.id  # type: ignore[attr-defined]

    def act(number: int) -> None:
        with app.app_context():
            if number < 2:
                inbox.drain(PLATFORM_ORG_ID, provider=seller.provider, worker=f"w{number}")
            else:
                fulfil.confirm(org_id, payment_id, provider=seller.provider)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(act, range(4)))
    assert seller.wallet.balance == 210_000_000
    assert [(row.amount, row.payment_id) for row in purchases(seller)] == [(50_000_000, payment.id)]
    (receipt,) = db.session.query(OutboxEmail).all()
    assert (receipt.event, receipt.context["payment_id"]) == ("receipt", str(payment.id))
    assert receipt.context["paid"] == "$50.00"


def coupon(seller: Seller, **terms: object) -> None:
    ours = made(seller.stripe, "/v1/coupons", {"duration": "once", **terms})
    made(seller.stripe, "/v1/promotion_codes", {"promotion": {"type": "coupon", "coupon": ours}, "code": "LESS"})


@pytest.mark.parametrize(
    ("terms", "paid", "off"),
    [({"percent_off": 100}, 0, 2_000), ({"percent_off": 25}, 1_500, 500),
     ({"amount_off": 500, "currency": "usd"}, 1_500, 500)],
    ids=["free", "percent", "amount"],
)  # fmt: skip
def test_a_promotion_code_lowers_what_is_paid_and_not_what_is_credited(
    seller: Seller, terms: Json, paid: int, off: int
) -> None:
    coupon(seller, **terms)
    seller.offer = make_pack(price_minor=2_000, credits_micros=20_000_000)
    payment = seller.buy(promotion_code="LESS")
    seller.stripe.pay(str(payment.session_id))
    seller.deliver_all()
    seller.work()
    done = seller.payment(payment.id)
    assert (done.state, done.total_minor, done.discount_minor) == ("credited", paid, off)
    assert (done.intent_id is None) == (paid == 0)
    assert [row.amount for row in purchases(seller)] == [20_000_000]
    assert receipts.facts(done)["paid"] == f"${paid // 100}.00"
