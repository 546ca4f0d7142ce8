"""The audit log on a page, of one organization or of all: the filters in the URL, one page of entries, the file."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from flask import Response

from dashboard.core import clock
from dashboard.core.lists import Page
from dashboard.domain.audit import names, trail, words
from dashboard.domain.audit.trail import AuditFilters, EntryView
from dashboard.web import listing as lists
from dashboard.web.audit_visits import Visited, folded
from dashboard.web.csv_lines import line, moment, text
from dashboard.web.exports import Turn
from dashboard.web.listing import Address, Choice, Listing

FIELDS = {"actor": "Actor", "group": "Action", "object": "Object", "from": "From", "to": "To", "visits": "Visits"}
EVERY_FIELDS = FIELDS | {"org": "Organization"}
"""Those of the platform's log, which is of all organizations."""
KEPT = ("zone",)
COLUMNS = (
    "id", "time_utc", "organization", "actor_kind", "actor_id", "actor", "action", "sentence", "object_kind",
    "object_id", "before", "after", "reason", "ip", "request_id",
)  # fmt: skip


def read(
    filters_of: Callable[[dict[str, Any]], AuditFilters], fields: Mapping[str, str], *, here: Address
) -> Listing[Visited]:
    """The list that the request asks for. `here` builds its URL."""

    def page(typed: dict[str, Any], cursor: str | None) -> Page[Visited]:
        filters = filters_of(typed)
        result = trail.page(filters, cursor=cursor)
        return result.of(folded(trail.entry_views(result.rows, for_manager=filters.named)))

    return lists.read(page, fields, here=here, kept=KEPT)


def groups() -> list[Choice]:
    return [("", "All actions"), *words.GROUPS.items()]


def file(turn: Turn, filters: AuditFilters, *, name: str, first: datetime) -> Response:
    """The entries as a streamed file. In its name, an open end is the day of `first`, or today."""
    begin = (filters.since or first.astimezone(UTC)).date()
    end = (filters.until - timedelta(microseconds=1)).date() if filters.until else clock.today()
    return turn.file(f"{name}-{begin}-{max(begin, end)}.csv", _lines(filters))


def _lines(filters: AuditFilters) -> Iterator[str]:
    yield line(COLUMNS)
    for entries in trail.every(filters):
        orgs = names.orgs_of(entries)
        for view in trail.entry_views(entries, for_manager=filters.named):
            org = orgs.get(view.entry.org_id)
            yield line(_values(view, org.slug if org else ""))


def _values(view: EntryView, org: str) -> tuple[str, ...]:
    entry = view.entry
    return (
        str(entry.id), moment(entry.created_at), org, entry.actor_kind, str(view.actor_id or ""), text(view.actor),
        entry.action, text(view.sentence), entry.object_kind, text(entry.object_id), _json(view.before),
        _json(view.after), text(entry.reason), text(view.ip), text(entry.request_id),
    )  # fmt: skip


def _json(values: dict[str, Any] | None) -> str:
    return text(orjson.dumps(values).decode()) if values is not None else ""
