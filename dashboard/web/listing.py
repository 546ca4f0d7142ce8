"""A list on a page: the filters in the URL as entered, one page of rows, links to other pages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from flask import request

from dashboard.core.errors import Invalid
from dashboard.core.lists import Page
from dashboard.domain.funds.reports import costs

T = TypeVar("T")

Address = Callable[..., str]
"""Builds the URL of a list from its query."""

Choice = tuple[str, str]
"""A value and its label."""

DATES = ("from", "to")
PRESETS = {"7": "7 days", "30": "30 days", "month": "This month", "last-month": "Last month"}
RANGES: tuple[Choice, ...] = (("all", "All time"), *PRESETS.items(), ("", "Custom dates"))
"""What `range` may be. Dates that are given count before it."""


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """`typed` holds the filters as entered, `kept` the other parameters that stay in the URL, `reset` is the URL
    without filters, `widened` that with the same filters for all time, `error` why they cannot be used. `opening`:
    nothing was asked, and the dates are its own choice. `searched_all` is False if the search stopped at its window:
    then `older` continues."""

    rows: list[T] = field(default_factory=list)
    typed: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    reset: str = ""
    widened: str = ""
    newer: str = ""
    older: str = ""
    opening: bool = False
    searched_all: bool = True
    error: str = ""

    @property
    def status(self) -> int:
        return 422 if self.error else 200

    @property
    def ranges(self) -> tuple[Choice, ...]:
        return RANGES

    @property
    def range(self) -> str:
        """The key of `RANGES` that the dates are."""
        dates = {name: self.typed[name] for name in DATES if name in self.typed}
        return next((key for key in PRESETS if dates == _dates(key)), "") if dates else "all"

    def used(self, *names: str) -> int:
        """How many of these filters narrow the list; dates do as far as they are no preset."""
        own = [name for name in names if name in self.typed]
        return sum(name not in DATES or not self.range for name in own)


def typed(fields: Mapping[str, str]) -> dict[str, Any]:
    """The filters in the URL as entered, by the names of `fields`, with the dates of the chosen range."""
    given = {name: text for name in fields if (text := request.args.get(name, "").strip())}
    if "from" in fields and not given.keys() & DATES and (key := request.args.get("range", "")) in costs.PRESETS:
        given |= _dates(key)
    return given


def _dates(key: str) -> dict[str, Any]:
    days = costs.preset(key)
    return {"from": days.first.isoformat(), "to": days.last.isoformat()}


def read(
    page_of: Callable[[dict[str, Any], str | None], Page[T]],
    fields: Mapping[str, str],
    *,
    here: Address,
    kept: tuple[str, ...] = (),
    opens_on: str = "",
) -> Listing[T]:
    """The list that the request asks for. Invalid filters become its `error` and are never raised.

    `page_of` reads a page from the typed filters and a cursor. `fields` are the names of the filters, each with the
    label that precedes its error. `here` builds the list's URL. If nothing is asked, the list opens on the preset
    `opens_on` unless that is empty.
    """
    given, cursor = typed(fields), request.args.get("cursor")
    others: dict[str, Any] = {name: text for name in kept if (text := request.args.get(name, ""))}
    reset = here(**others)
    opening = bool(opens_on) and not given and cursor is None and "range" not in request.args
    try:
        page = page_of(_dates(opens_on) if opening else given, cursor)
        if opening and page.rows:
            given = _dates(opens_on)
        elif opening:
            page = page_of(given, cursor)
    except Invalid as refusal:
        label = fields.get(refusal.field or "")
        detail = "Choose one from the list." if refusal.code == "not_a_choice" else refusal.detail
        return Listing([], given, others, reset, error=f"{label}: {detail}" if label else detail)
    query = given | others
    rest = {name: text for name, text in query.items() if name not in DATES}
    return Listing(
        page.rows,
        given,
        others,
        reset,
        here(**rest, range="all") if given.keys() & DATES else "",
        newer="" if page.newer_cursor is None else here(**query, cursor=page.newer_cursor or None),
        older=here(**query, cursor=page.next_cursor) if page.next_cursor else "",
        opening=opening,
        searched_all=page.searched_all,
    )
