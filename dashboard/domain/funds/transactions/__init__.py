"""Reads the ledger: pages of transactions, one transaction, who caused it, and the statement of a range. Writes
nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Subquery, case, func, select, true

from dashboard.core import ids
from dashboard.core.db import db
from dashboard.core.errors import NotFound
from dashboard.domain.audit.names import names_of
from dashboard.domain.funds.transactions.across_wallets import anywhere, of_all_organizations, of_organizations
from dashboard.domain.funds.transactions.exact import page as exact
from dashboard.domain.funds.transactions.filter_choices import Choices, choices
from dashboard.domain.funds.transactions.filters import TransactionFilters
from dashboard.domain.funds.transactions.wallet_list import MOST_ROWS, oldest_first, page
from dashboard.models import Transaction, Wallet, WalletDay

__all__ = [
    "MOST_ROWS",
    "Choices",
    "Statement",
    "TransactionFilters",
    "anywhere",
    "choices",
    "exact",
    "find",
    "names_of",
    "of_all_organizations",
    "of_organizations",
    "oldest_first",
    "page",
    "statement",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Statement:
    """`opening + money_in - money_out = closing`, in the wallet's smallest unit; `lapsed` is the part of `money_out`
    that expired, `rows` the number of transactions."""

    opening: int
    money_in: int
    money_out: int
    closing: int
    rows: int
    lapsed: int


def find(org_id: UUID, transaction_id: UUID | str) -> Transaction:
    """The organization's transaction with that id. Raises NotFound, also for another organization's."""
    parsed = ids.parse(transaction_id) if isinstance(transaction_id, str) else transaction_id
    row = db.session.scalar(select(Transaction).filter_by(org_id=org_id, id=parsed)) if parsed else None
    if row is None:
        raise NotFound("There is no such transaction.")
    return row


def statement(wallet: Wallet, filters: TransactionFilters | None = None) -> Statement:
    """The statement for the filters' time range, ignoring the other filters; None: since the beginning.

    Computed from the balance and the daily totals, in one snapshot, so the cost does not depend on the number of rows.
    Rows are read only for the UTC days that the range cuts, and only those outside it.
    """
    filters = filters or TransactionFilters()
    first, last = filters.from_day or date.min, filters.to_day or date.max
    cut = [_left_out(wallet, day, outside).subquery() for day, outside in _cut_days(filters)]
    items = db.session.execute(_beside(_of_days(wallet, first, last).subquery(), cut)).one()
    balance, after, money_in, money_out, rows, lapsed, *left = (int(value) for value in items)
    closing = balance - after
    if filters.until and not _is_day(filters.until):
        closing -= left[-4] - left[-3]  # on the last day, what came after the range
    money_in, money_out = money_in - sum(left[0::4]), money_out - sum(left[1::4])
    rows, lapsed = rows - sum(left[2::4]), lapsed - sum(left[3::4])
    return Statement(closing - money_in + money_out, money_in, money_out, closing, rows, lapsed)


def _beside(whole: Subquery, others: list[Subquery]) -> Select[Any]:
    """The only row of each query, side by side."""
    query = select(whole, *others).select_from(whole)
    for other in others:
        query = query.join(other, true())
    return query


def _of_days(wallet: Wallet, first: date, last: date) -> Select[Any]:
    """The balance, what came after the days, and money in, money out and the number of rows on them."""
    amount, inside = WalletDay.amount, WalletDay.day.between(first, last)
    return (
        select(
            Wallet.balance,
            func.coalesce(func.sum(amount).filter(WalletDay.day > last), 0).label("after"),
            func.coalesce(func.sum(case((amount > 0, amount), else_=0)).filter(inside), 0).label("came"),
            func.coalesce(func.sum(case((amount < 0, -amount), else_=0)).filter(inside), 0).label("went"),
            func.coalesce(func.sum(WalletDay.count).filter(inside), 0).label("rows"),
            func.coalesce(-func.sum(amount).filter(inside, WalletDay.type == "expiry"), 0).label("lapsed"),
        )
        .outerjoin(
            WalletDay,
            (WalletDay.org_id == Wallet.org_id) & (WalletDay.wallet_id == Wallet.id) & (WalletDay.day >= first),
        )
        .where(Wallet.org_id == wallet.org_id, Wallet.id == wallet.id)
        .group_by(Wallet.balance)
    )


def _cut_days(filters: TransactionFilters) -> Iterator[tuple[date, ColumnElement[bool]]]:
    """The UTC days in whose middle the range begins or ends, each with its part outside the range."""
    if filters.since and not _is_day(filters.since):
        yield filters.since.date(), Transaction.created_at < filters.since
    if filters.until and not _is_day(filters.until):
        yield filters.until.date(), Transaction.created_at >= filters.until


def _left_out(wallet: Wallet, day: date, outside: ColumnElement[bool]) -> Select[Any]:
    """Money in, money out and the number of rows of a day outside the range. These rows are a range of seq, as days
    are."""
    own = (WalletDay.org_id == wallet.org_id, WalletDay.wallet_id == wallet.id)
    count = select(func.coalesce(func.sum(WalletDay.count), 0)).where(*own)
    amount = Transaction.amount
    return select(
        func.coalesce(func.sum(case((amount > 0, amount), else_=0)), 0).label("came"),
        func.coalesce(func.sum(case((amount < 0, -amount), else_=0)), 0).label("went"),
        func.count().label("rows"),
        func.coalesce(-func.sum(amount).filter(Transaction.type == "expiry"), 0).label("lapsed"),
    ).where(
        Transaction.org_id == wallet.org_id,
        Transaction.wallet_id == wallet.id,
        Transaction.seq > count.where(WalletDay.day < day).scalar_subquery(),
        Transaction.seq <= count.where(WalletDay.day <= day).scalar_subquery(),
        outside,
    )


def _is_day(moment: datetime) -> bool:
    return moment.time() == time.min
