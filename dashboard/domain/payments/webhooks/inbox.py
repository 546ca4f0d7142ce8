"""The inbox: a provider's events as received, processed by the worker that claims them."""

import functools
import logging
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from dashboard.config import settings
from dashboard.core import clock, ids
from dashboard.core.db import autocommit, db, lock
from dashboard.core.errors import CofferError, Conflict, NotFound
from dashboard.core.work_queue import Claim, Outcome, WorkQueue, backoff
from dashboard.domain import audit
from dashboard.domain.audit import Actor
from dashboard.domain.payments.webhooks import handlers
from dashboard.models import InboxEvent, InboxTry
from dashboard.providers.base import Event, Provider, ProviderRefused, ProviderUnavailable

DRAIN = "dashboard.jobs.inbox.drain"
MAX_ATTEMPTS = 30
LONGEST_PAUSE_SECONDS = 3600
REVIEWED = ("processed", "review")

log = logging.getLogger(__name__)

# A duplicate only increments a counter: the first delivery's row stays as it was received.
_STORE = text("""INSERT INTO inbox_events AS e
  (org_id, id, created_at, provider, mode, event_id, type, payload, state, deliveries, attempts)
VALUES (:org, :id, :now, :provider, :mode, :event_id, :type, :payload, 'received', 1, 0)
ON CONFLICT (org_id, mode, event_id) DO UPDATE SET deliveries = e.deliveries + 1
RETURNING id, state""")

WORK = WorkQueue(
    InboxEvent,
    job=DRAIN,
    open_states=("received", "failed"),
    due_at=InboxEvent.next_attempt_at,
    attempts=InboxEvent.attempts,
)


@dataclass(frozen=True, slots=True)
class Ending:
    """The result of an attempt: the event's new state, the reason, and what it did."""

    state: str
    error: str | None = None
    effects: dict[str, Any] | None = None


def store(org_id: UUID, event: Event, raw: bytes, *, provider: str, mode: str) -> UUID:
    """Store a verified event, once per (organization, mode, event id), and enqueue its processing. One statement.

    It is committed when this returns. If the queue is unavailable, the event waits for the next tick.
    """
    row = (
        autocommit()
        .execute(
            _STORE,
            {
                "org": org_id, "id": ids.new(), "now": clock.now(), "provider": provider, "mode": mode,
                "event_id": event.id, "type": event.type, "payload": raw,
            },
        )
        .one()
    )  # fmt: skip
    if row.state == "received":
        WORK.wake(org_id)
    return UUID(str(row.id))


def due() -> list[UUID]:
    """Organizations whose inbox has events due now."""
    return WORK.due()


def drain(org_id: UUID, *, provider: Provider, worker: str, seconds: int = 20) -> bool:
    """Process due events one at a time for up to `seconds`. Returns True if there may be more.

    Each event's effect commits in the payer's organization first, then the event is marked; after a crash in between,
    the repetition is a no-op. Opens its own transactions. Call it outside a transaction.
    """

    def note(event: InboxEvent, claim: Claim, outcome: Outcome) -> None:
        db.session.add(
            InboxTry(
                org_id=org_id, inbox_event_id=event.id, number=claim.attempt, worker=worker,
                duration_ms=int((time.monotonic() - claim.began) * 1000), result=outcome.values["state"],
                error=outcome.values["error"],
            )
        )  # fmt: skip

    attempt = functools.partial(_attempt, provider=provider)
    return WORK.drain(org_id, attempt, noted=note, claim_seconds=settings().jobs.claim_seconds, seconds=seconds)


def retryable(event: InboxEvent) -> bool:
    """Whether processing it again may have an effect: it was not finished, or its payment is held for review."""
    return event.state in ("parked", "failed") or (event.state, (event.effects or {}).get("state")) == REVIEWED


def retry(event: InboxEvent, *, by: Actor) -> None:
    """Process a `retryable` event again, by reading the object from the provider. Raises Conflict."""
    current = lock(select(InboxEvent).filter_by(org_id=event.org_id, id=event.id))
    if current is None:
        raise NotFound
    if not retryable(current):
        raise Conflict(f"The event is {current.state}; there is nothing to retry.", code="not_retryable")
    audit.record(
        current, "inbox_event.retried", by=by, before={"state": current.state, "error": current.error},
        after={"state": "received"},
    )  # fmt: skip
    WORK.repeat(current, state="received", finished_at=None, retry_requested_at=clock.now())


def ignore(event: InboxEvent, *, reason: str, by: Actor) -> None:
    """Give up a parked event, with a reason that is stored with it: nothing is done for it. Raises Invalid,
    Conflict."""
    reason = audit.checked_reason(reason)
    current = lock(select(InboxEvent).filter_by(org_id=event.org_id, id=event.id))
    if current is None:
        raise NotFound
    if current.state != "parked":
        raise Conflict(f"The event is {current.state}; only parked events are ignored by hand.", code="not_parked")
    audit.record(
        current, "inbox_event.ignored", by=by, before={"state": current.state, "error": current.error},
        after={"state": "ignored"}, reason=reason,
    )  # fmt: skip
    current.state, current.error, current.finished_at = "ignored", f"Ignored by hand: {reason}", clock.now()


def _attempt(event: InboxEvent, claim: Claim, *, provider: Provider) -> Outcome:
    ending = _try(event, provider)
    if ending.state == "failed" and claim.attempt >= MAX_ATTEMPTS:
        ending = Ending("parked", f"Tried {claim.attempt} times. Last: {ending.error}")
    if ending.state == "parked":
        log.error("inbox event parked", extra={"event_id": event.event_id, "reason": ending.error})
    failed = ending.state == "failed"
    return Outcome(
        {
            "state": ending.state,
            "error": ending.error,
            "effects": ending.effects,
            "finished_at": None if failed else clock.now(),
        },
        pause=backoff(claim.attempt, first=2, longest=LONGEST_PAUSE_SECONDS) if failed else None,
    )


def _try(event: InboxEvent, provider: Provider) -> Ending:
    """Never raises for external faults. After a temporary fault, the event is `failed` and is tried again."""
    if event.attempts > MAX_ATTEMPTS:
        return Ending("parked", f"Tried {MAX_ATTEMPTS} times without an end; a worker may have died of it.")
    try:
        effects = handlers.handle(event, provider)
    except handlers.Ignored as reason:
        return Ending("ignored", str(reason))
    except ProviderUnavailable as error:
        return Ending("failed", error.detail)
    except (ProviderRefused, CofferError) as error:
        return Ending("parked" if getattr(error, "status", 0) < 500 else "failed", error.detail)
    except Exception as error:
        log.exception("inbox event failed", extra={"event_id": event.event_id})
        db.session.rollback()
        return Ending("failed", f"Unexpected {type(error).__name__}; see the log.")
    return Ending("processed", None, effects)
