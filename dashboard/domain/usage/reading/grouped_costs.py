"""What a wallet was spent on by metric, member or key, so that it adds up to what the ledger says.

Usage counts on the day on which it happened, a cost on the day on which it was charged. What is not usage, and what was
reported on another day than it happened, is therefore the difference to the ledger, under the key ''.
"""

from datetime import date
from functools import cache
from uuid import UUID

from dashboard.core import days
from dashboard.domain.funds.reports import costs
from dashboard.domain.funds.reports.costs import GroupedCosts, OwnCosts, Row
from dashboard.domain.usage import reports
from dashboard.domain.usage.reading.filters import UsageFilters
from dashboard.models import Wallet


def of(wallet: Wallet, group: str, *, own: OwnCosts | None = None, user_id: UUID | None = None) -> GroupedCosts:
    """By `group` of `reports.GROUPS`; the counts are units of a metric, else events. With `own`: only what that user
    spent. Only counters are read."""

    @cache  # several parts of a page ask for the same days
    def rows(first: date, last: date) -> list[Row]:
        filters = UsageFilters(since=days.begin(first), until=days.after(last), member_id=user_id)
        used = reports.daily_sums(reports.cells(wallet, filters, group))
        rest = costs.by_day(own or wallet, first, last)
        known = []
        for row in used:
            if row.key:
                rest[row.day] = rest.get(row.day, 0) - row.cost
                known.append((row.day, row.key, row.cost, row.units if group == reports.METRIC else row.events))
        return known + [(day, "", micros, 0) for day, micros in rest.items() if micros]

    return GroupedCosts(rows)
