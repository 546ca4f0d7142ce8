"""When credit expires, month by month."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from dashboard.core import clock
from dashboard.domain.funds import expiry
from dashboard.domain.funds.credit_grants import CurrentGrant

MONTHS = 12


@dataclass(frozen=True, slots=True)
class Month:
    """What expires in a month if nothing is spent before, in the wallet's smallest unit. `first` is its first day,
    `grants` are in the order of their dates."""

    first: date
    amount: int
    grants: tuple[CurrentGrant, ...]


def ahead(grants: Sequence[CurrentGrant]) -> list[Month]:
    """This month and the next eleven, UTC, from the open grants of one wallet."""
    months = [first_of(clock.today())]
    while len(months) < MONTHS:
        months.append(first_of(months[-1] + timedelta(days=31)))
    by_month: dict[date, list[CurrentGrant]] = {month: [] for month in months}
    for current in grants:
        if current.grant.expires_at is not None:
            month = first_of(expiry.last_day(current.grant.expires_at))
            by_month.get(month, []).append(current)
    return [Month(month, sum(one.remaining for one in found), _in_order(found)) for month, found in by_month.items()]


def next_expiry(grants: Sequence[CurrentGrant]) -> tuple[int, date] | None:
    """How much of the open grants expires first, and after which day."""
    days = Counter[date]()
    for one in grants:
        if one.grant.expires_at is not None:
            days[expiry.last_day(one.grant.expires_at)] += one.remaining
    first = min(days, default=None)
    return (days[first], first) if first else None


def first_of(day: date) -> date:
    return day.replace(day=1)


def _in_order(grants: list[CurrentGrant]) -> tuple[CurrentGrant, ...]:
    return tuple(sorted(grants, key=lambda one: (one.grant.expires_at, one.grant.id)))
