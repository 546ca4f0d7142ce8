"""The windows of limits in UTC, and what was spent in the current ones."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select, tuple_

from dashboard.core import clock
from dashboard.core.db import db
from dashboard.core.money import Micros
from dashboard.models import LimitWindow, SpendLimit


class LimitId(NamedTuple):
    """A limit of an organization; of the platform's, for service keys."""

    org_id: UUID
    id: UUID


@dataclass(frozen=True, slots=True)
class LimitUsage:
    """A limit and what was spent in the current window. `imposed`: set by an owner or admin on a key."""

    amount: Micros
    window: str
    spent: Micros
    resets_at: datetime
    imposed: bool = False
    hard: bool = True

    @property
    def left(self) -> Micros:
        return Micros(max(self.amount - self.spent, 0))


def usages(
    org_id: UUID, limit_ids: Iterable[UUID | None], *, at: datetime | None = None
) -> dict[UUID | None, LimitUsage]:
    """These limits of the organization, each with its current window."""
    wanted = {one for one in limit_ids if one}
    if not wanted:
        return {}
    rows = db.session.scalars(
        select(SpendLimit).where(SpendLimit.org_id == org_id, SpendLimit.id.in_(wanted)),
        execution_options={"populate_existing": True},
    ).all()
    return {row.id: usage for row, usage in with_usage(rows, at=at)}


def with_usage(rows: Iterable[SpendLimit], *, at: datetime | None = None) -> list[tuple[SpendLimit, LimitUsage]]:
    """These limits, each with its current window, in one query."""
    at, rows = at or clock.now(), list(rows)
    spent = spent_in(((row.org_id, row.id, row.window) for row in rows), at=at)
    return [
        (
            row,
            LimitUsage(
                Micros(row.amount), row.window, spent.get(row.id, Micros(0)), end_of(row.window, at), row.imposed,
                row.hard,
            ),
        )
        for row in rows
    ]  # fmt: skip


def spent_in(limits: Iterable[tuple[UUID, UUID, str]], *, at: datetime) -> dict[UUID, Micros]:
    """What was spent in the window around `at` of each limit, given as organization, id and window."""
    places = [(org_id, limit_id, start_of(window, at)) for org_id, limit_id, window in limits]
    here = tuple_(LimitWindow.org_id, LimitWindow.limit_id, LimitWindow.window_start).in_(places)
    rows = db.session.execute(select(LimitWindow.limit_id, LimitWindow.spent).where(here)) if places else ()
    return {row.limit_id: Micros(row.spent) for row in rows}


def start_of(window: str, at: datetime) -> date:
    """The first day of the window around `at`."""
    day = at.astimezone(UTC).date()
    if window == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if window == "week" else day


def end_of(window: str, at: datetime) -> datetime:
    """When the window around `at` ends and the next one begins."""
    after = start_of(window, at) + timedelta(days={"day": 1, "week": 7, "month": 31}[window])
    return datetime.combine(after.replace(day=1) if window == "month" else after, time(), UTC)
