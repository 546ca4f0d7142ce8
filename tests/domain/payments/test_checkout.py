"""Opening a checkout: our row first, one session for one form, honest about what the provider did not say."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from dashboard.core.db import db, transaction
from dashboard.core.errors import Invalid
from dashboard.domain.funds.ledger import KeyReused
from dashboard.domain.payments import declines, timeline
from dashboard.domain.payments.checkout.checkout import CheckoutRefused, ProviderAway, ProviderCrowded
from dashboard.models import Customer, Payment
from tests.domain.payments.seller import Seller
from tests.factories import make_pack
from tests.stripe_fake.model import Refusal

SESSIONS = "/v1/checkout/sessions"


def sessions_opened(seller: Seller) -> int:
    return len([thing for thing in seller.stripe.account().things if thing.startswith("cs_")])


def test_payment_holds_a_copy_of_what_is_sold(seller: Seller) -> None:
    payment = seller.buy(quantity=3)
    assert (payment.state, payment.amount_minor, payment.currency) == ("pending", 7_500, "usd")
    assert (payment.grant_micros, payment.bonus_micros) == (75_000_000, 3_000_000)
    assert payment.session_id is not None
    assert payment.session_url is not None
    assert seller.stripe.complaints == []


def test_metadata_is_exactly_the_contract(seller: Seller) -> None:
    payment = seller.buy()
    session = seller.stripe.session(str(payment.session_id))
    assert session["metadata"] == {
        "org_id": str(seller.org.id),
        "mode": "test",
        "kind": "credit_pack",
        "order_id": str(payment.id),
        "pack_id": str(seller.offer.product.id),
        "credits": "26",
    }
    assert session["client_reference_id"] == str(seller.org.id)
    assert str(payment.id) in session["success_url"]


def test_metadata_shows_parts_of_a_credit(seller: Seller) -> None:
    seller.offer = make_pack("Parts", price_minor=1_000, credits_micros=10_500_000)
    session = seller.stripe.session(str(seller.buy().session_id))
    assert session["metadata"]["credits"] == "10.5"


def test_same_key_opens_one_session(seller: Seller) -> None:
    first, second = seller.buy("form-1"), seller.buy("form-1")
    assert (first.id, first.session_url) == (second.id, second.session_url)
    assert sessions_opened(seller) == 1


def test_same_key_at_the_same_time_opens_one_session(seller: Seller) -> None:
    from flask import current_app

    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def submit(_: int) -> str:
        with app.app_context():
            return str(seller.buy("form-1").session_url)

    with ThreadPoolExecutor(5) as threads:
        urls = set(threads.map(submit, range(5)))
    assert len(urls) == 1
    assert sessions_opened(seller) == 1
    assert db.session.query(Payment).count() == 1


def test_same_key_with_another_body_is_refused(seller: Seller) -> None:
    seller.buy("form-1", quantity=1)
    with pytest.raises(KeyReused):
        seller.buy("form-1", quantity=2)


def test_another_key_is_another_payment_of_the_same_customer(seller: Seller) -> None:
    assert seller.buy("form-1").id != seller.buy("form-2").id
    assert db.session.query(Customer).count() == 1


@pytest.mark.parametrize("quantity", [0, -1, 101])
def test_quantity_is_bounded(seller: Seller, quantity: int) -> None:
    with pytest.raises(Invalid) as refusal:
        seller.buy(quantity=quantity)
    assert refusal.value.field == "quantity"
    assert db.session.query(Payment).count() == 0


def test_no_answer_leaves_unknown_and_the_same_form_finishes_it(seller: Seller) -> None:
    seller.stripe.inject("reset", times=2, path=SESSIONS, executed=True)
    with pytest.raises(ProviderAway):
        seller.buy("form-1")
    payment = db.session.query(Payment).one()
    assert payment.state == "unknown"
    assert seller.buy("form-1").id == payment.id
    assert seller.payment(payment.id).state == "pending"
    assert sessions_opened(seller) == 1


def test_a_customer_that_stripe_failed_to_make_keeps_nobody_from_buying(seller: Seller) -> None:
    seller.stripe.inject("error", status=500, path="/v1/customers")
    with pytest.raises(ProviderAway):
        seller.buy("form-1")
    assert seller.buy("form-2").state == "pending"


def test_a_colleague_may_buy_after_a_customer_got_no_answer(seller: Seller) -> None:
    seller.stripe.inject("reset", times=2, path="/v1/customers", executed=True)
    with pytest.raises(ProviderAway):
        seller.buy("form-1")
    assert seller.buy("form-2", email="colleague@example.test").state == "pending"
    assert db.session.query(Customer).count() == 1


def test_a_definite_no_fails_the_payment(seller: Seller) -> None:
    seller.stripe.inject("error", status=400, path=SESSIONS)
    with pytest.raises(CheckoutRefused):
        seller.buy()
    assert db.session.query(Payment).one().state == "failed"


def test_a_customer_of_another_currency_is_refused_in_words_and_nothing_stays_open(seller: Seller) -> None:
    seller.buy("form-1")
    seller.stripe.account().newest("customer")[0]["currency"] = "eur"
    with pytest.raises(CheckoutRefused) as refusal:
        seller.buy("form-2")
    assert "Nothing was charged. Try another pack." in refusal.value.detail
    assert "contact support" in refusal.value.detail
    payment = db.session.query(Payment).filter_by(key="form-2").one()
    assert (payment.state, seller.wallet.balance) == ("failed", 0)
    assert "combine currencies" in timeline.problem(payment, for_manager=True)
    assert timeline.problem(payment) == declines.REFUSED.why
    assert timeline.advice(payment) == declines.REFUSED.advice


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Refusal(400, "account_invalid", "acct_1 cannot"), declines.opening("account_invalid")),
        (Refusal(403, None, "no permission"), declines.opening("permission_denied")),
        (Refusal(400, None, "None", "line_items[0][price_data][currency]"), declines.opening("currency_refused")),
        (Refusal(400, "amount_too_small", "at least 50 cents"), declines.opening("amount_too_small")),
        (Refusal(400, "never_heard_of", "acct_1 no"), declines.REFUSED),
    ],
)  # fmt: skip
def test_each_refusal_names_the_next_step_and_tells_nothing_of_the_account(
    seller: Seller, error: Refusal, words: declines.Decline
) -> None:
    seller.stripe.refuse_sessions = error
    with pytest.raises(CheckoutRefused) as refusal:
        seller.buy()
    assert refusal.value.detail == f"{words.why} {words.advice}"
    assert "acct_1" not in refusal.value.detail
    payment = db.session.query(Payment).one()
    assert (payment.state, timeline.advice(payment)) == ("failed", words.advice)


def test_a_deleted_customer_is_made_anew_once(seller: Seller) -> None:
    seller.buy("form-1")
    old = db.session.query(Customer).one().customer_id
    seller.stripe.account().things[old] = {"id": old, "object": "customer", "deleted": True}
    assert seller.buy("form-2").state == "pending"
    db.session.expire_all()
    assert db.session.query(Customer).one().customer_id != old


def test_a_repeat_does_not_wait_long_for_the_first_one(seller: Seller) -> None:
    payment = seller.buy("form-1")
    with transaction(org=seller.org.id):
        row = seller.payment(payment.id)
        row.state, row.session_id, row.session_url = "created", None, None
    with pytest.raises(ProviderCrowded):
        seller.buy("form-1")
    assert seller.payment(payment.id).state == "created"
    assert sessions_opened(seller) == 1
