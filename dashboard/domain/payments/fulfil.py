"""Fulfilment: the only path from a provider's session to credit, whether a webhook, the return page or the sweep starts
it."""

from typing import Any
from uuid import UUID

from sqlalchemy import select

from dashboard.core import clock
from dashboard.core.db import db, lock, retrying, transaction
from dashboard.core.errors import Conflict, NotFound
from dashboard.domain.audit import Actor
from dashboard.domain.funds import expiry, ledger, wallets
from dashboard.domain.funds.ledger import NewGrant
from dashboard.domain.payments import declines, late_failures, states, timeline
from dashboard.domain.payments.checkout.hosted_page import KIND
from dashboard.domain.payments.receipts import receipts
from dashboard.models import Payment, Wallet
from dashboard.providers.base import CheckoutSession, Provider

PAID = ("paid", "no_payment_required")
UNREADABLE = "The provider's payment page could not be read. It is read again by itself."


class SessionMismatch(Conflict):
    """The session is not the one this payment was opened with."""

    code = "session_mismatch"


def confirm(org_id: UUID, payment_id: UUID, *, provider: Provider, declined: bool = False) -> Payment:
    """Ask the provider for the state of the payment and update ours. Safe to call at any time, any number of times.

    Opens its own transaction after the provider's answer. Call it outside a transaction. Raises ProviderError,
    NotFound, SessionMismatch.
    """
    payment = find(org_id, payment_id)
    if payment.session_id is None:
        return payment
    return fulfil(org_id, payment_id, session=provider.read_checkout(payment.session_id), declined=declined)


def note_paid(org_id: UUID, payment_id: UUID) -> None:
    """Record that the provider reports the payment as paid but its session cannot be read: the payer must not pay
    again, and the sweep keeps asking. Credits nothing. Opens its own transaction; does nothing for a payment that has
    ended."""
    with transaction(org=org_id):
        payment = lock(select(Payment).filter_by(org_id=org_id, id=payment_id))
        if payment is not None and payment.state in states.OPEN:
            states.move(payment, "paid", problem=UNREADABLE)


def find(org_id: UUID, payment_id: UUID) -> Payment:
    payment = db.session.scalar(select(Payment).filter_by(org_id=org_id, id=payment_id))
    if payment is None:
        raise NotFound("There is no such payment.")
    return payment


@retrying
def fulfil(org_id: UUID, payment_id: UUID, *, session: CheckoutSession, declined: bool = False) -> Payment:
    """Move the payment to the state that `session` says, and credit it once if it is paid.

    Our row says what is credited; the provider's subtotal and currency are only compared with it. If they differ, the
    payment goes to `review`, and is credited later if a new reading matches. `declined`: the provider reported that a
    delayed payment failed. A manager's decision in the review is final. Locks the wallet, then the payment. Raises
    NotFound, SessionMismatch.
    """
    with transaction(org=org_id):
        wallet, payment = locked(org_id, payment_id)
        _require_same(payment, session)
        held = payment.state == "review" and not (_paid(session) and _fits(payment, session))
        if payment.state == "credited" or held or payment.rejected:
            return payment
        _note_page(payment, session)
        if _paid(session):
            _take(payment, wallet, session)
        elif session.status == "expired":
            states.move(payment, "expired", problem="The payment page expired before it was paid.")
        elif declined or session.declined:
            states.move(payment, "failed", problem=f"{declines.explain(payment.decline_code).why} Nothing was charged.")
            if session.status == "complete":  # a declined card leaves the page open
                late_failures.tell(payment)
        elif payment.state in states.UNSETTLED:
            states.move(payment, "pending", problem=timeline.DELAYED if session.status == "complete" else None)
    return payment


def locked(org_id: UUID, payment_id: UUID) -> tuple[Wallet, Payment]:
    """The payment and the wallet it credits, locked in this order: wallet, payment. Raises NotFound."""
    mode = find(org_id, payment_id).mode
    wallet = wallets.locked(org_id, mode)
    payment = lock(select(Payment).filter_by(org_id=org_id, id=payment_id))
    if payment is None:
        raise NotFound("There is no such payment.")
    return wallet, payment


