"""The inbox: a provider's events as received, worked on by whoever claims them first."""

import logging
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text

from dashboard.config import settings
from dashboard.core import clock, ids, queue
from dashboard.core.db import autocommit, db, lock, transaction
from dashboard.core.errors import CofferError, Conflict, NotFound
from dashboard.domain import audit
from dashboard.domain.audit import Actor
from dashboard.domain.payments import handlers
from dashboard.models import InboxEvent, InboxTry
from dashboard.providers.base import Event, Provider, ProviderRefused, ProviderUnavailable

DRAIN = "dashboard.jobs.inbox.drain"
MAX_ATTEMPTS = 30
LONGEST_PAUSE_SECONDS = 3600
REVIEWED = ("processed", "review")

log = logging.getLogger(__name__)

# A duplicate only counts up: the first delivery's row stays as it was received.
_STORE = text("""INSERT INTO inbox_events AS e
  (org_id, id, created_at, provider, mode, event_id, type, payload, state, deliveries, attempts)
VALUES (:org, :id, :now, :provider, :mode, :event_id, :type, :payload, 'received', 1, 0)
ON CONFLICT (org_id, mode, event_id) DO UPDATE SET deliveries = e.deliveries + 1
RETURNING id, state""")

_CLAIM = text("""UPDATE inbox_events SET claimed_until = now() + make_interval(secs => :seconds), claim_token = :token,
  attempts = attempts + 1
WHERE org_id = :org AND id = (
  SELECT id FROM inbox_events
  WHERE org_id = :org AND state IN ('received', 'failed') AND (next_attempt_at IS NULL OR next_attempt_at <= now())
    AND (claimed_until IS NULL OR claimed_until < now())
  ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, attempts, claim_token""")

_DUE = text("""SELECT DISTINCT org_id FROM inbox_events
WHERE state IN ('received', 'failed') AND (next_attempt_at IS NULL OR next_attempt_at <= now())
  AND (claimed_until IS NULL OR claimed_until < now())""")

_FINISH = text("""UPDATE inbox_events SET state = :state, error = :error, effects = CAST(:effects AS jsonb),
  finished_at = CASE WHEN :state = 'failed' THEN NULL ELSE CAST(:now AS timestamptz) END,
  next_attempt_at = CASE WHEN :state = 'failed' THEN now() + make_interval(secs => :pause) END,
  claimed_until = NULL, claim_token = NULL
WHERE org_id = :org AND id = :id AND claim_token = :token
RETURNING id""")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a try ended: the event's new state, why, and what it did."""

    state: str
    error: str | None = None
    effects: str | None = None


def store(org_id: UUID, event: Event, raw: bytes, *, provider: str, mode: str) -> UUID:
    """Keep a verified event, once per (organization, mode, event id), and ring for a worker. One statement.

    It is committed when this returns; the bell's absence costs at most a tick.
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
        queue.enqueue(DRAIN, str(org_id))
    return UUID(str(row.id))


def due() -> list[UUID]:
    """Organizations whose inbox has something to work on now."""
    return [row.org_id for row in autocommit().execute(_DUE)]


def drain(org_id: UUID, *, provider: Provider, worker: str, seconds: int = 20) -> bool:
    """Work on due events one by one for up to `seconds`. True when there may be more.

    Each event's effect commits in the payer's organization first, then the event is marked; a crash between repeats a
    no-op. Opens its own transactions; call it where none is open.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        claimed = claim(org_id)
        if claimed is None:
            return False
        _work(org_id, claimed, provider, worker)
    return True


def retryable(event: InboxEvent) -> bool:
    """Whether working on it again may change something: it found no end, or its payment is held for review."""
    return event.state in ("parked", "failed") or (event.state, (event.effects or {}).get("state")) == REVIEWED


