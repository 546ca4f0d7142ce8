"""Credit grants."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from dashboard.api.shapes.money import usd
from dashboard.domain.funds import wallets
from dashboard.domain.funds.credit_grants import CurrentGrant


class CreditGrant(BaseModel):
    """A part of a wallet's balance. In a dollar wallet it has `amount_micros`, `remaining_micros` and `expired_micros`,
    in any other wallet `units` and `remaining_units`. `state`: `open` can be spent, of `expired` something was left at
    `expires_at`, `used` was spent or removed in full."""

    id: UUID
    wallet_id: UUID
    transaction_id: UUID
    kind: Literal["paid", "promotional"]
    category: str
    state: Literal["open", "expired", "used"]
    amount_micros: int | None = None
    amount_usd: str | None = None
    remaining_micros: int | None = Field(default=None, description="What is left of it now.")
    remaining_usd: str | None = Field(default=None, description="The same for people.")
    expired_micros: int | None = Field(default=None, description="What was left at its expiry date, and was taken out.")
    units: int | None = None
    remaining_units: int | None = Field(default=None, description="What is left of it now.")
    priority: int
    expires_at: datetime | None
    created_at: datetime


class CreditGrantList(BaseModel):
    data: list[CreditGrant]
    next_cursor: str | None


def credit_grant(row: CurrentGrant, unit: str) -> CreditGrant:
    """`unit` is the unit of its wallet."""
    grant = row.grant
    amounts: dict[str, Any] = {"units": grant.amount, "remaining_units": row.remaining}
    if unit == wallets.USD:
        amounts = {
            "amount_micros": grant.amount, "amount_usd": usd(grant.amount), "remaining_micros": row.remaining,
            "remaining_usd": usd(row.remaining), "expired_micros": row.expired,
        }  # fmt: skip
    return CreditGrant(
        id=grant.id, wallet_id=grant.wallet_id, transaction_id=grant.transaction_id, kind=grant.kind,
        category=grant.category, state=row.state, priority=grant.priority, expires_at=grant.expires_at,
        created_at=grant.created_at, **amounts,
    )  # fmt: skip
