"""Ranges of ids as conditions: ids are made in order of time, so that a list by time needs no index of its own."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute

from dashboard.core import ids

WINDOW = 20_000
"""How many of the newest rows a search for words reads: words have no index."""

MARGIN = timedelta(minutes=1)
"""How far a row's time may be from the time in its id, at the very most."""

_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
_LATEST = datetime(9999, 12, 1, tzinfo=UTC)


def made_between(
    row_id: InstrumentedAttribute[UUID], since: datetime | None, until: datetime | None
) -> list[ColumnElement[bool]]:
    """The range of ids that holds every row made from `since` to before `until`, and up to a minute's more."""
    found: list[ColumnElement[bool]] = []
    if since:
        found.append(row_id >= ids.lowest(max(since, _EARLIEST) - MARGIN))
    if until:
        found.append(row_id < ids.lowest(min(until, _LATEST) + MARGIN))
    return found


def newest(row_id: InstrumentedAttribute[UUID], *where: ColumnElement[bool], most: int = WINDOW) -> ColumnElement[bool]:
    """That the row is one of the newest `most` of those that `where` names."""
    edge = select(row_id).where(*where).order_by(row_id.desc()).offset(most).limit(1).scalar_subquery()
    lowest: Any = UUID(int=0)
    return row_id > func.coalesce(edge, lowest)  # no OR: it would not be a range of the index
