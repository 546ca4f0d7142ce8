"""The sweep: asks the provider about payments that are not settled, with growing pauses, until they are.

A lost webhook therefore delays the credit only by minutes. The sweep settles a payment in the same way as a webhook.
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
"""How often a page that the provider does not know is looked for, because its buyer may repeat the request in the
meantime."""

FIRST_PAUSE_SECONDS = 120
LONGEST_PAUSE_SECONDS = 3600
OVER = timedelta(hours=25)
"""A page lives for a day: a page that the provider no longer knows by then cannot be paid any more."""


log = logging.getLogger(__name__)

WORK = WorkQueue(
    Payment,
    job=DRAIN,
    open_states=states.UNSETTLED,
    due_at=Payment.next_check_at,
    attempts=Payment.checks,
)


def due() -> list[UUID]:
    """Organizations with payments to check now."""
    return WORK.due()


def drain(org_id: UUID, *, provider: Provider, seconds: int = 20) -> bool:
    """Check due payments one at a time for up to `seconds`. Returns True if there may be more.

    Stops at once if the provider does not answer: the next payments would also wait for it. Opens its own transactions
    before and after the provider's calls. Call it outside a transaction.
    """
    attempt = functools.partial(_attempt, provider=provider)
    return WORK.drain(org_id, attempt, claim_seconds=settings().jobs.claim_seconds, seconds=seconds)


def _attempt(payment: Payment, claim: Claim, *, provider: Provider) -> Outcome:
    """`settle` changes the payment's state; this only decides when to check again if it is still open."""
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
    """Update one payment to its state at the provider. A payment without a page is looked for; after `LOOKS` attempts
    without a result it ends, because nobody was ever sent to pay it.

    Raises ProviderUnavailable. If the provider refuses to answer, the payment is unknown and is checked again.
    """
    payment = db.session.scalars(
        select(Payment).filter_by(org_id=org_id, id=payment_id), execution_options={"populate_existing": True}
    ).one()
    if (payment.provider, payment.mode) != (provider.name, provider.mode):
        return  # checked again if that provider is configured again
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
    """Whether the provider has a page for this payment whose response was lost. If so, it is used."""
    account = provider.account_id()
    customer = db.session.scalar(
        select(Customer).filter_by(org_id=payment.org_id, mode=payment.mode, account_id=account)
    )
    if customer is None:  # a page is opened only for a customer
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
    """The provider refused to answer: unknown, with the reason for an operator to see. `over`: nobody can pay it any
    more."""
    with transaction(org=payment.org_id):
        locked = lock(select(Payment).filter_by(org_id=payment.org_id, id=payment.id))
        if locked is None or locked.state not in states.OPEN:
            return
        if over:
            problem = "The provider no longer knows the payment page. It was never seen paid."
        states.move(locked, "expired" if over else "unknown", problem=problem)
