"""Usage: what was used, by metric and day, down to the single event with the arithmetic of its cost."""

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request, url_for

from dashboard.core import clock, lists
from dashboard.core.errors import NotFound
from dashboard.domain.access.permissions import Verb
from dashboard.domain.funds.reports import costs
from dashboard.domain.funds.reports.costs import Range
from dashboard.domain.usage import metrics, reports, units
from dashboard.domain.usage.reports import Dimension, Sum
from dashboard.models import UsageEvent
from dashboard.web import charts, cost_figures, examples, guards, render
from dashboard.web import listing as listings
from dashboard.web.formats import percent, zones_shown
from dashboard.web.guards import Visit
from dashboard.web.price_words import price_words

pages = Blueprint("usage", __name__, url_prefix="/o/<slug>/usage")
guards.signed_in_only(pages)

GROUPS: tuple[tuple[Dimension, str], ...] = (
    ("all", "By metric"), ("app", "By app"), ("member", "By member"), ("key", "By key"),
)  # fmt: skip
FIELDS = {"metric": "Metric"}
NAMED = charts.MOST_SERIES - 1


@pages.get("")
def listing(slug: str) -> Response:
    visit = guards.enter(slug, Verb.READ_USAGE)
    period, group = costs.preset(request.args.get("range")), _group()
    sums = reports.by_day(visit.org.id, visit.mode, period.first, period.last)
    shown = _events(visit)
    return render.render(
        "usage/listing.html", fragment="usage/_events.html", status=shown["listing"].status,
        context_line=f"{visit.org.name} · {zones_shown()}", slug=slug, period=cost_figures.period_words(period),
        chosen=period, ranges=_switch(slug, group, period), groups=_group_switch(slug, group, period), group=group,
        chart=_chart(sums, period), shares=_shares(visit, period, group), total=sum(one.cost for one in sums),
        offered=metrics.offered(visit.org), price_words=price_words,
        may_charge=visit.may(Verb.MANAGE_OWN_KEYS), **shown,
    )  # fmt: skip


@pages.get("/<uuid:event_id>")
def show(slug: str, event_id: UUID) -> Response:
    visit = guards.enter(slug, Verb.READ_USAGE)
    event = reports.find(visit.org.id, event_id)
    if event is None or event.mode != visit.mode:
        raise NotFound
    return render.render(
        "usage/show.html", slug=slug, event=event, explained=reports.explain(event),
        metric=metrics.find(metrics.owner_of(visit.org), event.metric_key), names=reports.names_of([event]),
        price_words=price_words, counted=units.counted,
    )  # fmt: skip


def _events(visit: Visit) -> dict[str, Any]:
    """The events, newest first, of one metric if the URL names it."""

    def page(typed: dict[str, Any], cursor: str | None) -> lists.Page[UsageEvent]:
        query = reports.events(visit.org.id, visit.mode, metric=typed.get("metric"))
        return lists.page(query, UsageEvent.id, cursor, "usage page", visit.org.id, typed.get("metric"))

    here = partial(url_for, "usage.listing", slug=visit.org.slug)
    found = listings.read(page, FIELDS, here=here, kept=("range", "group"))
    return {
        "listing": found,
        "names": reports.names_of(found.rows),
        "example": examples.usage(visit.org.id, next((row.key for row, _ in metrics.offered(visit.org)), "tokens")),
    }


def _group() -> Dimension:
    wanted = request.args.get("group")
    return next((key for key, _ in GROUPS if key == wanted), "all")


def _switch(slug: str, group: str, period: Range) -> list[tuple[str, str, bool]]:
    return [
        (words, url_for("usage.listing", slug=slug, range=key, group=group), key == period.key)
        for key, words in cost_figures.RANGES
    ]


def _group_switch(slug: str, group: str, period: Range) -> list[tuple[str, str, bool]]:
    return [
        (words, url_for("usage.listing", slug=slug, range=period.key, group=key), key == group) for key, words in GROUPS
    ]


def _chart(sums: list[Sum], period: Range) -> charts.Chart:
    """Cost per day: the four most expensive metrics by name, and the rest."""
    totals: dict[str, int] = {}
    for one in sums:
        totals[one.metric_key] = totals.get(one.metric_key, 0) + one.cost
    named = sorted(totals, key=lambda key: (-totals[key], key))[:NAMED]
    rest = len(totals) > len(named)
    series = [charts.Series(key, f"s{number}") for number, key in enumerate(named, 1)]
    series += [charts.Series("Other metrics", "s5")] if rest else []
    days = []
    for number in range(period.days):
        day = period.first + timedelta(days=number)
        values = {one.metric_key: one.cost for one in sums if one.day == day}
        parts = [values.pop(key, 0) for key in named] + ([sum(values.values())] if rest else [])
        days.append(charts.Day(day, tuple(parts) or (0,), partial=day == clock.today()))
    return charts.stacked(days, series or [charts.Series("No usage", "s5")])


def _shares(visit: Visit, period: Range, group: Dimension) -> list[cost_figures.Share]:
    rows = reports.totals(visit.org.id, visit.mode, period.first, period.last, dimension=group)
    whole = sum(row.cost for row in rows)
    names = reports.labels(group, rows)
    here = partial(url_for, "usage.listing", slug=visit.org.slug, range=period.key)
    return [
        (
            names.get(row.value or row.metric_key, row.value or row.metric_key),
            here(metric=row.metric_key) if group == "all" else "",
            row.cost,
            f"s{min(number, charts.MOST_SERIES)}",
            f"{row.units:,} units in {row.events:,} event{'' if row.events == 1 else 's'}",
            percent(row.cost, whole) if whole else "",
        )
        for number, row in enumerate(rows, 1)
    ]  # fmt: skip
