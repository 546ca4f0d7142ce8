"""Wallets."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel

from dashboard.api.shapes.money import Mode, usd
from dashboard.domain.funds import wallets
from dashboard.models import Organization
from dashboard.models import Wallet as WalletRow


class Wallet(BaseModel):
    """Amounts are in the wallet's smallest unit: micros for `usd`, the only unit that is also shown in dollars.

    If `funding` is `own`, the organization sells its own credits, and its balance is not the platform's money.
    """

    org_id: UUID
    wallet_id: UUID
    mode: Mode
    unit: str
    funding: str
    wallet_balance: int
    wallet_balance_usd: str | None = None
    held_micros: int
    available_micros: int
    blocked: bool


class WalletList(BaseModel):
    data: list[Wallet]
    next_cursor: str | None


def wallet_values(row: WalletRow, org: Organization, balance: int | None = None) -> dict[str, Any]:
    """`org` owns the wallet. `balance`: the balance after a posting that `row` does not include yet."""
    balance = row.balance if balance is None else balance
    available = balance - row.held
    values = {
        "org_id": row.org_id, "wallet_id": row.id, "mode": row.mode, "unit": row.unit, "funding": org.funding,
        "wallet_balance": balance, "held_micros": row.held, "available_micros": available,
        "blocked": available <= -row.overdraft_limit,
    }  # fmt: skip
    return values | ({"wallet_balance_usd": usd(balance)} if row.unit == wallets.USD else {})


def wallet(row: WalletRow, org: Organization) -> Wallet:
    return Wallet(**wallet_values(row, org))
