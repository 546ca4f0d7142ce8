"""The list of usage events by when they happened, newest first.

The counters tell on which days, or in which hours, a filter can match, so that only these are read, and never more than
a window of them at once.
"""

import struct
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.orm import aliased

from dashboard.core import cursors, days, lists
from dashboard.core.db import db
from dashboard.core.errors import Invalid
from dashboard.domain.usage.reading.filters import UsageFilters
from dashboard.models import OTHER_APPS, UsageCounter, UsageEvent, Wallet

_POSITION = struct.Struct(">q16s")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOWEST = UUID(int=0)
_MICROSECOND = timedelta(microseconds=1)

Position = tuple[datetime, UUID]
"""When an event happened, and its id: what the list is sorted by."""


class _Span(NamedTuple):
    """A time, its end not included, with how many events of any kind it has."""

    since: datetime
    until: datetime
    events: int


def page(
    wallet: Wallet,
    filters: UsageFilters,
    cursor: str | None = None,
    limit: int = lists.PAGE_ROWS,
    *,
    window: int = lists.WINDOW,
) -> lists.Page[UsageEvent]:
    """One page of the wallet's events, read from at most `window` of them. Raises Invalid for a malformed cursor."""
    scope = ("usage events", wallet.id, filters)
    before = _position(cursors.decode(cursor, *scope))
    if filters.metric or filters.app or filters.key_id:
        rows, more = _searched(wallet, filters, before, limit, window)
    else:
        rows, more = list(db.session.scalars(_newest(wallet, filters, before, limit + 1))), None
    if len(rows) > limit:
        more = (rows[limit - 1].occurred_at, rows[limit - 1].id)
    return lists.Page(
        rows[:limit],
        next_cursor=cursors.encode(_packed(more), *scope) if more else None,
        newer_cursor="" if cursor else None,
        searched_all=len(rows) > limit or more is None,
    )


def _searched(
    wallet: Wallet, filters: UsageFilters, before: Position | None, limit: int, window: int
) -> tuple[list[UsageEvent], Position | None]:
    """The matching events, up to one more than `limit`, and where the search stopped if it did before the end."""
    most, rows = limit + 2, list[UsageEvent]()
    spans = _spans(wallet, filters, before, most)
    for span in _merged(spans):
        if window <= 0:
            return rows, (span.until, _LOWEST)
        near = _newest(wallet, filters, before, window, span).subquery()
        row = aliased(UsageEvent, near)
        query = select(row).where(*filters.others(row)).order_by(row.occurred_at.desc(), row.id.desc())
        rows += db.session.scalars(query.limit(limit + 1 - len(rows)))
        if len(rows) > limit:
            return rows, None
        if span.events > window:
            edge = db.session.execute(
                _newest(wallet, filters, before, 1, span)
                .with_only_columns(UsageEvent.occurred_at, UsageEvent.id)
                .offset(window - 1)
            ).first()
            if edge:
                return rows, (edge[0], edge[1])
        window -= span.events
    return rows, (spans[-1].since, _LOWEST) if len(spans) == most else None


def _newest(
    wallet: Wallet, filters: UsageFilters, before: Position | None, most: int, span: _Span | None = None
) -> Select[Any]:
    """The newest events by the conditions that have an index."""
    query = select(UsageEvent).filter_by(org_id=wallet.org_id, wallet_id=wallet.id).where(*filters.indexed(UsageEvent))
    if span:
        query = query.where(UsageEvent.occurred_at >= span.since, UsageEvent.occurred_at < span.until)
    if before:
        query = query.where(tuple_(UsageEvent.occurred_at, UsageEvent.id) < before)
    return query.order_by(UsageEvent.occurred_at.desc(), UsageEvent.id.desc()).limit(most)


def _spans(wallet: Wallet, filters: UsageFilters, before: Position | None, most: int) -> list[_Span]:
    """The newest days that can have a matching event, or the hours if only a metric is asked for."""
    last = filters.until - _MICROSECOND
    if filters.until - filters.since <= timedelta(hours=1):
        return [_Span(filters.since, filters.until, most)]
    if before:
        last = min(last, before[0] if before[1] > _LOWEST else before[0] - _MICROSECOND)
    row, own = UsageCounter, (UsageCounter.org_id == wallet.org_id, UsageCounter.wallet_id == wallet.id)
    inside = row.day.between(filters.first, last.date())
    if not filters.narrowed:
        hits = func.sum(row.events).filter(row.metric_key == filters.metric)
        query = (
            select(row.day, row.value, func.sum(row.events))
            .where(*own, row.dimension == "hour", inside, tuple_(row.day, row.value) <= (last.date(), f"{last:%H}"))
            .group_by(row.day, row.value)
            .having(hits > 0)
            .order_by(row.day.desc(), row.value.desc())
        )
        hours = db.session.execute(query.limit(most)).all()
        return [_Span(at := _hour(day, hour), at + timedelta(hours=1), int(many)) for day, hour, many in hours]
    wanted = select(row.day).where(*own, *_wanted(filters), inside).group_by(row.day).having(func.sum(row.events) > 0)
    near = wanted.order_by(row.day.desc()).limit(most).subquery()
    sums = select(row.day, func.sum(row.events)).where(*own, row.dimension == "all", row.day.in_(select(near.c.day)))
    found = db.session.execute(sums.group_by(row.day).order_by(row.day.desc()))
    return [_Span(days.begin(day), days.after(day), int(many)) for day, many in found]


def _wanted(filters: UsageFilters) -> list[ColumnElement[bool]]:
    """One of the dimensions by which the usage is narrowed down; each finds all days that can match."""
    dimension, value = next(iter(filters.narrowed.items()))
    values = [value, OTHER_APPS] if dimension == "app" else [value]
    conditions = [UsageCounter.dimension == dimension, UsageCounter.value.in_(values)]
    return [*conditions, UsageCounter.metric_key == filters.metric] if filters.metric else conditions


def _merged(spans: Sequence[_Span]) -> list[_Span]:
    """Spans that touch as one, newest first."""
    merged: list[_Span] = []
    for span in spans:
        if merged and merged[-1].since == span.until:
            newer = merged.pop()
            span = _Span(span.since, newer.until, span.events + newer.events)
        merged.append(span)
    return merged


def _hour(day: date, hour: str) -> datetime:
    return datetime.combine(day, time(int(hour)), UTC)


def _packed(position: Position) -> bytes:
    return _POSITION.pack((position[0] - _EPOCH) // _MICROSECOND, position[1].bytes)


def _position(raw: bytes | None) -> Position | None:
    if raw is None:
        return None
    if len(raw) != _POSITION.size:
        raise Invalid("This is not a cursor of this list.", field="cursor", code="not_a_cursor")
    micros, id_ = _POSITION.unpack(raw)
    try:
        return _EPOCH + timedelta(microseconds=micros), UUID(bytes=id_)
    except OverflowError:
        raise Invalid("This is not a cursor of this list.", field="cursor", code="not_a_cursor") from None
