"""What was used, for lists and charts. Sums come from counters only; no list counts or adds up events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import Select, select

from dashboard.core import clock, days
from dashboard.core.db import db
from dashboard.core.errors import Invalid
from dashboard.domain.funds import wallets
from dashboard.domain.usage.formula import Formula, Step
from dashboard.models import OTHER_APPS, ApiKey, Price, UsageCounter, UsageEvent, User

Dimension = Literal["all", "app", "member", "key"]

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
    org_id: UUID, mode: str, first: date, last: date, *, dimension: Dimension = "all", metric: str | None = None
) -> list[Sum]:
    """Sums of the organization's dollar wallet, by day, metric and value."""
    wallet = wallets.of_organization(org_id, mode)
    query = select(UsageCounter).filter_by(org_id=org_id, wallet_id=wallet.id, dimension=dimension)
    query = query.where(UsageCounter.day.between(first, last))
    if metric is not None:
        query = query.where(UsageCounter.metric_key == metric)
    rows = db.session.scalars(query.order_by(UsageCounter.day, UsageCounter.metric_key, UsageCounter.value))
    return [Sum(row.day, row.metric_key, row.value, row.units, row.cost, row.events) for row in rows]


def totals(org_id: UUID, mode: str, first: date, last: date, *, dimension: Dimension = "all") -> list[Sum]:
    """Sums over all days, the most expensive first: of each metric, or of each app, member or key over all metrics."""
    sums: dict[str, Sum] = {}
    for row in by_day(org_id, mode, first, last, dimension=dimension):
        name = row.metric_key if dimension == "all" else row.value
        known = sums.get(name, Sum(first, row.metric_key, row.value, 0, 0, 0))
        sums[name] = Sum(
            first, row.metric_key, row.value, known.units + row.units, known.cost + row.cost, known.events + row.events
        )
    return sorted(sums.values(), key=lambda one: (-one.cost, -one.units, one.metric_key, one.value))


def labels(dimension: Dimension, rows: Iterable[Sum]) -> dict[str, str]:
    """What the values of a dimension are called, by value."""
    values = {row.value for row in rows if row.value}
    if dimension == "app":
        return {OTHER_APPS: "Other apps"}
    return {str(key): name for key, name in _names(values).items()} if dimension in ("member", "key") else {}


def names_of(rows: Iterable[UsageEvent]) -> dict[UUID, str]:
    """The names of the keys and users behind events."""
    rows = list(rows)
    return _names({str(one) for row in rows for one in (row.api_key_id, row.member_id) if one})


def _names(values: Iterable[str]) -> dict[UUID, str]:
    wanted = {UUID(value) for value in values}
    keys = select(ApiKey.id, ApiKey.name).where(ApiKey.id.in_(wanted))
    users = select(User.id, User.name).where(User.id.in_(wanted))
    return {row.id: row.name for query in (keys, users) for row in db.session.execute(query)} if wanted else {}


def find(org_id: UUID, event_id: UUID) -> UsageEvent | None:
    return db.session.get(UsageEvent, (org_id, event_id))


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """How an event's cost comes about: the price of all units up to the position, less the price of those before.

    The `steps` are those of `after`, the position after the event, in the `price` version that was in force.
    """

    price: Price
    before: int
    after: int
    cost_before: int
    cost_after: int
    steps: list[Step]


def explain(event: UsageEvent) -> Arithmetic:
    price = db.session.scalars(select(Price).where(Price.id == event.price_id)).one()
    formula, after = Formula.of(price), event.units_after
    before = after - event.units
    return Arithmetic(price, before, after, formula.cost(before), formula.cost(after), formula.steps(after))


def events(org_id: UUID, mode: str, *, metric: str | None = None) -> Select[UsageEvent]:
    """Events of the organization's dollar wallet."""
    wallet = wallets.of_organization(org_id, mode)
    query = select(UsageEvent).filter_by(org_id=org_id, wallet_id=wallet.id)
    return query.filter_by(metric_key=metric) if metric is not None else query
