"""Spend limits, and what can be spent."""

from datetime import datetime
from typing import Literal, cast
from uuid import UUID

from pydantic import BaseModel, Field

from dashboard.api.shapes.money import Mode, mode, usd
from dashboard.domain.funds.spend_limits import LimitUsage
from dashboard.domain.funds.spend_limits.spendable import Spendable as Room
from dashboard.models import SpendLimit as LimitRow

Scope = Literal["org", "member", "key", "app"]
Window = Literal["day", "week", "month"]


class SpendLimit(BaseModel):
    """The most that may be spent per UTC day, week (from Monday) or month, and what was spent in the current one.

    `subject` is the member's user ID, the ID of the key, or the app; the organization's limits have none.
    """

    id: UUID
    scope: Scope
    subject: str | None = None
    mode: Mode
    window: Window
    amount_micros: int
    amount_usd: str
    hard: bool
    spent_micros: int
    spent_usd: str
    resets_at: datetime
    created_at: datetime


class SpendLimitList(BaseModel):
    data: list[SpendLimit]
    next_cursor: str | None


class Spendable(BaseModel):
    """What can be spent now. `bounded_by` says what keeps it from being more: the wallet's balance, holds that take all
    of it, or a limit."""

    spendable_micros: int = Field(description="The most that one charge can take now.")
    spendable_usd: str = Field(description="The same for people.")
    bounded_by: Literal["wallet", "hold", "limit"] = Field(description="What keeps it from being more.")
    limit_id: UUID | None = Field(default=None, description="The limit that bounds it.")


def spend_limit(row: LimitRow, usage: LimitUsage) -> SpendLimit:
    optional = {"subject": row.scope_id} if row.scope != "org" else {}
    return SpendLimit(
        id=row.id, scope=cast(Scope, row.scope), mode=mode(row.mode), window=cast(Window, row.window),
        amount_micros=row.amount, amount_usd=usd(row.amount), hard=row.hard, spent_micros=usage.spent,
        spent_usd=usd(usage.spent), resets_at=usage.resets_at, created_at=row.created_at, **optional,
    )  # fmt: skip


def spendable(room: Room) -> Spendable:
    optional = {"limit_id": room.limit.id} if room.limit else {}
    return Spendable(
        spendable_micros=room.micros, spendable_usd=usd(room.micros), bounded_by=room.bounded_by, **optional
    )
