"""Lists: filters parsed from text, and pages of rows, newest first, cut at an id (keyset pagination, never OFFSET).

Ids are ordered by time, so a list by time needs no index of its own.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Generic, TypeVar, TypeVarTuple, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute

from dashboard.core import cursors, days, ids
from dashboard.core.db import db
from dashboard.core.errors import Invalid

PAGE_ROWS = 50
FILE_ROWS = 500
"""How many rows a file reads at a time."""

WINDOW = 20_000
"""How many of the newest rows a search reads if no index answers it."""

LONGEST = 200
MARGIN = timedelta(minutes=1)
"""The largest difference allowed between a row's time and the time in its id: a row may wait for its wallet's lock."""

_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
_LATEST = datetime(9999, 12, 1, tzinfo=UTC)

T = TypeVar("T")
U = TypeVar("U")
Columns = TypeVarTuple("Columns")


class Typed(dict[str, str]):
    """The filters as a user typed them, without outer blanks and without empty ones.

    Each method returns None if nothing was typed, and raises Invalid with the field.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__({name: text for name, value in values.items() if (text := value.strip())})

    def one_of(self, field: str, allowed: Collection[str]) -> str | None:
        value = self.get(field)
        if value is not None and value not in allowed:
            raise Invalid(f"Choose one of: {', '.join(allowed)}.", field=field, code="not_a_choice")
        return value

    def text(self, field: str, *, verb: str = "Enter", most: int = LONGEST) -> str | None:
        value = self.get(field)
        if value is not None and (len(value) > most or "\x00" in value):
            raise Invalid(f"{verb} at most {most} characters.", field=field, code="wrong_length")
        return value

    def id(self, field: str, what: str = "an id") -> UUID | None:
        value = self.get(field)
        parsed = ids.parse(value) if value else None
        if value and parsed is None:
            raise Invalid(f"This is not {what}.", field=field, code="not_an_id")
        return parsed

    def times(self) -> dict[str, datetime | None]:
        """The fields of `Times`, from `from` and `to`: UTC days or RFC 3339 moments, both inclusive."""
        since, until = days.ends(self)
        return {"since": since, "until": until}


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """The time filters: `since` is inclusive, `until` exclusive."""

    since: datetime | None = None
    until: datetime | None = None

    @property
    def from_day(self) -> date | None:
        return self.since.date() if self.since else None

    @property
    def to_day(self) -> date | None:
        """The last UTC day that is at least partly inside."""
        return (self.until - timedelta(microseconds=1)).date() if self.until else None

    def moments(self, row: Any) -> list[ColumnElement[bool]]:
        """The exact time as conditions on the entity `row`."""
        conditions = [] if self.since is None else [row.created_at >= self.since]
        return conditions if self.until is None else [*conditions, row.created_at < self.until]

    def id_range(self, row: Any) -> list[ColumnElement[bool]]:
        """The range of ids, for an index, that contains every row of that time, with up to a minute of margin."""
        return made_between(row.id, self.since, self.until)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows, newest first. `newer_cursor` is empty for the newest page, None on it. `searched_all` is False if the
    search stopped at its window: `next_cursor` then continues, even if no row was found."""

    rows: list[T] = field(default_factory=list)
    next_cursor: str | None = None
    newer_cursor: str | None = None
    searched_all: bool = True

    def of(self, rows: list[U]) -> "Page[U]":
        """The same page with other items for its rows."""
        return cast("Page[U]", replace(self, rows=cast("list[T]", rows)))


def page(
    query: Select[T], by: InstrumentedAttribute[UUID], cursor: str | None, *scope: Any, limit: int = PAGE_ROWS
) -> Page[T]:
    """One page of the entities of `query` by their id `by`; `scope` names the list and its filters (see `cursors`).

    Raises Invalid for a malformed cursor.
    """
    rows = db.session.scalars(older(query, by, cursor, *scope, limit=limit)).all()
    return cut(rows, lambda row: getattr(row, by.key), cursor, *scope, limit=limit)


def older(
    query: "Select[*Columns]",
    by: InstrumentedAttribute[UUID],
    cursor: str | None,
    *scope: Any,
    limit: int = PAGE_ROWS,
) -> "Select[*Columns]":
    """The rows of a page and one more, from which `cut` knows whether there are more. Raises Invalid."""
    after = cursors.decode_id(cursor, *scope)
    query = query.order_by(None).order_by(by.desc()).limit(limit + 1)
    return query if after is None else query.where(by < after)


def cut(
    sequence: Sequence[T], id_of: Callable[[T], UUID], cursor: str | None, *scope: Any, limit: int = PAGE_ROWS
) -> Page[T]:
    """The page at `cursor`, from the rows that `older` returned."""
    rows, more = list(sequence[:limit]), len(sequence) > limit
    return Page(
        rows,
        next_cursor=cursors.encode(id_of(rows[-1]).bytes, *scope) if more else None,
        newer_cursor="" if cursor else None,
    )


def every(page_at: Callable[[str | None], Page[T]]) -> Iterator[list[T]]:
    """The rows of all pages, read page by page as they are consumed."""
    cursor, more = None, True
    while more:
        result = page_at(cursor)
        yield result.rows
        cursor = result.next_cursor
        more = cursor is not None


def made_between(
    row_id: InstrumentedAttribute[UUID], since: datetime | None, until: datetime | None
) -> list[ColumnElement[bool]]:
    """The range of ids that contains every row created from `since` to before `until`, with up to a minute of
    margin."""
    lowest, highest = id_ends(since, until)
    conditions = [] if lowest is None else [row_id >= lowest]
    return conditions if highest is None else [*conditions, row_id < highest]


def id_ends(since: datetime | None, until: datetime | None) -> tuple[UUID | None, UUID | None]:
    """Where that range begins (inclusive) and ends (exclusive)."""
    lowest = ids.lowest(max(since, _EARLIEST) - MARGIN) if since else None
    return lowest, ids.lowest(min(until, _LATEST) + MARGIN) if until else None


def newest(row_id: InstrumentedAttribute[UUID], *where: ColumnElement[bool], most: int = WINDOW) -> ColumnElement[bool]:
    """Condition: the row is one of the newest `most` of those that match `where`."""
    edge = select(row_id).where(*where).order_by(row_id.desc()).offset(most).limit(1).scalar_subquery()
    lowest: Any = UUID(int=0)
    return row_id > func.coalesce(edge, lowest)  # no OR, which could not use a range of the index
