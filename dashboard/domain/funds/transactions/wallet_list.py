"""The list of one wallet's transactions, by seq.

Within a wallet, seq has no gaps and follows time, and `wallet_days` counts the rows of each UTC day. Days therefore
become ranges of seq without an index on time, and days without a row of the wanted type or app are never read.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, ColumnElement, asc, cast, desc, func, select, true
from sqlalchemy.orm import aliased

from dashboard.core import cursors, lists
from dashboard.core.db import db
from dashboard.core.errors import Invalid
from dashboard.domain.funds.transactions import search
from dashboard.domain.funds.transactions.filters import TransactionFilters
from dashboard.models import OTHER_APPS, Transaction, Wallet, WalletDay

MOST_ROWS = 100

_POSITION = struct.Struct(">cq")
_OLDER, _NEWER = b"<", b">"
_HIGHEST = 2**63 - 1

Span = tuple[int, int]
"""A range of seq, both ends inclusive."""


@dataclass(frozen=True, slots=True)
class _Look:
    rows: list[Transaction]
    stopped_at: int | None
    """The last seq that was searched if more remain; None at the end."""


def page(
    wallet: Wallet,
    filters: TransactionFilters | None = None,
    cursor: str | None = None,
    limit: int = lists.PAGE_ROWS,
    *,
    window: int = lists.WINDOW,
) -> lists.Page[Transaction]:
    """One page of the wallet's transactions. A page of newer rows that reaches the newest row is the complete newest
    page.

    The cost does not depend on the number of rows: it reads by seq, and at most `window` rows if a filter has no index.
    `limit` 1..500. Raises Invalid for a malformed cursor.
    """
    filters = filters or TransactionFilters()
    limit = max(1, min(limit, lists.FILE_ROWS))
    scope = ("wallet", wallet.id, filters)
    direction, seq = _position(cursors.decode(cursor, *scope))
    filters, spans = _searched(wallet, filters)
    if direction == _NEWER and seq is not None:
        look = _look(wallet, filters, _above(spans, seq), limit + 1, window, newest_first=False)
        if len(look.rows) > limit or look.stopped_at is not None:
            rows = look.rows[:limit][::-1]
            top = rows[0].seq if len(look.rows) > limit else look.stopped_at
            bottom = rows[-1].seq if rows else seq + 1
            return lists.Page(
                rows,
                next_cursor=cursors.encode(_POSITION.pack(_OLDER, bottom), *scope),
                newer_cursor=cursors.encode(_POSITION.pack(_NEWER, top), *scope),
                searched_all=len(look.rows) > limit,
            )
        seq = None
    look = _look(wallet, filters, _below(spans, seq), limit + 1, window, newest_first=True)
    rows = look.rows[:limit]
    more = rows[-1].seq if len(look.rows) > limit else look.stopped_at
    newest = seq is None or not spans or seq > spans[0][1]
    above = rows[0].seq if rows else (seq or 0) - 1
    return lists.Page(
        rows,
        next_cursor=None if more is None else cursors.encode(_POSITION.pack(_OLDER, more), *scope),
        newer_cursor=None if newest else cursors.encode(_POSITION.pack(_NEWER, above), *scope),
        searched_all=len(look.rows) > limit or look.stopped_at is None,
    )


def oldest_first(
    wallet: Wallet,
    filters: TransactionFilters | None = None,
    cursor: str | None = None,
    limit: int = lists.PAGE_ROWS,
    *,
    after_seq: int = 0,
    window: int = lists.WINDOW,
) -> lists.Page[Transaction]:
    """One page of the wallet's transactions above `after_seq`, by rising seq, at the cost of `page`.

    A program that continues after the highest seq it has seen misses no row: seq has no gaps and follows the commits.
    """
    filters = filters or TransactionFilters()
    limit = max(1, min(limit, MOST_ROWS))
    scope = ("wallet, oldest first", wallet.id, filters, after_seq)
    direction, seq = _position(cursors.decode(cursor, *scope))
    filters, spans = _searched(wallet, filters)
    spans = _above(spans, max(after_seq, (seq or 0) if direction == _NEWER else 0))
    look = _look(wallet, filters, spans, limit + 1, window, newest_first=False)
    rows = look.rows[:limit]
    more = rows[-1].seq if len(look.rows) > limit else look.stopped_at
    return lists.Page(
        rows,
        next_cursor=None if more is None else cursors.encode(_POSITION.pack(_NEWER, more), *scope),
        searched_all=len(look.rows) > limit or look.stopped_at is None,
    )


def _position(rows: bytes | None) -> tuple[bytes, int | None]:
    if rows is None:
        return _OLDER, None
    if len(rows) != _POSITION.size or rows[:1] not in (_OLDER, _NEWER):
        raise Invalid("This is not a cursor of this list.", field="cursor")
    direction, seq = _POSITION.unpack(rows)
    return direction, seq


def _searched(wallet: Wallet, filters: TransactionFilters) -> tuple[TransactionFilters, list[Span]]:
    """The filters without what an index answered, and where matching rows can be, newest first."""
    spans = _spans(wallet, filters)
    seqs = search.exact(wallet, filters.q) if filters.q else None
    if seqs is None:
        return filters.with_keys(wallet.org_id), spans
    return replace(filters, q=None), [(seq, seq) for seq in seqs if any(low <= seq <= high for low, high in spans)]


def _spans(wallet: Wallet, filters: TransactionFilters) -> list[Span]:
    """Where matching rows can be, newest first: the days inside the range that can have a row of the wanted type and
    app."""
    if filters == TransactionFilters():
        return [(1, _HIGHEST)]
    top = select(Wallet.seq).filter_by(org_id=wallet.org_id, id=wallet.id).scalar_subquery()
    if not (filters.since or filters.until or filters.type or filters.app is not None):
        seq = db.session.scalar(select(top)) or 0
        return [(1, seq)] if seq else []
    wanted = [WalletDay.type == filters.type] if filters.type else []
    if filters.app is not None:
        wanted.append(WalletDay.app.in_((filters.app, OTHER_APPS)))
    hits = func.sum(WalletDay.count).filter(*wanted) if wanted else func.sum(WalletDay.count)
    # Counted down from the newest row, so that the days before the range are not read. One statement, one snapshot.
    days = db.session.execute(
        select(WalletDay.day, func.sum(WalletDay.count), hits, top)
        .where(WalletDay.org_id == wallet.org_id, WalletDay.wallet_id == wallet.id)
        .where(WalletDay.day >= (filters.from_day or date.min))
        .group_by(WalletDay.day)
        .order_by(WalletDay.day.desc())
    )
    last = filters.to_day or date.max
    spans: list[Span] = []
    above: int | None = None
    for day, count, result, newest in days:
        high = newest if above is None else above - 1
        above = high - int(count) + 1
        if day > last or not result:
            continue
        if spans and spans[-1][0] == high + 1:
            high = spans.pop()[1]
        spans.append((above, high))
    return spans


def _below(spans: Sequence[Span], seq: int | None) -> list[Span]:
    if seq is None:
        return list(spans)
    return [(low, min(high, seq - 1)) for low, high in spans if low < seq]


def _above(spans: Sequence[Span], seq: int | None) -> list[Span]:
    after = seq or 0
    return [(max(low, after + 1), high) for low, high in reversed(spans) if high > after]


def _first(most: int, spans: list[Span], *, newest_first: bool) -> tuple[list[Span], int | None]:
    """The first `most` rows of `spans`, and the last seq among them if there are more."""
    left, inside = most, []
    for index, (low, high) in enumerate(spans):
        if high - low + 1 <= left:
            inside.append((low, high))
            left -= high - low + 1
            if not left and index + 1 < len(spans):
                return inside, low if newest_first else high
            continue
        if left:
            cut = (high - left + 1, high) if newest_first else (low, low + left - 1)
            inside.append(cut)
        end = inside[-1]
        return inside, end[0] if newest_first else end[1]
    return inside, None


def _first_of_user(
    wallet: Wallet, user_id: UUID, most: int, spans: list[Span], *, newest_first: bool
) -> tuple[list[Span], int | None]:
    """As `_first`, counting only the user's rows, which have an index."""
    low, high = min(low for low, _ in spans), max(high for _, high in spans)
    beyond = db.session.scalar(
        select(Transaction.seq)
        .filter_by(org_id=wallet.org_id, wallet_id=wallet.id, member_id=user_id)
        .where(Transaction.seq.between(low, high))
        .order_by(desc(Transaction.seq) if newest_first else asc(Transaction.seq))
        .offset(most)
        .limit(1)
    )
    if beyond is None:
        return spans, None
    if newest_first:
        return [(max(low, beyond + 1), high) for low, high in spans if high > beyond], beyond + 1
    return [(low, min(high, beyond - 1)) for low, high in spans if low < beyond], beyond - 1


