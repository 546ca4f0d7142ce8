"""What was used, for charts and tables, by metric, app, member, key or tag.

Sums come from the counters, which know one dimension at a time. Two at once, such as the apps of one member, and tags,
which are free text, are added up from the newest events, at most `lists.WINDOW` of them.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Date,
    Select,
    Subquery,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.orm import aliased

from dashboard.core import lists
from dashboard.core.db import db
from dashboard.domain.usage.pricing.formula import Formula, Step
from dashboard.domain.usage.reading.filters import UsageFilters
from dashboard.models import (
    OTHER_APPS,
    PER_EVENT,
    PLATFORM_ORG_ID,
    ApiKey,
    Price,
    UsageCounter,
    UsageEvent,
    User,
    Wallet,
)

METRIC, APP, MEMBER, KEY = "metric", "app", "member", "key"
GROUPS = (METRIC, APP, MEMBER, KEY)
TAG = "tag:"
"""Begins the name of a group by one of the events' properties."""

MOST_TAGS = 20
TAGGED = 500
"""How many of the newest events tell which tags there are."""


@dataclass(frozen=True, slots=True)
class Sum:
    """What one metric came to from `day` on, which is a UTC day or the first one of a month: of one key of a group."""

    day: date
    metric_key: str
    key: str
    units: int
    cost: int
    events: int


@dataclass(frozen=True, slots=True)
class Total:
    """What one member of a group came to. `metric_key` is None if it used several, whose units do not add up."""

    key: str
    metric_key: str | None
    units: int
    cost: int
    events: int


@dataclass(frozen=True, slots=True)
class Hour:
    """What one metric came to in the UTC hour that begins `at`."""

    at: datetime
    metric_key: str
    units: int
    cost: int
    events: int


@dataclass(frozen=True, slots=True)
class Cells:
    """The usage that sums are made of: rows with day, metric_key, key, units, cost and events. If `bounded`, they are
    events, and only the newest."""

    rows: Subquery
    bounded: bool


def cells(wallet: Wallet, filters: UsageFilters, group: str = METRIC, *, window: int = lists.WINDOW) -> Cells:
    """The wallet's usage by day, metric and group. The key is empty for what names none, such as no app."""
    wanted = filters.narrowed | ({} if group == METRIC else {group: filters.narrowed.get(group, "")})
    if group.startswith(TAG) or len(wanted) > 1 or (filters.app and _uncounted(wallet, filters)):
        return Cells(_of_events(wallet, filters, group, window), bounded=True)
    if not filters.narrowed and group != METRIC:
        parts = [_counted(wallet, filters, group, group), _counted(wallet, filters, "all", "", 1)]
        parts.append(_counted(wallet, filters, group, "", -1))
        return Cells(union_all(*parts).subquery(), bounded=False)
    return Cells(_counted(wallet, filters, next(iter(wanted), "all"), group).subquery(), bounded=False)


def left_out(wallet: Wallet, filters: UsageFilters, *, window: int = lists.WINDOW) -> datetime | None:
    """The moment before which bounded cells leave events out; None if they hold all of them."""
    edge = _newest(wallet, filters).with_only_columns(UsageEvent.occurred_at).limit(1)
    return db.session.scalar(edge.offset(window))


def by_time(found: Cells, interval: Literal["day", "month"] = "day") -> list[Sum]:
    """By day, or the first day of the month, by metric and key."""
    row = found.rows.c
    day = row.day if interval == "day" else cast(func.date_trunc("month", row.day), Date)
    query = select(day.label("at"), row.metric_key, row.key, *_sums(row)).group_by("at", row.metric_key, row.key)
    rows = db.session.execute(query.order_by("at", row.metric_key, row.key))
    return [Sum(day, metric, key, int(units), int(cost), int(many)) for day, metric, key, units, cost, many in rows]


def daily_sums(found: Cells) -> list[Sum]:
    """By day and key, all metrics together."""
    row = found.rows.c
    query = select(row.day, row.key, *_sums(row)).group_by(row.day, row.key)
    return [
        Sum(day, "", key, int(units), int(cost), int(many)) for day, key, units, cost, many in db.session.execute(query)
    ]


