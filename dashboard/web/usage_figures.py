"""The parts of the Usage page as plain values: cards, chart and the table of groups."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import request, url_for

from dashboard.core import clock, units
from dashboard.core.money import unit_price
from dashboard.domain.funds.reports import costs, ranks
from dashboard.domain.funds.reports.costs import Range
from dashboard.domain.usage import metrics, reports
from dashboard.domain.usage.reading.filters import UsageFilters
from dashboard.domain.usage.reports import Cells, Total
from dashboard.models import OTHER_APPS, Metric, Organization, Price
from dashboard.web import charts, comparison
from dashboard.web.comparison import Change
from dashboard.web.formats import percent
from dashboard.web.guards import Visit
from dashboard.web.listing import PRESETS, Choice
from dashboard.web.price_words import number

GROUPS: tuple[Choice, ...] = (
    (reports.METRIC, "By metric"), (reports.APP, "By app"), (reports.MEMBER, "By member"), (reports.KEY, "By key"),
)  # fmt: skip
RANGES: tuple[Choice, ...] = (("1", "Today"), *PRESETS.items(), ("90", "90 days"), ("", "Custom dates"))
MOST_ROWS = 12
DAYS_BY_HOUR, DAYS_BY_DAY = 2, 62
"""A range of up to so many days is drawn by the hour, or by the day; a longer one by the week."""

BARS_WITH_TABLE = 31
"""A chart of more bars and its table are on two pages."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the page is asked for: sums of whole days, events perhaps of one `hour` only. `typed`: as in the URL."""

    filters: UsageFilters
    hour: UsageFilters | None
    group: str
    typed: dict[str, Any]

    @property
    def period(self) -> Range:
        """The days, with the key of the preset that they are."""
        first, last = self.filters.first, self.filters.last
        presets = (costs.preset(key) for key, _ in RANGES if key)
        return next((one for one in presets if (one.first, one.last) == (first, last)), Range("", first, last))

    def query(self, **changes: Any) -> dict[str, Any]:
        """The same in the URL, with changes; None leaves one out."""
        first, last = self.filters.first.isoformat(), self.filters.last.isoformat()
        kept = {name: text for name, text in self.typed.items() if name != "hour"}
        given = {**kept, "from": first, "to": last, **changes}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One row of the table. `units` are None if it used several metrics, whose units do not add up; `rate` is what a
    unit cost on average, `css` the colour of its bars."""

    label: str
    href: str
    css: str
    units: int | None
    unit: str
    rate: str
    events: int
    cost: int
    share: str
    change: Change | None


@dataclass(frozen=True, slots=True)
class Known:
    """The organization's metrics by key, with the price in force."""

    metrics: dict[str, Metric]
    prices: dict[str, Price | None]

    def name(self, key: str) -> str:
        return self.metrics[key].name if key in self.metrics else key

    def unit(self, key: str | None, many: int = 1) -> str:
        unit = self.metrics[key].unit if key in self.metrics else "unit"
        return unit if many == 1 else units.plural(unit)

    def rate(self, total: Total) -> str:
        """`$0.15 per 1M tokens`, per as many as the price is for; empty for several metrics."""
        if total.metric_key is None or not total.units:
            return ""
        price = self.prices.get(total.metric_key)
        per = price.per_units if price else 1
        micros = (2 * total.cost * per + total.units) // (2 * total.units)
        unit = self.unit(total.metric_key, per)
        return f"{unit_price(micros)} per {unit if per == 1 else f'{number(per)} {unit}'}"


def known(org: Organization) -> Known:
    offered = metrics.offered(org)
    return Known({row.key: row for row, _ in offered}, {row.key: price for row, price in offered})


