"""What a wallet was spent on, by everybody or by one user.

The whole wallet is read from `wallet_days` only, so the cost does not depend on the number of transactions. One user's
part is read once, from their newest transactions, which have an index. A cost is a charge or a consumption, less what
was reversed. Days are UTC.
"""

import calendar
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import Date, and_, case, cast, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from dashboard.core import clock, lists
from dashboard.core.db import db
from dashboard.domain.funds.reports import ranks
from dashboard.models import SPENDING, Transaction, Wallet, WalletDay

Group = Literal["type", "app", "metric", "member", "key"]
"""The ledger knows the type and the app of a cost; the others are told by `GroupedCosts`."""

PRESETS = ("1", "7", "30", "90", "month", "last-month")
OTHER_COLOUR = 5
COLOUR_DAYS = 90
LONGEST_RANGE = 400

# The reversal of a cost adds. The reversal of a credit takes, and is not a cost.
IS_COST = or_(WalletDay.type.in_(SPENDING), and_(WalletDay.type == "reversal", WalletDay.amount > 0))


@dataclass(frozen=True, slots=True)
class Range:
    """UTC days, both inclusive. `key` names a preset, '' is none."""

    key: str
    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1


@dataclass(frozen=True, slots=True)
class Series:
    """`key` is the type or app, '' for rows without app, None for the rest, including apps that are not counted by
    name. `colour` is 1 to 4, or 5 for the rest; a key keeps its colour whatever range is shown."""

    key: str | None
    colour: int
    micros: int


@dataclass(frozen=True, slots=True)
class Day:
    """`values` are in the order of the series; below zero if more was reversed than spent. `partial`: the day is not
    over."""

    day: date
    values: tuple[int, ...]
    partial: bool

    @property
    def micros(self) -> int:
        return sum(self.values)


@dataclass(frozen=True, slots=True)
class Daily:
    """Series largest first, at most five. Days in order and without gaps."""

    series: tuple[Series, ...]
    days: tuple[Day, ...]

    @property
    def micros(self) -> int:
        return sum(day.micros for day in self.days)

    @property
    def busiest(self) -> Day | None:
        day = max(self.days, key=lambda day: day.micros, default=None)
        return day if day and day.micros > 0 else None


@dataclass(frozen=True, slots=True)
class Spent:
    micros: int
    before_micros: int
    range: Range
    before: Range


@dataclass(frozen=True, slots=True)
class Share:
    """What one key cost: `micros` of `of_micros`, in `count` rows; `before_micros` in the previous period."""

    key: str | None
    colour: int
    micros: int
    of_micros: int
    count: int
    before_micros: int


@dataclass(frozen=True, slots=True)
class OwnCosts:
    """What one user spent: day, type, app, cost in micros and number of rows. If not `complete`, their rows before
    `since` were left out."""

    rows: tuple[tuple[date, str, str, int, int], ...]
    complete: bool

    @property
    def since(self) -> date | None:
        return min((row[0] for row in self.rows), default=None)


Row = tuple[date, str, int, int]
"""Day, key, cost in micros, and number of rows or units."""


@dataclass(frozen=True, slots=True)
class GroupedCosts:
    """Costs by what the ledger does not know, such as a metric. `rows` tells those from one day to another, each day
    and key once. The key '' is what cannot be told; it always has a line of its own."""

    rows: Callable[[date, date], list[Row]]


Source = Wallet | OwnCosts | GroupedCosts
"""Whose costs, everybody's or one user's, and by what."""


def of_user(wallet: Wallet, user_id: UUID) -> OwnCosts:
    """The costs that count to a user, over the longest preset and the period before it, from their newest 20,000
    rows."""
    first = clock.today() - timedelta(days=2 * COLOUR_DAYS)
    own = (WalletDay.org_id == wallet.org_id, WalletDay.wallet_id == wallet.id)
    recent = select(func.coalesce(func.sum(WalletDay.count), 0)).where(*own, WalletDay.day >= first).scalar_subquery()
    top = select(Wallet.seq).filter_by(org_id=wallet.org_id, id=wallet.id).scalar_subquery()
    newest = (
        select(Transaction.created_at, Transaction.type, Transaction.app, Transaction.amount)
        .filter_by(org_id=wallet.org_id, wallet_id=wallet.id, member_id=user_id)
        .where(Transaction.seq > top - recent)
        .order_by(Transaction.seq.desc())
        .limit(lists.WINDOW)
    ).subquery()
    day = cast(func.timezone("UTC", newest.c.created_at), Date)
    sums = select(day, newest.c.type, newest.c.app, -func.sum(newest.c.amount), func.count()).group_by(
        day, newest.c.type, newest.c.app
    )
    rows = [(day, type_, app, int(micros), int(count)) for day, type_, app, micros, count in db.session.execute(sums)]
    spent = tuple(sorted(row for row in rows if row[1] in SPENDING or (row[1] == "reversal" and row[3] < 0)))
    return OwnCosts(spent, complete=sum(row[4] for row in rows) < lists.WINDOW)


def preset(key: str | None, today: date | None = None) -> Range:
    """One of `PRESETS`: days up to today, this month, or the one before; any other text is `30`."""
    today = today or clock.today()
    if key == "month":
        return Range(key, today.replace(day=1), today)
    if key == "last-month":
        last = today.replace(day=1) - timedelta(days=1)
        return Range(key, last.replace(day=1), last)
    days = int(key) if key and key.isdecimal() and key in PRESETS else 30
    return Range(str(days), today - timedelta(days=days - 1), today)


