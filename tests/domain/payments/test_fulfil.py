"""From the provider's word to credit: exactly what was sold, exactly once, and nothing that does not fit."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import current_app

from dashboard.core import mail
from dashboard.core.db import db, transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.catalog import products
from dashboard.domain.funds import expiry
from dashboard.domain.payments import fulfil, timeline
from dashboard.domain.payments.fulfil import SessionMismatch
from dashboard.models import PLATFORM_ORG_ID, CreditGrant, OutboxEmail, Transaction
from tests.domain.payments.seller import Seller, buy_as
from tests.factories import make_org, make_user
from tests.stripe_fake import signing


def test_a_paid_session_credits_grant_and_bonus_in_one_row(seller: Seller) -> None:
    payment = seller.buy(quantity=2)
    seller.stripe.pay(str(payment.session_id))
    done = fulfil.confirm(seller.org.id, payment.id, provider=seller.provider)
    assert done.state == "credited"
    assert seller.wallet.balance == 52_000_000
    row = db.session.query(Transaction).filter_by(org_id=seller.org.id).one()
    assert (row.type, row.amount, row.payment_id, row.origin) == ("purchase", 52_000_000, payment.id, "payment")
    slices = {(part.kind, part.amount) for part in db.session.query(CreditGrant).filter_by(org_id=seller.org.id)}
    assert slices == {("paid", 50_000_000), ("promotional", 2_000_000)}


def test_what_was_sold_with_days_lapses_after_them(seller: Seller) -> None:
    with transaction(org=PLATFORM_ORG_ID):
        seller.offer = products.change(PLATFORM_ORG_ID, seller.offer.product.id, by=SYSTEM, expires_days=30)
    payment = seller.buy()
    with transaction(org=PLATFORM_ORG_ID):
        products.change(PLATFORM_ORG_ID, seller.offer.product.id, by=SYSTEM, expires_days=0)
    seller.stripe.pay(str(payment.session_id))
    fulfil.confirm(seller.org.id, payment.id, provider=seller.provider)
    dates = {part.expires_at for part in db.session.query(CreditGrant).filter_by(org_id=seller.org.id)}
    assert dates == {expiry.after_days(30)}
    assert seller.wallet.next_expiry_at == expiry.after_days(30)


def test_a_bonus_is_sold_with_its_own_days_and_priority(seller: Seller) -> None:
    with transaction(org=PLATFORM_ORG_ID):
        seller.offer = products.change(
            PLATFORM_ORG_ID, seller.offer.product.id, by=SYSTEM, expires_days=365, bonus_expires_days=30,
            bonus_priority=7,
        )  # fmt: skip
    payment = seller.buy()
    with transaction(org=PLATFORM_ORG_ID):
        products.change(PLATFORM_ORG_ID, seller.offer.product.id, by=SYSTEM, bonus_expires_days=0, bonus_priority=0)
    seller.stripe.pay(str(payment.session_id))
    fulfil.confirm(seller.org.id, payment.id, provider=seller.provider)
    rows = db.session.query(CreditGrant).filter_by(org_id=seller.org.id)
    assert {row.category: (row.expires_at, row.priority) for row in rows} == {
        "purchase": (expiry.after_days(365), 0), "bonus": (expiry.after_days(30), 7),
    }  # fmt: skip


def test_confirmed_many_times_credits_once(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.pay(str(payment.session_id))
    for _ in range(3):
        fulfil.confirm(seller.org.id, payment.id, provider=seller.provider)
    assert seller.wallet.balance == 26_000_000


def test_confirmed_by_many_at_once_credits_once(seller: Seller) -> None:
    payment = seller.buy()
    payment_id, org_id = payment.id, seller.org.id
    seller.stripe.pay(str(payment.session_id))
    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def confirm(_: int) -> str:
        with app.app_context():
            return fulfil.confirm(org_id, payment_id, provider=seller.provider).state

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(confirm, range(16))) == {"credited"}
    assert seller.wallet.balance == 26_000_000


def test_an_unpaid_session_credits_nothing(seller: Seller) -> None:
    payment = seller.buy()
    assert fulfil.confirm(seller.org.id, payment.id, provider=seller.provider).state == "pending"
    assert seller.wallet.balance == 0


def test_a_delayed_method_waits_then_credits(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.pay_later(str(payment.session_id))
    assert fulfil.confirm(seller.org.id, payment.id, provider=seller.provider).state == "pending"
    seller.stripe.settle(str(payment.session_id))
    assert fulfil.confirm(seller.org.id, payment.id, provider=seller.provider).state == "credited"


def test_a_100_percent_coupon_credits_the_full_grant(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.discount(str(payment.session_id), 100)
    seller.stripe.pay(str(payment.session_id))
    done = fulfil.confirm(seller.org.id, payment.id, provider=seller.provider)
    assert (done.state, done.total_minor, done.discount_minor) == ("credited", 0, 2_500)
    assert seller.wallet.balance == 26_000_000


@pytest.mark.parametrize("changes", [{"amount_subtotal": 2_499}, {"amount_subtotal": 2_501}, {"currency": "eur"}])
def test_another_sum_or_currency_goes_to_review(seller: Seller, changes: dict[str, object]) -> None:
    payment = seller.buy()
    seller.stripe.pay(str(payment.session_id))
    seller.stripe.amend(str(payment.session_id), **changes)
    done = fulfil.confirm(seller.org.id, payment.id, provider=seller.provider)
    assert done.state == "review"
    assert "No credits were added" in str(done.problem)
    assert seller.wallet.balance == 0


@pytest.mark.parametrize(
    ("total", "discount", "tax", "state"),
    [(2_500, 0, 0, "credited"), (2_750, 0, 250, "credited"), (2_500, 0, 417, "credited"), (2_000, 500, 0, "credited"),
     (2_200, 500, 200, "credited"), (2_499, 0, 0, "review"), (2_750, 0, 0, "review")],
)  # fmt: skip
def test_without_a_subtotal_the_total_is_compared(
    seller: Seller, total: int, discount: int, tax: int, state: str
) -> None:
    payment = seller.buy()
    seller.stripe.pay(str(payment.session_id))
    details = {"amount_discount": discount, "amount_tax": tax, "amount_shipping": 0}
    seller.stripe.amend(str(payment.session_id), amount_subtotal=None, amount_total=total, total_details=details)
    assert fulfil.confirm(seller.org.id, payment.id, provider=seller.provider).state == state
    assert seller.wallet.balance == (26_000_000 if state == "credited" else 0)


def mails() -> list[OutboxEmail]:
    return db.session.query(OutboxEmail).order_by(OutboxEmail.id).all()


def test_a_delayed_payment_that_fails_late_is_told_by_one_mail(seller: Seller) -> None:
    payment = buy_as(seller, make_user("ada@example.test"))
    seller.stripe.pay_later(str(payment.session_id))
    seller.deliver_all()
    seller.work()
    assert (timeline.delayed(seller.payment(payment.id)), mails(), seller.wallet.balance) == (True, [], 0)
    seller.stripe.fail(str(payment.session_id))
    for _ in range(2):
        seller.deliver_all()
        seller.work()
        fulfil.confirm(seller.org.id, payment.id, provider=seller.provider)
    assert (seller.payment(payment.id).state, seller.wallet.balance) == ("failed", 0)
    (sent,) = mails()
    assert (sent.event, sent.to_address, sent.org_id) == ("payment_failed", "ada@example.test", seller.org.id)
    letter = mail.render(sent.event, sent.context)
    assert letter.subject == "Payment failed: Starter for Acme (test mode)"
    for words in ("Nothing was charged", "insufficient funds", "Pay with another card.", str(payment.id)):
        assert words in letter.text
        assert words in letter.html


def test_a_late_success_credits_once_with_one_receipt_also_if_it_comes_first(seller: Seller) -> None:
    payment = buy_as(seller, make_user("ada@example.test"))
    seller.stripe.pay_later(str(payment.session_id))
    seller.stripe.settle(str(payment.session_id))
    late, first = seller.told("checkout.session.async_payment_succeeded"), seller.told("checkout.session.completed")
    for event in (late, first, late):
        seller.deliver(event)
        seller.work()
    assert (seller.payment(payment.id).state, seller.wallet.balance) == ("credited", 26_000_000)
    assert [sent.event for sent in mails()] == ["receipt"]


def test_an_expired_page_or_a_declined_card_sends_no_mail(seller: Seller) -> None:
    person = make_user("ada@example.test")
    left, declined = buy_as(seller, person, "form-1"), buy_as(seller, person, "form-2")
    seller.stripe.expire(str(left.session_id))
    seller.stripe.decline(str(declined.session_id))
    for payment in (left, declined):
        fulfil.confirm(seller.org.id, payment.id, provider=seller.provider)
    assert mails() == []


def test_an_expired_session_that_comes_late_changes_nothing_of_the_paid_one(seller: Seller) -> None:
    person = make_user("ada@example.test")
    left, paid = buy_as(seller, person, "form-1"), buy_as(seller, person, "form-2")
    seller.stripe.pay(str(paid.session_id))
    seller.deliver_all()
    seller.work()
    seller.stripe.expire(str(left.session_id))
    seller.deliver(seller.told("checkout.session.expired"))
    seller.deliver(signing.event("checkout.session.expired", dict(seller.stripe.session(str(paid.session_id)))))
    seller.work()
    assert (seller.payment(left.id).state, seller.payment(paid.id).state) == ("expired", "credited")
    assert seller.wallet.balance == 26_000_000
    assert [sent.event for sent in mails()] == ["receipt"]


def test_an_expired_session_ends_the_payment(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.expire(str(payment.session_id))
    assert fulfil.confirm(seller.org.id, payment.id, provider=seller.provider).state == "expired"


def test_a_session_of_another_payment_is_refused(seller: Seller) -> None:
    ours, other = seller.buy("form-1"), seller.buy("form-2")
    seller.stripe.pay(str(other.session_id))
    session = seller.provider.read_checkout(str(other.session_id))
    with pytest.raises(SessionMismatch):
        fulfil.fulfil(seller.org.id, ours.id, session=session)
    assert seller.wallet.balance == 0


def test_a_second_session_that_names_our_payment_is_refused(seller: Seller) -> None:
    ours, other = seller.buy("form-1"), seller.buy("form-2")
    seller.stripe.pay(str(other.session_id))
    seller.stripe.amend(str(other.session_id), metadata=seller.stripe.session(str(ours.session_id))["metadata"])
    with pytest.raises(SessionMismatch):
        fulfil.fulfil(seller.org.id, ours.id, session=seller.provider.read_checkout(str(other.session_id)))
    assert seller.wallet.balance == 0


def test_a_live_session_never_credits_a_test_payment(seller: Seller) -> None:
    payment = seller.buy()
    seller.stripe.pay(str(payment.session_id))
    seller.stripe.amend(str(payment.session_id), livemode=True)
    with pytest.raises(SessionMismatch):
        fulfil.confirm(seller.org.id, payment.id, provider=seller.provider)


def test_another_organizations_payment_is_not_found(seller: Seller) -> None:
    payment = seller.buy()
    with pytest.raises(fulfil.NotFound):
        fulfil.confirm(make_org("Other").id, payment.id, provider=seller.provider)
