"""The audit log on a page, of one organization or of all: the filters in the URL, one page of entries, the file."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from flask import Response, request

from dashboard.core import clock
from dashboard.core.errors import Invalid
from dashboard.domain.audit import names, trail, words
from dashboard.domain.audit.trail import Filters, Told
from dashboard.web.csv_lines import line, moment, text
from dashboard.web.exports import Turn

FIELDS = {"actor": "Actor", "group": "Action", "object": "Object", "org": "Organization", "from": "From", "to": "To"}
KEPT = ("zone",)
COLUMNS = (
    "id", "time_utc", "organization", "actor_kind", "actor_id", "actor", "action", "sentence", "object_kind",
    "object_id", "before", "after", "reason", "ip", "request_id",
)  # fmt: skip

Choice = tuple[str, str]
"""A value and its label."""


@dataclass(frozen=True, slots=True)
class Listing:
    """`typed` holds the filters as they were entered, `error` why they cannot be used. `searched_all` is False if the
    search stopped at its window: then `older` continues."""

    lines: list[Told]
    typed: dict[str, Any]
    kept: dict[str, Any]
    reset: str
    newer: str = ""
    older: str = ""
    searched_all: bool = True
    error: str = ""


def typed(*, of_one: bool = False) -> dict[str, Any]:
    """The filters in the URL as entered. `of_one`: for the pages of one organization, where no other can be
    selected."""
    fields = [name for name in FIELDS if not (of_one and name == "org")]
    return {name: text for name in fields if (text := request.args.get(name, "").strip())}


def read(filters_of: Callable[[dict[str, Any]], Filters], *, here: Callable[..., str], of_one: bool = False) -> Listing:
    """The list that the request asks for. `here` builds its URL. Never raises for invalid filters."""
    given, cursor = typed(of_one=of_one), request.args.get("cursor")
    kept: dict[str, Any] = {name: text for name in KEPT if (text := request.args.get(name, ""))}
    try:
        filters = filters_of(given)
        page = trail.page(filters, cursor=cursor)
    except Invalid as refusal:
        label = FIELDS.get(refusal.field or "", "")
        told = f"{label}: {refusal.detail}" if label else refusal.detail
        return Listing([], given, kept, here(**kept), error=told)
    query = given | kept
    return Listing(
        trail.told(page.rows, for_manager=filters.named),
        given,
        kept,
        here(**kept),
        newer=here(**query) if cursor else "",
        older=here(**query, cursor=page.next_cursor) if page.next_cursor else "",
        searched_all=page.searched_all,
    )


def groups() -> list[Choice]:
    return [("", "All actions"), *words.GROUPS.items()]


def file(turn: Turn, filters: Filters, *, name: str, first: datetime) -> Response:
    """The entries as a streamed file. In its name, an open end is the day of `first`, or today."""
    begin = (filters.since or first.astimezone(UTC)).date()
    end = (filters.until - timedelta(microseconds=1)).date() if filters.until else clock.today()
    return turn.file(f"{name}-{begin}-{max(begin, end)}.csv", _lines(filters))


def _lines(filters: Filters) -> Iterator[str]:
    yield line(COLUMNS)
    for entries in trail.every(filters):
        orgs = names.orgs_of(entries)
        for told in trail.told(entries, for_manager=filters.named):
            org = orgs.get(told.entry.org_id)
            yield line(_values(told, org.slug if org else ""))


def _values(told: Told, org: str) -> tuple[str, ...]:
    entry = told.entry
    return (
        str(entry.id), moment(entry.created_at), org, entry.actor_kind, str(told.actor_id or ""), text(told.actor),
        entry.action, text(told.sentence), entry.object_kind, text(entry.object_id), _json(told.before),
        _json(told.after), text(entry.reason), text(told.ip), text(entry.request_id),
    )  # fmt: skip


def _json(values: dict[str, Any] | None) -> str:
    return text(orjson.dumps(values).decode()) if values is not None else ""
