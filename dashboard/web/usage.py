"""Usage: what was used, by time and group, down to the single event with the arithmetic of its cost."""

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request, url_for

from dashboard.core import lists, units
from dashboard.core.db import transaction
from dashboard.core.errors import Invalid, NotFound
from dashboard.domain import audit
from dashboard.domain.access.permissions import Verb
from dashboard.domain.funds import transactions
from dashboard.domain.usage import metrics, reports
from dashboard.domain.usage.reading import event_list
from dashboard.domain.usage.reading.filters import UsageFilters
from dashboard.models import Metric, Price, UsageEvent
from dashboard.web import examples, guards, render, usage_csv, usage_figures, usage_voids
from dashboard.web import listing as listings
from dashboard.web.exports import Turn
from dashboard.web.formats import zones_shown
from dashboard.web.guards import Visit
from dashboard.web.listing import Choice, Listing
from dashboard.web.price_words import price_words
from dashboard.web.usage_figures import Asked

FIRST_ROWS = 20
"""How many events are below the chart; further pages have more, and no chart."""

pages = Blueprint("usage", __name__, url_prefix="/o/<slug>")
guards.signed_in_only(pages)

FIELDS = {
    "from": "From", "to": "To", "hour": "Hour", "group": "Group", "metric": "Metric", "app": "App", "member": "Member",
    "key": "Key",
}  # fmt: skip


@pages.get("/usage")
def listing(slug: str) -> Response:
    visit = guards.enter(slug, Verb.READ_OWN_USAGE)
    found, asked = _events(visit), _asked_or_none(visit)
    offered = metrics.offered(visit.org)
    return render.render(
        "usage/listing.html", fragment="usage/_results.html", status=found.status, slug=slug, listing=found,
        asked=asked, context_line=f"{visit.org.name} · {zones_shown()}", own_only=visit.only_of is not None,
        names=reports.names_of(visit.org.id, found.rows),
        metric_name=usage_figures.known(visit.org).name, offered=offered,
        price_words=price_words, may_charge=visit.may(Verb.MANAGE_OWN_KEYS),
        sees_prices=visit.may(Verb.READ_PRICES),
        ever=reports.ever(visit.wallet, visit.only_of),
        **_example(visit, offered),
        **_choices(visit, found, asked), **(usage_figures.of(visit, asked) if asked and not _paged() else {}),
    )  # fmt: skip


def _example(visit: Visit, offered: Sequence[tuple[Metric, Price | None]]) -> dict[str, Any]:
    """A program that reports the first metric that has a price, so that it works as it is."""
    metric, price = next((one for one in offered if one[1]), next(iter(offered), (None, None)))
    program = examples.usage(visit.org.id, metric.key if metric else "tokens")
    return {"example": program, "example_metric": metric, "example_price": price}


@pages.get("/usage.csv")
def export(slug: str) -> Response:
    visit = guards.enter(slug, Verb.READ_OWN_USAGE)
    asked = _asked(visit)
    return _file(visit, asked, "usage", usage_csv.groups(visit, asked))


@pages.get("/usage/events.csv")
def export_events(slug: str) -> Response:
    visit = guards.enter(slug, Verb.READ_OWN_USAGE)
    asked = _asked(visit)
    return _file(visit, asked, "usage-events", usage_csv.events(visit, asked))


@pages.get("/usage/<uuid:event_id>")
def show(slug: str, event_id: UUID) -> Response:
    visit = guards.enter(slug, Verb.READ_OWN_USAGE)
    event = reports.find(visit.org.id, event_id)
    if event is None or event.mode != visit.mode or visit.only_of not in (None, event.member_id):
        raise NotFound
    return render.render(
        "usage/show.html", slug=slug, event=event, explained=reports.explain(event),
        metric=metrics.find(metrics.owner_of(visit.org), event.metric_key),
        names=reports.names_of(visit.org.id, [event]),
        price_words=price_words, counted=units.counted,
        may_void=usage_voids.may_void(visit) and visit.org.closed_at is None,
    )  # fmt: skip


def _asked(visit: Visit) -> Asked:
    """What the URL asks for. Raises Invalid."""
    typed = listings.typed(FIELDS)
    filters = UsageFilters.parse(typed, only_of=visit.only_of)
    filters = filters.of_days(filters.first, filters.last)
    return Asked(filters, filters.of_hour(typed["hour"]) if "hour" in typed else None, _group(typed), typed)


def _asked_or_none(visit: Visit) -> Asked | None:
    try:
        return _asked(visit)
    except Invalid:
        return None


def _group(typed: dict[str, Any]) -> str:
    group = typed.get("group", reports.METRIC)
    if group in reports.GROUPS or (group.startswith(reports.TAG) and len(group) <= lists.LONGEST):
        return str(group)
    raise Invalid("Choose one from the list.", field="group", code="not_a_choice")


def _paged() -> bool:
    """Further pages of events have only these."""
    return "cursor" in request.args


def _events(visit: Visit) -> Listing[UsageEvent]:
    def page(_: dict[str, Any], cursor: str | None) -> lists.Page[UsageEvent]:
        asked = _asked(visit)
        limit = lists.PAGE_ROWS if _paged() else FIRST_ROWS
        return event_list.page(visit.wallet, asked.hour or asked.filters, cursor, limit)

    return listings.read(page, FIELDS, here=partial(url_for, "usage.listing", slug=visit.org.slug))


def _choices(visit: Visit, found: Listing[Any], asked: Asked | None) -> dict[str, Any]:
    """The options of the filters. What is filtered by is always one of them."""
    choices = transactions.choices(visit.wallet)
    own_only, typed = visit.only_of is not None, found.typed
    known = [(row.key, row.name) for row, _ in metrics.offered(visit.org)]
    tags = reports.tags(visit.wallet, asked.filters) if asked else []
    groups = usage_figures.GROUPS[:2] if own_only else usage_figures.GROUPS
    options: dict[str, list[Choice]] = {
        "groups": [*groups, *((f"{reports.TAG}{tag}", f"By tag {tag}") for tag in tags)],
        "metrics": known,
        "apps": [(app, app) for app in choices.apps],
        "members": [] if own_only else [(str(key), name) for key, name in choices.people],
        "keys": [] if own_only else [(str(key), name) for key, name in choices.keys],
    }
    for name, field in (("groups", "group"), ("metrics", "metric"), ("apps", "app")):
        if (value := typed.get(field)) and value not in dict(options[name]):
            options[name].append((value, value.removeprefix(reports.TAG)))
    return {"choices": options, "range_options": usage_figures.RANGES, "chosen_range": _range(found, asked)}


def _range(found: Listing[Any], asked: Asked | None) -> str:
    """The preset that the days are."""
    if asked is None:
        return found.range if found.range in listings.PRESETS else ""
    return asked.period.key


def _file(visit: Visit, asked: Asked, what: str, lines: Any) -> Response:
    with Turn() as turn:
        with transaction(org=visit.org.id):
            audit.record(visit.wallet, "usage.exported", by=visit.by, after={"file": what, **asked.typed})
        first, last = asked.filters.first, asked.filters.last
        return turn.file(f"{visit.org.slug}-{what}-{first}-{last}.csv", lines)
