"""Reading the ledger: pages of rows, one row, who did it, and the statement of a range. Nothing here writes."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import case, func, select

from dashboard.core import ids
from dashboard.core.db import db
from dashboard.core.errors import NotFound
from dashboard.domain.audit.names import names_of
from dashboard.domain.funds.transactions.filters import Filters
from dashboard.domain.funds.transactions.narrowing import Choices, choices
from dashboard.domain.funds.transactions.wallet_list import MOST_ROWS, PAGE_ROWS, WINDOW, Page, page
from dashboard.domain.funds.transactions.wide_lists import across, everywhere
from dashboard.models import Transaction, Wallet, WalletDay

__all__ = [
    "MOST_ROWS", "PAGE_ROWS", "WINDOW", "Choices", "Filters", "Page", "Statement", "across", "choices", "everywhere",
    "find", "names_of", "page", "statement",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Statement:
    """`opening + money_in - money_out = closing`, in the wallet's smallest unit; `rows` is how many made it."""

    opening: int
    money_in: int
    money_out: int
    closing: int
    rows: int


def find(org_id: UUID, transaction_id: UUID | str) -> Transaction:
    """The organization's row of that id. Raises NotFound, also for another organization's."""
    found = ids.parse(transaction_id) if isinstance(transaction_id, str) else transaction_id
    row = db.session.scalar(select(Transaction).filter_by(org_id=org_id, id=found)) if found else None
    if row is None:
        raise NotFound("There is no such transaction.")
    return row


def statement(wallet: Wallet, from_day: date | None, to_day: date | None) -> Statement:
    """The statement of the UTC days from `from_day` to `to_day`, both inclusive; None leaves that end open.

    From the balance and the days' sums, in one snapshot: it costs the same however many rows there are.
    """
    first, last = from_day or date.min, to_day or date.max
    inside = WalletDay.day.between(first, last)
    amount = WalletDay.amount
    later = func.coalesce(func.sum(amount).filter(WalletDay.day > last), 0)
    came = func.coalesce(func.sum(case((amount > 0, amount), else_=0)).filter(inside), 0)
    went = func.coalesce(func.sum(case((amount < 0, -amount), else_=0)).filter(inside), 0)
    rows = func.coalesce(func.sum(WalletDay.count).filter(inside), 0)
    found = db.session.execute(
        select(Wallet.balance, later, came, went, rows)
        .outerjoin(
            WalletDay,
            (WalletDay.org_id == Wallet.org_id) & (WalletDay.wallet_id == Wallet.id) & (WalletDay.day >= first),
        )
        .where(Wallet.org_id == wallet.org_id, Wallet.id == wallet.id)
        .group_by(Wallet.balance)
    ).one()
    balance, after, money_in, money_out, count = (int(value) for value in found)
    closing = balance - after
    return Statement(closing - money_in + money_out, money_in, money_out, closing, count)