def of(visit: Visit, asked: Asked) -> dict[str, Any]:
    """Everything above the list of events."""
    found = reports.cells(visit.wallet, asked.filters, asked.group)
    since = reports.left_out(visit.wallet, asked.filters) if found.bounded else None
    now, then = reports.totals(found), None if since else _before(visit, asked)
    total, names = _added(now), known(visit.org)
    labels = labels_of(visit.org.id, asked.group, [one.key for one in now], names)
    colours = _colours(visit, asked, {one.key: one.cost for one in now})
    before = comparison.before_words(asked.period)
    spent = None if then is None else sum(then.values())
    rows = [
        GroupRow(
            labels[one.key], _rows_of(visit, asked, one.key), f"s{colours.get(one.key, costs.OTHER_COLOUR)}",
            one.units if one.metric_key else None, names.unit(one.metric_key, one.units), names.rate(one), one.events,
            one.cost, percent(one.cost, total.cost) if total.cost else "",
            None if then is None else comparison.compared(one.cost, then.get(one.key, 0), before),
        )
        for one in now
    ]  # fmt: skip
    return {
        "rows": rows[:MOST_ROWS], "rows_left": len(rows) - MOST_ROWS, "total": total, "left_out": since,
        "unit": names.unit(total.metric_key, total.units), "rate": names.rate(total),
        "change": None if spent is None else comparison.compared(total.cost, spent, before), "before": before,
        "group_words": words(asked.group), **_drawn(visit, asked, _chart(visit, asked, found, labels, colours, names)),
    }  # fmt: skip


def _drawn(visit: Visit, asked: Asked, chart: charts.Chart) -> dict[str, Any]:
    """The chart, or its table if the URL asks for that one."""
    as_table = request.args.get("table") == "1"
    switch = _here(visit, asked, **({} if as_table else {"table": "1"}))
    return {
        "chart": chart,
        "as_table": as_table,
        "table_switch": switch if as_table or len(chart.days) > BARS_WITH_TABLE else "",
    }


def words(group: str) -> str:
    """What the rows of a group are: `metric`, `team`."""
    return group.removeprefix(reports.TAG)


def labels_of(org_id: UUID, group: str, keys: Sequence[str], names: Known) -> dict[str, str]:
    """What the keys of a group are called."""
    if group == reports.METRIC:
        return {key: names.name(key) for key in keys}
    called = reports.labels(org_id, group, keys) | {OTHER_APPS: "Other apps", "": f"No {words(group)}"}
    return {key: called.get(key, key) for key in keys}


def _before(visit: Visit, asked: Asked) -> dict[str, int] | None:
    """The cost of each key in the period before; None if not all of it can be added up."""
    earlier = costs.before(asked.period)
    filters = asked.filters.of_days(earlier.first, earlier.last)
    found = reports.cells(visit.wallet, filters, asked.group)
    if found.bounded and reports.left_out(visit.wallet, filters):
        return None
    return {one.key: one.cost for one in reports.totals(found)}


def _added(rows: Sequence[Total]) -> Total:
    used = {row.metric_key for row in rows}
    return Total(
        "", used.pop() if len(used) == 1 else None, sum(row.units for row in rows), sum(row.cost for row in rows),
        sum(row.events for row in rows),
    )  # fmt: skip


def _colours(visit: Visit, asked: Asked, now: dict[str, int]) -> dict[str, int]:
    """The keys that have bars of their own. A metric has the same colour whatever is asked for."""
    keys = ranks.named(now)
    if asked.group != reports.METRIC:
        return ranks.colours(keys, now)
    today = clock.today()
    longest = asked.filters.of_days(today - timedelta(days=costs.COLOUR_DAYS - 1), today)
    every = replace(longest, metric=None, app=None, member_id=visit.only_of, key_id=None)
    return ranks.colours(keys, {one.key: one.cost for one in reports.totals(reports.cells(visit.wallet, every))})


