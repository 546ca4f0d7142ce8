"""Keyset pagination by id. Ids are ordered by time, so that a list by time needs no index of its own."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute

from dashboard.core import ids

WINDOW = 20_000
"""How many of the newest rows a text search reads, because text has no index."""

MARGIN = timedelta(minutes=1)
"""The largest difference allowed between a row's time and the time in its id."""

_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
_LATEST = datetime(9999, 12, 1, tzinfo=UTC)


def made_between(
    row_id: InstrumentedAttribute[UUID], since: datetime | None, until: datetime | None
) -> list[ColumnElement[bool]]:
    """The range of ids that contains every row created from `since` to before `until`, with up to a minute of
    margin."""
    found: list[ColumnElement[bool]] = []
    if since:
        found.append(row_id >= ids.lowest(max(since, _EARLIEST) - MARGIN))
    if until:
        found.append(row_id < ids.lowest(min(until, _LATEST) + MARGIN))
    return found


def newest(row_id: InstrumentedAttribute[UUID], *where: ColumnElement[bool], most: int = WINDOW) -> ColumnElement[bool]:
    """The row is one of the newest `most` of those that match `where`."""
    edge = select(row_id).where(*where).order_by(row_id.desc()).offset(most).limit(1).scalar_subquery()
    lowest: Any = UUID(int=0)
    return row_id > func.coalesce(edge, lowest)  # no OR, which could not use a range of the index