def retry(event: InboxEvent, *, by: Actor) -> None:
    """Have a `retryable` event worked on again, by reading the object from the provider. Raises Conflict."""
    found = lock(select(InboxEvent).filter_by(org_id=event.org_id, id=event.id))
    if found is None:
        raise NotFound
    if not retryable(found):
        raise Conflict(f"The event is {found.state}; there is nothing to retry.", code="not_retryable")
    audit.record(
        found.org_id, by=by, action="inbox_event.retried", object_kind="inbox_event", object_id=found.id,
        before={"state": found.state, "error": found.error}, after={"state": "received"},
    )  # fmt: skip
    found.state, found.attempts, found.next_attempt_at, found.finished_at = "received", 0, None, None
    found.retry_requested_at = clock.now()
    queue.enqueue(DRAIN, str(found.org_id))


def ignore(event: InboxEvent, *, reason: str, by: Actor) -> None:
    """Give a parked event up, with a reason that stays on it: nothing is done for it. Raises Invalid, Conflict."""
    reason = audit.checked_reason(reason)
    found = lock(select(InboxEvent).filter_by(org_id=event.org_id, id=event.id))
    if found is None:
        raise NotFound
    if found.state != "parked":
        raise Conflict(f"The event is {found.state}; only parked events are ignored by hand.", code="not_parked")
    audit.record(
        found.org_id, by=by, action="inbox_event.ignored", object_kind="inbox_event", object_id=found.id, reason=reason,
        before={"state": found.state, "error": found.error}, after={"state": "ignored"},
    )  # fmt: skip
    found.state, found.error, found.finished_at = "ignored", f"Ignored by hand: {reason}", clock.now()


def claim(org_id: UUID) -> Row[Any] | None:
    """Take the oldest due event, and count the attempt: its `id`, `attempts` and `claim_token`; None when none is due.

    Until the claim runs out, nobody else gets it. One statement.
    """
    values = {"org": org_id, "seconds": settings().jobs.claim_seconds, "token": ids.new()}
    return autocommit().execute(_CLAIM, values).one_or_none()


def _work(org_id: UUID, claimed: Row[Any], provider: Provider, worker: str) -> None:
    started = time.monotonic()
    event = db.session.scalars(
        select(InboxEvent).filter_by(org_id=org_id, id=claimed.id), execution_options={"populate_existing": True}
    ).one()
    outcome = _try(event, provider)
    if outcome.state == "failed" and claimed.attempts >= MAX_ATTEMPTS:
        outcome = Outcome("parked", f"Tried {claimed.attempts} times. Last: {outcome.error}")
    with transaction(org=org_id) as session:
        marked = session.execute(
            _FINISH,
            {
                "org": org_id, "id": event.id, "token": claimed.claim_token, "state": outcome.state,
                "error": outcome.error, "effects": outcome.effects, "now": clock.now(),
                "pause": min(2**claimed.attempts, LONGEST_PAUSE_SECONDS),
            },
        )  # fmt: skip
        if marked.one_or_none():  # else the claim ran out and another worker took it over
            session.add(
                InboxTry(
                    org_id=org_id, inbox_event_id=event.id, number=claimed.attempts, worker=worker,
                    duration_ms=int((time.monotonic() - started) * 1000), result=outcome.state, error=outcome.error,
                )
            )  # fmt: skip
    if outcome.state == "parked":
        log.error("inbox event parked", extra={"event_id": event.event_id, "reason": outcome.error})


def _try(event: InboxEvent, provider: Provider) -> Outcome:
    """Never raises for what the world outside can cause; a passing fault is `failed` and comes again."""
    if event.attempts > MAX_ATTEMPTS:
        return Outcome("parked", f"Tried {MAX_ATTEMPTS} times without an end; a worker may have died of it.")
    try:
        effects = handlers.handle(event, provider)
    except handlers.Ignored as reason:
        return Outcome("ignored", str(reason))
    except ProviderUnavailable as error:
        return Outcome("failed", error.detail)
    except (ProviderRefused, CofferError) as error:
        return Outcome("parked" if getattr(error, "status", 0) < 500 else "failed", error.detail)
    except Exception as error:
        log.exception("inbox event failed", extra={"event_id": event.event_id})
        db.session.rollback()
        return Outcome("failed", f"Unexpected {type(error).__name__}; see the log.")
    return Outcome("processed", None, effects)
