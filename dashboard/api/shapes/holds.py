"""Holds."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from dashboard.api.shapes.money import Mode, usd
from dashboard.api.shapes.transactions import Transaction, TransactionActor
from dashboard.domain.funds.holds import listing
from dashboard.models import Hold as HoldRow
from dashboard.models import HoldStep


class Hold(BaseModel):
    """Reserved credits. `captured_micros` is what was charged, by `transaction_id`; the rest is available again."""

    id: UUID
    wallet_id: UUID
    mode: Mode
    state: str
    amount_micros: int
    amount_usd: str
    captured_micros: int
    captured_usd: str
    description: str
    app: str | None
    member_id: UUID | None
    actor: TransactionActor
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    transaction_id: UUID | None = None


class HoldList(BaseModel):
    data: list[Hold]
    next_cursor: str | None


class HoldCaptureResult(Hold):
    transaction: Transaction


def hold_values(row: HoldRow, step: HoldStep | None = None) -> dict[str, Any]:
    """The hold as it is, or as it was after one of its steps: what that step was answered."""
    state, expires_at = listing.state_of(row), row.expires_at
    if step is not None:
        state, expires_at = listing.STATE_AFTER[step.kind], step.expires_at
    captured = row.captured if state == "captured" else 0
    actor_id = row.actor_id if row.actor_kind != "manager" else None
    values: dict[str, Any] = {
        "id": row.id, "wallet_id": row.wallet_id, "mode": row.mode, "state": state, "amount_micros": row.amount,
        "amount_usd": usd(row.amount), "captured_micros": captured, "captured_usd": usd(captured),
        "description": row.description, "app": row.app or None, "member_id": row.member_id,
        "actor": TransactionActor(kind=row.actor_kind, id=actor_id), "created_at": row.created_at,
        "expires_at": expires_at,
    }  # fmt: skip
    if state in ("captured", "released", "expired"):
        values["ended_at"] = row.ended_at or row.expires_at
    return values | ({"transaction_id": row.transaction_id} if state == "captured" else {})


def hold(row: HoldRow, step: HoldStep | None = None) -> Hold:
    return Hold(**hold_values(row, step))