def _look(
    wallet: Wallet, filters: TransactionFilters, spans: list[Span], limit: int, window: int, *, newest_first: bool
) -> _Look:
    if not spans:
        return _Look([], None)
    conditions = filters.conditions(Transaction)
    if not filters.whole_days:
        conditions += filters.moments(Transaction)
    stopped_at = None
    if filters.user_id and not filters.only_by_user:
        spans, stopped_at = _first_of_user(wallet, filters.user_id, window, spans, newest_first=newest_first)
    elif conditions and not filters.user_id:
        spans, stopped_at = _first(window, spans, newest_first=newest_first)
    if not spans:
        return _Look([], stopped_at)
    order = desc if newest_first else asc
    lows, highs = zip(*spans, strict=True)
    span = func.unnest(_bigints(lows), _bigints(highs)).table_valued("low", "high").render_derived(name="span")
    inside = (
        select(Transaction)
        .where(Transaction.org_id == wallet.org_id, Transaction.wallet_id == wallet.id, *conditions)
        .where(Transaction.seq.between(span.c.low, span.c.high))
        .order_by(order(Transaction.seq))
        .limit(limit)
        .lateral()
    )
    row = aliased(Transaction, inside)
    query = select(row).select_from(span).join(inside, true()).order_by(order(row.seq)).limit(limit)
    return _Look(list(db.session.scalars(query)), stopped_at)


def _bigints(numbers: Sequence[int]) -> ColumnElement[Any]:
    return cast(list(numbers), ARRAY(BigInteger))
