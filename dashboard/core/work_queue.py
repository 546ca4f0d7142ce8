"""Durable work queue: rows that are due, processed one at a time by the worker that claims them, until they are done.

A row is due if it is in an open state and the time in its due column has passed (NULL: at once). A claim moves that
time into the future, by the database's clock: no other worker takes the row in the meantime, and if a worker dies, the
row is delayed only by the claim. To finish, a worker must present the time of its claim, so that it changes nothing if
its claim has run out, or if the row was requested again or closed meanwhile.

Redis only wakes workers up. PostgreSQL knows what is due.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from dashboard.core import queue
from dashboard.core.db import autocommit, db, transaction

ORGS_AT_ONCE = 50
"""How many organizations one query for due work returns by default: those that have waited longest."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Claim:
    """A row that is ours until `until`. `attempt` counts from 1; `began` is monotonic."""

    id: UUID
    attempt: int
    until: datetime
    began: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an attempt: the columns to set, and in how many seconds the row is due again (None: never).

    `stop`: no other row of the organization can be processed now either. `counts`: whether it was an attempt at this
    row.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    pause: float | None = None
    stop: bool = False
    counts: bool = True


class WorkQueue(Generic[T]):
    """The due rows of one table.

    `open_states`: states in which a row may be due. `due_at` and `attempts`: its columns, the latter if it counts.
    `job`: the dotted path of the job that drains an organization.
    """

    def __init__(
        self,
        model: type[T],
        *,
        job: str,
        open_states: Collection[str],
        due_at: InstrumentedAttribute[datetime | None],
        attempts: InstrumentedAttribute[int] | None = None,
    ) -> None:
        self.model = cast(Any, model)
        self.job = job
        self.due_at = due_at
        self.attempts = attempts
        self._open = self.model.state.in_(tuple(open_states))

    def wake(self, org_id: UUID) -> None:
        """Have the organization's due rows processed once the open transaction has committed."""
        queue.enqueue(self.job, str(org_id))

    def due(self, *conditions: ColumnElement[bool], most: int = ORGS_AT_ONCE) -> list[UUID]:
        """Organizations that have due rows, those that have waited longest, up to `most`."""
        waiting_since = func.min(func.coalesce(self.due_at, self.model.created_at))
        query = select(self.model.org_id).where(*self._due(), *conditions).group_by(self.model.org_id)
        return list(autocommit().scalars(query.order_by(waiting_since).limit(most)))

    def claim(self, org_id: UUID, *conditions: ColumnElement[bool], seconds: int) -> Claim | None:
        """Take the row that has waited longest and count the attempt; None if nothing is due. One statement."""
        first = (
            select(self.model.id)
            .where(self.model.org_id == org_id, *self._due(), *conditions)
            .order_by(self.due_at.asc().nulls_first(), self.model.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        until = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
        taken = (
            update(self.model)
            .where(self.model.org_id == org_id, self.model.id == first.scalar_subquery())
            .values({self.due_at: until, **self._counted(1)})
            .returning(self.model.id, self.due_at, literal(1) if self.attempts is None else self.attempts)
        )
        row = autocommit().execute(taken).one_or_none()
        return Claim(row[0], row[2], row[1], time.monotonic()) if row else None

    def finish(self, org_id: UUID, claim: Claim, outcome: Outcome) -> bool:
        """Record the result of an attempt. Returns False and changes nothing if the claim has run out and was taken
        over, or if the row was requested again or closed meanwhile. Needs the organization's transaction."""
        again = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, outcome.pause) if outcome.pause is not None else None
        given_back = {} if outcome.counts else self._counted(-1)
        done = (
            update(self.model)
            .where(self.model.org_id == org_id, self.model.id == claim.id, self.due_at == claim.until, self._open)
            .values({self.due_at: again, **given_back, **outcome.values})
            .returning(self.model.id)
        )
        return db.session.execute(done, execution_options={"synchronize_session": False}).first() is not None

    def drain(
        self,
        org_id: UUID,
        attempt: Callable[[T, Claim], Outcome],
        *conditions: ColumnElement[bool],
        claim_seconds: int,
        seconds: int = 20,
        noted: Callable[[T, Claim, Outcome], None] | None = None,
    ) -> bool:
        """Process due rows one at a time for up to `seconds`. Returns True if there may be more.

        `attempt` runs outside any transaction and may open its own; if it raises, the row stays claimed until the claim
        runs out. `noted` runs in the transaction that records the result. Call it outside a transaction.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            claim = self.claim(org_id, *conditions, seconds=claim_seconds)
            if claim is None:
                return False
            row = self.load(org_id, claim.id)
            outcome = attempt(row, claim)
            with transaction(org=org_id):
                if self.finish(org_id, claim, outcome) and noted:
                    noted(row, claim, outcome)
            if outcome.stop:
                return False
        return True

    def load(self, org_id: UUID, row_id: UUID) -> T:
        """The current row."""
        query = select(self.model).where(self.model.org_id == org_id, self.model.id == row_id)
        row: T = db.session.scalars(query, execution_options={"populate_existing": True}).one()
        return row

    def repeat(self, row: T, **values: Any) -> None:
        """Process a row again now, starting from its first attempt, on request. Needs its lock and the transaction."""
        for column in filter(None, (self.due_at, self.attempts)):
            setattr(row, column.key, 0 if column is self.attempts else None)
        for name, value in values.items():
            setattr(row, name, value)
        self.wake(row.org_id)  # type: ignore[attr-defined]

    def _counted(self, change: int) -> dict[Any, Any]:
        return {} if self.attempts is None else {self.attempts: self.attempts + change}

    def _due(self) -> tuple[ColumnElement[bool], ...]:
        return self._open, or_(self.due_at.is_(None), self.due_at <= func.now())


def backoff(attempt: int, *, first: int, longest: int) -> int:
    """Seconds until the next attempt: `first`, then twice as long each time, at most `longest`."""
    return min(first << min(attempt - 1, 30), longest)
