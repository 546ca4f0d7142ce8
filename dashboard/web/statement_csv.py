"""The statement as a file: streamed, one line per transaction, safe to open in a spreadsheet."""

from collections.abc import Iterator
from datetime import UTC

from dashboard.core import clock, lists
from dashboard.domain.funds import transactions
from dashboard.domain.funds.transactions import TransactionFilters
from dashboard.models import Transaction, Wallet
from dashboard.web.csv_lines import line, moment, number, text

COLUMNS = (
    "id", "time_utc", "type", "description", "app", "by", "amount", "balance_after", "currency", "reason",
)  # fmt: skip


def file_name(slug: str, wallet: Wallet, filters: TransactionFilters) -> str:
    """`northwind-transactions-2026-10-22-2026-11-20.csv`; an open end is the wallet's first day, or today."""
    first = filters.from_day or wallet.created_at.astimezone(UTC).date()
    last = filters.to_day or clock.today()
    return f"{slug}-transactions-{first}-{max(first, last)}.csv"


def rows(wallet: Wallet, filters: TransactionFilters, *, for_manager: bool = False) -> Iterator[str]:
    """The lines of the file, newest first, read page by page as they are consumed."""
    yield line(COLUMNS)
    for block in lists.every(lambda cursor: transactions.page(wallet, filters, cursor, lists.FILE_ROWS)):
        names = transactions.names_of(block, for_manager=for_manager)
        for row in block:
            yield line(_values(row, names[row.id], wallet.unit))


def _values(row: Transaction, by: str, unit: str) -> tuple[str, ...]:
    return (
        str(row.id),
        moment(row.created_at),
        row.type,
        text(row.description),
        text(row.app),
        text(by),
        number(row.amount),
        number(row.balance_after),
        unit.upper(),
        text(row.reason),
    )