def totals(found: Cells) -> list[Total]:
    """Over all days, the most expensive first."""
    row = found.rows.c
    each = select(row.key, row.metric_key, *_sums(row)).group_by(row.key, row.metric_key)
    one = each.having(func.sum(row.events) != 0).subquery().c
    metric = case((func.count() == 1, func.min(one.metric_key)))
    rows = db.session.execute(select(one.key, metric, *_sums(one)).group_by(one.key))
    sums = [Total(key, metric_key, int(units), int(cost), int(many)) for key, metric_key, units, cost, many in rows]
    return sorted(sums, key=lambda total: (-total.cost, -total.units, total.key))


def daily(found: Cells, named: Collection[str]) -> dict[tuple[date, str | None], int]:
    """Cost by day and key; the keys that are not `named` are together, as None."""
    row = found.rows.c
    key = case((row.key.in_(named), row.key))
    query = select(row.day, key, func.sum(row.cost)).group_by(row.day, key)
    return {(day, name): int(cost) for day, name, cost in db.session.execute(query)}


def hourly(wallet: Wallet, filters: UsageFilters) -> list[Hour]:
    """By UTC hour and metric. Complete unless the filters name more than a metric: then as bounded cells."""
    if filters.narrowed:
        row = aliased(UsageEvent, _newest(wallet, filters).limit(lists.WINDOW).subquery())
        hour = func.date_trunc("hour", func.timezone("UTC", row.occurred_at)).label("hour")
        query = select(hour, row.metric_key, *(func.sum(one) for one in _counting(row)))
        query = query.where(*filters.others(row)).group_by(hour, row.metric_key).order_by(hour, row.metric_key)
        found = db.session.execute(query)
        return [
            Hour(at.replace(tzinfo=UTC), metric, int(units), int(cost), int(many))
            for at, metric, units, cost, many in found
        ]
    one = UsageCounter
    query = (
        select(one.day, one.value, one.metric_key, one.units, one.cost, one.events)
        .where(one.org_id == wallet.org_id, one.wallet_id == wallet.id, one.dimension == "hour")
        .where(one.day.between(filters.first, filters.last))
        .order_by(one.day, one.value, one.metric_key)
    )
    if filters.metric is not None:
        query = query.where(one.metric_key == filters.metric)
    return [
        Hour(datetime.combine(day, time(int(hour)), UTC), metric, units, cost, many)
        for day, hour, metric, units, cost, many in db.session.execute(query)
    ]


def tags(wallet: Wallet, filters: UsageFilters) -> list[str]:
    """The names of the newest events' properties."""
    near = _newest(wallet, filters).with_only_columns(UsageEvent.properties).limit(TAGGED).subquery()
    names = select(func.jsonb_object_keys(near.c.properties)).distinct().limit(MOST_TAGS)
    return sorted(db.session.scalars(names))


def ever(wallet: Wallet, only_of: UUID | None) -> bool:
    """Whether anything was used, or by this user."""
    row = UsageCounter
    query = select(row.day).where(row.org_id == wallet.org_id, row.wallet_id == wallet.id)
    own = (row.dimension == "all",) if only_of is None else (row.dimension == MEMBER, row.value == str(only_of))
    return db.session.scalar(query.where(*own).limit(1)) is not None


def labels(org_id: UUID, group: str, keys: Iterable[str]) -> dict[str, str]:
    """What the members and keys of a group are called, by key."""
    wanted = {UUID(key) for key in keys if key} if group in (MEMBER, KEY) else set()
    return {str(key): name for key, name in _names(org_id, wanted).items()}


def names_of(org_id: UUID, rows: Iterable[UsageEvent]) -> dict[UUID, str]:
    """The names of the keys and users behind events."""
    return _names(org_id, {one for row in rows for one in (row.api_key_id, row.member_id) if one})


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


