"""The list of payments as a file: streamed, one line per payment, safe to open in a spreadsheet."""

from collections.abc import Iterable, Iterator
from datetime import UTC

from dashboard.core import clock
from dashboard.core.money import plain_minor
from dashboard.domain.funds.transactions import names_of
from dashboard.domain.payments import timeline
from dashboard.domain.payments.listing import PaymentFilters
from dashboard.models import Organization, Payment
from dashboard.web.csv_lines import line, moment, number, text

COLUMNS = (
    "id", "time_utc", "state", "product", "quantity", "by", "amount", "currency", "paid", "discount", "tax",
    "paid_currency", "credits", "paid_at_utc", "credited_at_utc", "transaction_id", "provider", "session_id",
    "payment_intent_id", "invoice_id", "decline_code", "problem",
)  # fmt: skip


def file_name(org: Organization, filters: PaymentFilters) -> str:
    """`northwind-payments-2026-10-22-2026-11-20.csv`; an open end is the organization's first day, or today."""
    first = filters.from_day or org.created_at.astimezone(UTC).date()
    last = filters.to_day or clock.today()
    return f"{org.slug}-payments-{first}-{max(first, last)}.csv"


def lines(blocks: Iterable[list[Payment]], *, for_manager: bool = False) -> Iterator[str]:
    yield line(COLUMNS)
    for rows in blocks:
        names = names_of(rows, for_manager=for_manager)
        for row in rows:
            yield line((*_values(row, names[row.id]), text(timeline.problem(row, for_manager=for_manager))))


def _values(row: Payment, by: str) -> tuple[str, ...]:
    return (
        str(row.id),
        moment(row.created_at),
        row.state,
        text(row.name),
        str(row.quantity),
        text(by),
        plain_minor(row.amount_minor, row.currency),
        row.currency.upper(),
        *(_paid(row, minor) for minor in (row.total_minor, row.discount_minor, row.tax_minor)),
        (row.paid_currency or "").upper(),
        number(row.grant_micros + row.bonus_micros),
        moment(row.paid_at),
        moment(row.credited_at),
        str(row.transaction_id or ""),
        row.provider,
        text(row.session_id),
        text(row.intent_id),
        text(row.invoice_id),
        text(row.decline_code),
    )


def _paid(row: Payment, minor: int | None) -> str:
    return "" if minor is None else plain_minor(minor, row.paid_currency or row.currency)