def before(range: Range) -> Range:
    """The period to compare with: the same number of days just before; for a month, the same days of the month before
    it."""
    if range.key in ("month", "last-month"):
        end = range.first - timedelta(days=1)
        whole = range.last.day == calendar.monthrange(range.last.year, range.last.month)[1]
        last = end if whole else end.replace(day=min(range.last.day, end.day))
        return Range("", end.replace(day=1), last)
    return Range("", range.first - timedelta(days=range.days), range.first - timedelta(days=1))


def spent(source: Source, range: Range) -> Spent:
    """The cost of the range and of the period before it."""
    earlier = before(range)
    return Spent(_total(source, range), _total(source, earlier), range, earlier)


def daily(source: Source, from_day: date, to_day: date, group: Group = "type") -> Daily:
    """Cost per day and series: at most four keys by name (the largest) and the rest. At most 400 days (the newest)."""
    from_day = max(from_day, to_day - timedelta(days=LONGEST_RANGE - 1))
    sums: dict[tuple[date, str], int] = {}
    totals: dict[str, int] = defaultdict(int)
    for day, key, micros, _ in _rows(source, from_day, to_day, group):
        sums[day, key] = micros
        totals[key] += micros
    keys = _named(source, totals)
    colour_of = _colours(source, keys, group)
    series = [Series(key, colour_of[key], totals[key]) for key in keys]
    rest = [key for key in totals if key not in keys]
    if rest:
        series.append(Series(None, OTHER_COLOUR, sum(totals[key] for key in rest)))
    today = clock.today()
    days = []
    for offset in range_of(from_day, to_day):
        values = [sums.get((offset, key), 0) for key in keys]
        if rest:
            values.append(sum(sums.get((offset, key), 0) for key in rest))
        days.append(Day(offset, tuple(values), partial=offset >= today))
    return Daily(tuple(series), tuple(days))


def by_group(source: Source, range: Range, group: Group = "type") -> list[Share]:
    """What each type or app cost, largest first, as in `daily`: four by name and the rest."""
    now, counts = _totals(source, range, group)
    then, _ = _totals(source, before(range), group)
    now = {key: micros for key, micros in now.items() if micros or counts[key]}
    keys = _named(source, now)
    colour_of = _colours(source, keys, group)
    whole = sum(now.values())
    shares = [Share(key, colour_of[key], now[key], whole, counts[key], then.get(key, 0)) for key in keys]
    rest = [key for key in now if key not in keys]
    if rest:
        rows = sum(counts[key] for key in rest)
        # Keys that cost something before and nothing now would make the comparison unequal.
        earlier = sum(then.get(key, 0) for key in rest)
        shares.append(Share(None, OTHER_COLOUR, sum(now[key] for key in rest), whole, rows, earlier))
    return shares


def range_of(first: date, last: date) -> Iterable[date]:
    """All days from `first` to `last`, both inclusive."""
    return (first + timedelta(days=offset) for offset in range((last - first).days + 1))


def _named(source: Source, totals: Mapping[str, int]) -> list[str]:
    return ranks.named(totals, always="" if isinstance(source, GroupedCosts) else None)


def _colours(source: Source, keys: Sequence[str], group: Group) -> dict[str, int]:
    today = clock.today()
    longer, _ = _totals(source, Range("", today - timedelta(days=COLOUR_DAYS - 1), today), group)
    return ranks.colours(keys, longer)


def by_day(source: Source, first: date, last: date) -> dict[date, int]:
    """The cost of each day that has one."""
    sums: dict[date, int] = defaultdict(int)
    for day, _, micros, _ in _rows(source, first, last, "type"):
        sums[day] += micros
    return sums


def _total(source: Source, period: Range) -> int:
    return sum(micros for _, _, micros, _ in _rows(source, period.first, period.last, "type"))


def _totals(source: Source, period: Range, group: Group) -> tuple[dict[str, int], dict[str, int]]:
    totals: dict[str, int] = defaultdict(int)
    counts: dict[str, int] = defaultdict(int)
    for _, key, micros, count in _rows(source, period.first, period.last, group):
        totals[key] += micros
        counts[key] += count
    return totals, counts


def _rows(source: Source, first: date, last: date, group: Group) -> list[Row]:
    """Each day and key once."""
    if isinstance(source, GroupedCosts):
        return source.rows(first, last)
    if isinstance(source, OwnCosts):
        return _own_rows(source, first, last, group)
    key: InstrumentedAttribute[str] = WalletDay.app if group == "app" else WalletDay.type
    count = func.sum(case((WalletDay.type == "reversal", 0), else_=WalletDay.count))
    hits = db.session.execute(
        select(WalletDay.day, key, -func.sum(WalletDay.amount), count)
        .where(WalletDay.org_id == source.org_id, WalletDay.wallet_id == source.id)
        .where(WalletDay.day.between(first, last), IS_COST)
        .group_by(WalletDay.day, key)
        .order_by(WalletDay.day, key)
    )
    return [(day, value, int(micros), int(rows)) for day, value, micros, rows in hits]


def _own_rows(own: OwnCosts, first: date, last: date, group: Group) -> list[tuple[date, str, int, int]]:
    sums: dict[tuple[date, str], tuple[int, int]] = {}
    for day, type_, app, micros, count in own.rows:
        if first <= day <= last:
            key = (day, app if group == "app" else type_)
            spent, rows = sums.get(key, (0, 0))
            sums[key] = (spent + micros, rows + (0 if type_ == "reversal" else count))
    return [(day, value, micros, count) for (day, value), (micros, count) in sorted(sums.items())]