def credit(payment: Payment, wallet: Wallet, *, by: Actor, reason: str | None = None) -> None:
    """Post exactly what the payment's row grants, once; the caller moves it to `credited`. Both rows must be
    `locked`."""
    until = expiry.after_days(payment.expires_days) if payment.expires_days else None
    slices = [NewGrant(payment.grant_kind, "purchase", payment.grant_micros, expires_at=until)]
    if payment.bonus_micros:
        days = payment.bonus_expires_days
        until = expiry.after_days(days) if days else until
        slices.insert(0, NewGrant("promotional", "bonus", payment.bonus_micros, payment.bonus_priority, until))
    posting = ledger.post(
        wallet,
        type="purchase",
        amount=payment.grant_micros + payment.bonus_micros,
        origin="payment",
        key=str(payment.id),
        by=by,
        description=payment.sold,
        reason=reason,
        payment_id=payment.id,
        slices=slices,
    )
    payment.transaction_id, payment.credited_at = posting.id, posting.created_at


def _note_page(payment: Payment, session: CheckoutSession) -> None:
    """Store the payment's page at the provider, and how the last attempt on it ended."""
    if payment.session_id is None:
        payment.opened_at = clock.now()
    payment.session_id, payment.session_url = session.id, session.url or payment.session_url
    payment.intent_id, payment.invoice_id = session.payment_intent_id, session.invoice_id
    payment.customer_id = session.customer_id
    payment.decline_code = session.decline_code


def _taken(session: CheckoutSession) -> dict[str, Any]:
    """What the provider says it took: stored for the review."""
    return {
        "subtotal_minor": session.amount_subtotal, "total_minor": session.amount_total, "currency": session.currency,
        "discount_minor": session.amount_discount, "tax_minor": session.amount_tax,
    }  # fmt: skip


def _before_discount(session: CheckoutSession) -> int | None:
    """The amount before the discount according to the provider, if it is known."""
    return session.amount_total if session.amount_subtotal is None else session.amount_subtotal


def _paid(session: CheckoutSession) -> bool:
    return session.status == "complete" and session.payment_status in PAID


def _fits(payment: Payment, session: CheckoutSession) -> bool:
    """Whether the amount paid matches what was sold. If the subtotal is unknown, the total plus its discount is
    compared; it may include tax added to the price, or tax as part of the price."""
    if session.currency != payment.currency:
        return False
    if session.amount_subtotal is not None or session.amount_total is None:
        return session.amount_subtotal == payment.amount_minor
    before_discount = session.amount_total + session.amount_discount
    return payment.amount_minor in (before_discount, before_discount - session.amount_tax)


def _require_same(payment: Payment, session: CheckoutSession) -> None:
    """Metadata that names our payment does not make a session ours: anyone with the account's key can write it."""
    claimed = (session.metadata.get("org_id"), session.metadata.get("order_id"), session.metadata.get("kind"))
    if claimed != (str(payment.org_id), str(payment.id), KIND) or payment.session_id not in (None, session.id):
        raise SessionMismatch("The session is not the one this payment was opened with.")
    if session.livemode != (payment.mode == "live") or session.mode != "payment":
        raise SessionMismatch("The session is of another mode than this payment.")


def _take(payment: Payment, wallet: Wallet, session: CheckoutSession) -> None:
    """The payment is paid: credit it, or hold it for review if it does not match what was sold."""
    payment.paid_at = clock.now()
    payment.total_minor, payment.paid_currency = session.amount_total, session.currency
    payment.discount_minor, payment.tax_minor = session.amount_discount, session.amount_tax
    if not _fits(payment, session):
        problem = (
            f"The price was {timeline.amount(payment.amount_minor, payment.currency)}, but "
            f"{timeline.amount(_before_discount(session), session.currency)} was paid. No credits were added yet."
        )
        states.move(payment, "review", problem=problem, facts={"problem": problem} | _taken(session))
        return
    credit(payment, wallet, by=Actor(payment.actor_kind, payment.actor_id))
    states.move(payment, "credited", facts={"problem": None} | _taken(session))
    receipts.owe(payment)
