"""Spend limits ("caps"): how much may be charged per UTC day or month. Counted in the charge's own transaction."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select, text, tuple_

from dashboard.core import clock
from dashboard.core.db import db, in_transaction
from dashboard.core.errors import CofferError, Invalid
from dashboard.core.money import Micros, parse_credits
from dashboard.models import WINDOWS, LimitWindow, SpendLimit

KEY = "key"


class KeyCapExceeded(CofferError):
    """402 and not 429: the wait may be weeks, and clients retry a 429 automatically."""

    status, code = 402, "key_cap_exceeded"


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `amount` in each `window`."""

    amount: Micros
    window: str

    @classmethod
    def parse(cls, amount: str, window: str) -> "Cap | None":
        """The amount that was typed, in credits; None for none. Raises Invalid."""
        if not amount.strip():
            return None
        if window not in WINDOWS:
            raise Invalid("Choose day or month.", field="cap_window")
        try:
            return cls(parse_credits(amount.strip()), window)
        except Invalid as error:
            raise Invalid(error.detail, field="cap") from None


class LimitId(NamedTuple):
    """A limit of an organization; of the platform's, for service keys."""

    org_id: UUID
    id: UUID


@dataclass(frozen=True, slots=True)
class LimitUsage:
    """A cap and what was spent in the current window. `imposed`: set by an owner or admin."""

    amount: Micros
    window: str
    spent: Micros
    resets_at: datetime
    imposed: bool = False

    @property
    def left(self) -> Micros:
        return Micros(max(self.amount - self.spent, 0))


# ON CONFLICT locks and re-reads the row of the window, so that its condition sees what others added in the meantime.
_TAKE = text("""INSERT INTO limit_windows AS w (org_id, limit_id, window_start, spent)
SELECT l.org_id, l.id, CAST(:start AS date), CAST(:amount AS bigint) FROM limits AS l
WHERE l.org_id = :org AND l.id = :limit AND l.amount >= CAST(:amount AS bigint)
ON CONFLICT (org_id, limit_id, window_start) DO UPDATE SET spent = w.spent + excluded.spent
WHERE w.spent + excluded.spent <= (
  SELECT l.amount FROM limits AS l WHERE l.org_id = excluded.org_id AND l.id = excluded.limit_id
)
RETURNING spent""")


def begin(org_id: UUID, scope_id: UUID, cap: Cap, *, imposed: bool = False) -> SpendLimit:
    """Create a cap that counts from now on, whatever was spent before. Needs the organization's transaction."""
    row = SpendLimit(
        org_id=org_id, scope=KEY, scope_id=str(scope_id), window=cap.window, amount=cap.amount, imposed=imposed
    )
    db.session.add(row)
    db.session.flush()
    return row


def find(org_id: UUID, limit_id: UUID | None) -> SpendLimit | None:
    return db.session.get(SpendLimit, (org_id, limit_id)) if limit_id else None


def take(limit: LimitId, *, amount: int, at: datetime) -> None:
    """Count a charge of `amount` posted at `at`. Raises KeyCapExceeded if it exceeds the cap.

    Needs the charge's transaction, so that an error rolls the charge back, and must follow the charge: wallets are
    locked before windows. Locks the window.
    """
    if not in_transaction():
        raise RuntimeError("a capped charge needs a transaction")
    org_id, limit_id = limit
    window = db.session.scalar(select(SpendLimit.window).filter_by(org_id=org_id, id=limit_id))
    if window is None:
        raise RuntimeError(f"no such limit: {limit_id}")
    values = {"org": org_id, "limit": limit_id, "start": _start(window, at), "amount": amount}
    if db.session.scalar(_TAKE, values) is not None:
        return
    result = usages(org_id, [limit_id], at=at)[limit_id]
    raise KeyCapExceeded(
        f"The cap for this {window} is reached. Nothing was changed.",
        available_micros=result.left,
        required_micros=amount,
        resets_at=f"{result.resets_at:%Y-%m-%dT%H:%M:%SZ}",
    )


def usages(
    org_id: UUID, limit_ids: Iterable[UUID | None], *, at: datetime | None = None
) -> dict[UUID | None, LimitUsage]:
    """The active caps of these limits, each with its current window."""
    at, wanted = at or clock.now(), {one for one in limit_ids if one}
    if not wanted:
        return {}
    rows = db.session.scalars(
        select(SpendLimit).where(SpendLimit.org_id == org_id, SpendLimit.id.in_(wanted)),
        execution_options={"populate_existing": True},
    ).all()
    places = [(row.id, _start(row.window, at)) for row in rows]
    spent = db.session.execute(
        select(LimitWindow.limit_id, LimitWindow.spent).where(
            LimitWindow.org_id == org_id, tuple_(LimitWindow.limit_id, LimitWindow.window_start).in_(places)
        )
    )
    sums: dict[UUID, int] = {row.limit_id: row.spent for row in spent}
    return {
        row.id: LimitUsage(
            Micros(row.amount), row.window, Micros(sums.get(row.id, 0)), _end(row.window, at), row.imposed
        )
        for row in rows
    }


def _start(window: str, at: datetime) -> date:
    day = at.astimezone(UTC).date()
    return day if window == "day" else day.replace(day=1)


def _end(window: str, at: datetime) -> datetime:
    start = _start(window, at)
    after = start + timedelta(days=1) if window == "day" else (start + timedelta(days=31)).replace(day=1)
    return datetime.combine(after, time(), UTC)
