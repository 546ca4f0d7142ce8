"""A list on a page: the filters in the URL as entered, one page of rows, links to other pages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from flask import request

from dashboard.core.errors import Invalid
from dashboard.core.lists import Page

T = TypeVar("T")

Address = Callable[..., str]
"""Builds the URL of a list from its query."""

Choice = tuple[str, str]
"""A value and its label."""


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """`typed` holds the filters as entered, `kept` the other parameters that stay in the URL, `reset` is the URL
    without filters, `error` why they cannot be used. `searched_all` is False if the search stopped at its window: then
    `older` continues."""

    rows: list[T] = field(default_factory=list)
    typed: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    reset: str = ""
    newer: str = ""
    older: str = ""
    searched_all: bool = True
    error: str = ""

    @property
    def status(self) -> int:
        return 422 if self.error else 200


def typed(fields: Mapping[str, str]) -> dict[str, Any]:
    """The filters in the URL as entered, by the names of `fields`."""
    return {name: text for name in fields if (text := request.args.get(name, "").strip())}


def read(
    page_of: Callable[[dict[str, Any], str | None], Page[T]],
    fields: Mapping[str, str],
    *,
    here: Address,
    kept: tuple[str, ...] = (),
) -> Listing[T]:
    """The list that the request asks for. Invalid filters become its `error` and are never raised.

    `page_of` reads a page from the typed filters and a cursor. `fields` are the names of the filters, each with the
    label that precedes its error. `here` builds the list's URL.
    """
    given = typed(fields)
    others: dict[str, Any] = {name: text for name in kept if (text := request.args.get(name, ""))}
    reset = here(**others)
    try:
        page = page_of(given, request.args.get("cursor"))
    except Invalid as refusal:
        label = fields.get(refusal.field or "")
        return Listing([], given, others, reset, error=f"{label}: {refusal.detail}" if label else refusal.detail)
    query = given | others
    return Listing(
        page.rows,
        given,
        others,
        reset,
        newer="" if page.newer_cursor is None else here(**query, cursor=page.newer_cursor or None),
        older=here(**query, cursor=page.next_cursor) if page.next_cursor else "",
        searched_all=page.searched_all,
    )