def _rows_of(visit: Visit, asked: Asked, key: str) -> str:
    """The usage of one row, and how it is made up. No filter finds what has no key, other apps, or a tag."""
    if asked.group not in reports.GROUPS or key in ("", OTHER_APPS):
        return ""
    into = reports.APP if asked.group == reports.METRIC else reports.METRIC
    query = asked.query(**{asked.group: key}, group=into)
    return url_for("usage.listing", slug=visit.org.slug, **query)


def _chart(
    visit: Visit, asked: Asked, found: Cells, labels: dict[str, str], colours: dict[str, int], names: Known
) -> charts.Chart:
    """Bars by hour and metric if the days are few and all is counted, else by day or week and group."""
    filters, narrow = asked.filters, bool(asked.filters.narrowed)
    few = (filters.last - filters.first).days < DAYS_BY_HOUR
    if few and not (narrow and reports.left_out(visit.wallet, filters)):
        return _by_hour(visit, asked, names)
    values, bars = Counter[tuple[Any, str | None]](), _days(visit, asked)
    for (day, key), cost in reports.daily(found, list(colours)).items():
        start = next(one.day for one in reversed(bars) if one.day <= day)
        values[start, key] += cost
    other = f"Other {words(asked.group)}s"
    return _stacked(values, [(one.day, one) for one in bars], {key: labels[key] for key in colours}, colours, other)


def _by_hour(visit: Visit, asked: Asked, names: Known) -> charts.Chart:
    rows = reports.hourly(visit.wallet, asked.filters)
    totals, values = Counter[str](), Counter[tuple[Any, str | None]]()
    for row in rows:
        totals[row.metric_key] += row.cost
    colours = _colours(visit, replace(asked, group=reports.METRIC), totals)
    for row in rows:
        values[row.at, row.metric_key if row.metric_key in colours else None] += row.cost
    return _stacked(values, _hours(visit, asked), {key: names.name(key) for key in colours}, colours, "Other metrics")


def _stacked(
    values: Mapping[tuple[Any, str | None], int], bars: Sequence[tuple[Any, charts.Day]], labels: dict[str, str],
    colours: dict[str, int], other: str,
) -> charts.Chart:  # fmt: skip
    keys: list[str | None] = [*colours]
    series = [charts.Series(labels[key], f"s{colour}") for key, colour in colours.items()]
    if any(key is None and value for (_, key), value in values.items()):
        keys.append(None)
        series.append(charts.Series(other, f"s{costs.OTHER_COLOUR}"))
    days = [replace(bar, values=tuple(values.get((at, key), 0) for key in keys) or (0,)) for at, bar in bars]
    return charts.stacked(days, series or [charts.Series("No cost", f"s{costs.OTHER_COLOUR}")])


def _days(visit: Visit, asked: Asked) -> list[charts.Day]:
    """Days, or weeks that begin with the range."""
    first, end, today = asked.filters.first, asked.filters.last, clock.today()
    long = (end - first).days >= DAYS_BY_DAY
    bars = []
    for day in list(costs.range_of(first, end))[:: 7 if long else 1]:
        last = min(day + timedelta(days=6), end) if long else day
        href = _here(visit, asked, **{"from": day.isoformat(), "to": last.isoformat()})
        bars.append(charts.Day(day, (), day <= today <= last, href, last=last if long else None))
    return bars


def _hours(visit: Visit, asked: Asked) -> list[tuple[datetime, charts.Day]]:
    now, bars = clock.now(), []
    for past in range(24 * ((asked.filters.last - asked.filters.first).days + 1)):
        at = asked.filters.since + timedelta(hours=past)
        picked, going_on = asked.hour is not None and asked.hour.since == at, at <= now < at + timedelta(hours=1)
        href = _here(visit, asked, hour=f"{at:%Y-%m-%dT%H}")
        bars.append((at, charts.Day(at.date(), (), going_on, href, hour=at.hour, picked=picked)))
    return bars


def _here(visit: Visit, asked: Asked, **changes: str) -> str:
    return url_for("usage.listing", slug=visit.org.slug, **asked.query(**changes))
