"""The sweep: payments that are not settled are asked about at the provider, with growing pauses, until they are.

A webhook that never comes then costs minutes, not the credit. What a webhook would settle is settled the same way here.
"""

import functools
import logging
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from dashboard.config import settings
from dashboard.core import clock
from dashboard.core.db import db, lock, transaction
from dashboard.core.errors import Unavailable
from dashboard.core.work_queue import Claim, Outcome, WorkQueue, backoff
from dashboard.domain.payments import fulfil, states
from dashboard.models import Customer, Payment
from dashboard.providers.base import CustomerMissing, Provider, ProviderRefused, ProviderUnavailable, UnreadableAnswer

DRAIN = "dashboard.jobs.payments.sweep"
LOOKS = 3
"""How often a page that the provider does not know is looked for: its buyer may repeat the request meanwhile."""

FIRST_PAUSE_SECONDS = 120
LONGEST_PAUSE_SECONDS = 3600
OVER = timedelta(hours=25)
"""A page lives for a day: one that the provider has forgotten by then can no longer be paid."""


log = logging.getLogger(__name__)

WORK = WorkQueue(
    Payment,
    job=DRAIN,
    open_states=(*states.OPEN, "paid"),
    due_at=Payment.next_check_at,
    attempts=Payment.checks,
)


def due() -> list[UUID]:
    """Organizations with payments to ask about now."""
    return WORK.due()


def drain(org_id: UUID, *, provider: Provider, seconds: int = 20) -> bool:
    """Ask about due payments one by one for up to `seconds`. True when there may be more.

    Ends at once where the provider gives no answer: the next ones would wait for it too. Opens its own transactions
    around the provider's calls; call it where none is open.
    """
    attempt = functools.partial(_attempt, provider=provider)
    return WORK.drain(org_id, attempt, claim_seconds=settings().jobs.claim_seconds, seconds=seconds)


def _attempt(payment: Payment, claim: Claim, *, provider: Provider) -> Outcome:
    """The payment's state is settled on the way; here only when it is asked about next, should it still be open."""
    pause = backoff(claim.attempt, first=FIRST_PAUSE_SECONDS, longest=LONGEST_PAUSE_SECONDS)
    extra = {"payment": str(payment.id)}
    try:
        settle(payment.org_id, payment.id, provider=provider, looked=claim.attempt)
    except UnreadableAnswer as error:
        log.error("payment cannot be read", extra=extra | {"code": error.code})
    except (ProviderUnavailable, Unavailable) as error:
        log.warning("payment not checked", extra=extra | {"code": error.code})
        return Outcome(pause=pause, stop=True)
    return Outcome(pause=pause)


def settle(org_id: UUID, payment_id: UUID, *, provider: Provider, looked: int) -> None:
    """Bring one payment to where the provider has it. One without a page is looked for; after `LOOKS` looks that did
    not find it, it ends: nobody was ever sent to pay it.

    Raises ProviderUnavailable. Where the provider refuses to tell, the payment is unknown and asked about again.
    """
    payment = db.session.scalars(
        select(Payment).filter_by(org_id=org_id, id=payment_id), execution_options={"populate_existing": True}
    ).one()
    if (payment.provider, payment.mode) != (provider.name, provider.mode):
        return  # asked about again, should that provider come back
    try:
        if payment.session_id is not None:
            fulfil.confirm(org_id, payment_id, provider=provider)
        elif not _found(payment, provider):
            _unopened(payment, over=looked >= LOOKS)
    except (ProviderRefused, fulfil.SessionMismatch) as error:
        log.error("payment cannot be checked", extra={"payment": str(payment_id), "reason": error.detail})
        gone = error.code == "resource_missing" and clock.now() - payment.created_at > OVER
        _doubt(payment, error.detail, over=gone)


def _found(payment: Payment, provider: Provider) -> bool:
    """Whether the provider has a page of this payment, whose answer got lost. It is taken over then."""
    account = provider.account_id()
    customer = db.session.scalar(
        select(Customer).filter_by(org_id=payment.org_id, mode=payment.mode, account_id=account)
    )
    if customer is None:  # a page is opened for a customer only
        return False
    try:
        session = provider.find_checkout(payment.id, customer_id=customer.customer_id, since=payment.created_at)
    except CustomerMissing:
        return False
    if session is None:
        return False
    fulfil.fulfil(payment.org_id, payment.id, session=session)
    return True


def _unopened(payment: Payment, *, over: bool) -> None:
    """There is no page: unknown while the buyer may still repeat the request, then expired."""
    with transaction(org=payment.org_id):
        locked = lock(select(Payment).filter_by(org_id=payment.org_id, id=payment.id))
        if locked is None or locked.session_id is not None or locked.state not in states.UNOPENED:
            return
        if over:
            states.move(locked, "expired", problem="The payment page was never opened. Nothing was charged.")
        elif locked.state == "created":
            states.move(locked, "unknown", problem="The server stopped before the provider answered.")


def _doubt(payment: Payment, problem: str, *, over: bool) -> None:
    """The provider refused to tell: unknown with its reason, for an operator to see. `over`: nobody can pay it now."""
    with transaction(org=payment.org_id):
        locked = lock(select(Payment).filter_by(org_id=payment.org_id, id=payment.id))
        if locked is None or locked.state not in states.OPEN:
            return
        if over:
            problem = "The provider no longer knows the payment page. It was never seen paid."
        states.move(locked, "expired" if over else "unknown", problem=problem)
