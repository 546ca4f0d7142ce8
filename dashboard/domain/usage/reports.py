"""What was used, for lists and charts. Sums come from counters only; no list counts or adds up events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import Select, select

from dashboard.core import clock, days
from dashboard.core.db import db
from dashboard.core.errors import Invalid
from dashboard.domain.funds import wallets
from dashboard.models import UsageCounter, UsageEvent

LONGEST = 366
DEFAULT_DAYS = 30


@dataclass(frozen=True, slots=True)
class Sum:
    """What one metric came to in one UTC day: of all, or of one app, member or key (`value`)."""

    day: date
    metric_key: str
    value: str
    units: int
    cost: int
    events: int


def span(values: Mapping[str, str]) -> tuple[date, date]:
    """The UTC days that `from` and `to` ask for; by default the last 30. Raises Invalid with its field."""
    since, until = days.ends(values)
    last = (until - timedelta(microseconds=1)).date() if until else clock.today()
    first = since.date() if since else last - timedelta(days=DEFAULT_DAYS - 1)
    if not 0 <= (last - first).days < LONGEST:
        raise Invalid(f"Choose 1 to {LONGEST} days.", field="from", code="out_of_range")
    return first, last


def by_day(
    org_id: UUID, mode: str, first: date, last: date, *, dimension: str = "all", metric: str | None = None
) -> list[Sum]:
    """Sums of the organization's dollar wallet, by day, metric and value."""
    wallet = wallets.of_organization(org_id, mode)
    query = select(UsageCounter).filter_by(org_id=org_id, wallet_id=wallet.id, dimension=dimension)
    query = query.where(UsageCounter.day.between(first, last))
    if metric is not None:
        query = query.where(UsageCounter.metric_key == metric)
    rows = db.session.scalars(query.order_by(UsageCounter.day, UsageCounter.metric_key, UsageCounter.value))
    return [Sum(row.day, row.metric_key, row.value, row.units, row.cost, row.events) for row in rows]


def by_metric(org_id: UUID, mode: str, first: date, last: date) -> Sequence[Sum]:
    """The same, added up over the days."""
    sums: dict[str, Sum] = {}
    for row in by_day(org_id, mode, first, last):
        known = sums.get(row.metric_key, Sum(first, row.metric_key, "", 0, 0, 0))
        sums[row.metric_key] = Sum(
            first, row.metric_key, "", known.units + row.units, known.cost + row.cost, known.events + row.events
        )
    return sorted(sums.values(), key=lambda one: -one.cost)


def events(org_id: UUID, mode: str, *, metric: str | None = None) -> Select[UsageEvent]:
    """Events of the organization's dollar wallet."""
    wallet = wallets.of_organization(org_id, mode)
    query = select(UsageEvent).filter_by(org_id=org_id, wallet_id=wallet.id)
    return query.filter_by(metric_key=metric) if metric is not None else query