def explain(event: UsageEvent) -> Arithmetic | None:
    """None while the event is not charged: what it costs is not known yet."""
    if event.units_after is None:
        return None
    owners = (event.org_id, PLATFORM_ORG_ID)
    price = db.session.scalars(select(Price).where(Price.org_id.in_(owners), Price.id == event.price_id)).one()
    formula, after = Formula.of(price), event.units if price.kind == PER_EVENT else event.units_after
    before = after - event.units
    cost = formula.cost(after)
    return Arithmetic(price, before, after, cost - formula.between(before, after), cost, formula.steps(after))


def _sums(row: Any) -> Sequence[ColumnElement[Any]]:
    return [func.sum(column).label(column.key) for column in (row.units, row.cost, row.events)]


def _counted(wallet: Wallet, filters: UsageFilters, dimension: str, group: str, sign: int = 1) -> Select[Any]:
    """Counters of a dimension, those that the filters ask for, as cells of a group."""
    row = UsageCounter
    key = {METRIC: row.metric_key, "": literal("")}.get(group, row.value)
    query = (
        select(row.day, row.metric_key, key.label("key"), (row.units * sign).label("units"))
        .add_columns((row.cost * sign).label("cost"), (row.events * sign).label("events"))
        .where(row.org_id == wallet.org_id, row.wallet_id == wallet.id, row.dimension == dimension)
        .where(row.day.between(filters.first, filters.last))
    )
    if filters.metric is not None:
        query = query.where(row.metric_key == filters.metric)
    for value in filters.narrowed.values():
        query = query.where(row.value == value)
    return query


def _uncounted(wallet: Wallet, filters: UsageFilters) -> bool:
    """Whether the app can be among those that are counted together."""
    row = UsageCounter
    own = (
        row.org_id == wallet.org_id, row.wallet_id == wallet.id, row.dimension == APP,
        row.day.between(filters.first, filters.last),
    )  # fmt: skip
    named = select(row.day, row.metric_key).where(*own, row.value == filters.app)
    query = select(literal(1)).where(*own, row.value == OTHER_APPS, tuple_(row.day, row.metric_key).not_in(named))
    return db.session.scalar(query.limit(1)) is not None


def _newest(wallet: Wallet, filters: UsageFilters) -> Select[UsageEvent]:
    query = select(UsageEvent).filter_by(org_id=wallet.org_id, wallet_id=wallet.id).where(*filters.indexed(UsageEvent))
    return query.order_by(UsageEvent.occurred_at.desc(), UsageEvent.id.desc())


def _of_events(wallet: Wallet, filters: UsageFilters, group: str, window: int) -> Subquery:
    row = aliased(UsageEvent, _newest(wallet, filters).limit(window).subquery())
    keys = {METRIC: row.metric_key, APP: row.app, MEMBER: cast(row.member_id, Text), KEY: cast(row.api_key_id, Text)}
    key = keys[group] if group in keys else row.properties[group.removeprefix(TAG)].astext
    day = cast(func.timezone("UTC", row.occurred_at), Date)
    query = select(day.label("day"), row.metric_key, func.coalesce(key, "").label("key"), *_counting(row))
    return query.where(*filters.others(row)).subquery()


def _counting(row: Any) -> list[ColumnElement[Any]]:
    """What an event adds to sums, as in the counters: a voided one nothing but what was not given back."""
    voided, cost = row.voided_at.is_not(None), func.coalesce(row.cost, 0) - func.coalesce(row.credited, 0)
    units, events = case((voided, 0), else_=row.units), case((voided, 0), else_=1)
    return [units.label("units"), cost.label("cost"), events.label("events")]


def _names(org_id: UUID, wanted: set[UUID]) -> dict[UUID, str]:
    """Names of the organization's keys, of service keys, which also act in it, and of users."""
    service = and_(ApiKey.org_id == PLATFORM_ORG_ID, ApiKey.service)
    keys = select(ApiKey.id, ApiKey.name).where(or_(ApiKey.org_id == org_id, service), ApiKey.id.in_(wanted))
    users = select(User.id, User.name).where(User.id.in_(wanted))
    return {row.id: row.name for query in (keys, users) for row in db.session.execute(query)} if wanted else {}
