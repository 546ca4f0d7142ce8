"""Lists over several wallets, by id: for programs. A late commit can appear below a cursor; who needs every row
follows one wallet by seq."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, true
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import aliased

from dashboard.core import cursors, ids
from dashboard.core.db import db
from dashboard.domain.funds.transactions.filters import Filters
from dashboard.domain.funds.transactions.wallet_list import MOST_ROWS, PAGE_ROWS, WINDOW, Page
from dashboard.models import Transaction, Wallet

MARGIN = timedelta(minutes=1)
"""How far a row's time may be from the time in its id: it waits for its wallet's lock."""

_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
_LATEST = datetime(9999, 12, 1, tzinfo=UTC)
_HIGHEST = UUID(int=2**128 - 1)
_LOWEST = UUID(int=0)


def across(
    org_id: UUID,
    mode: str,
    filters: Filters | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS,
    *,
    window: int = WINDOW,
) -> Page:
    """One page of an organization's rows in a mode, newest id first. No `newer_cursor`. Windows as in `page`."""
    return _page([org_id], mode, filters or Filters(), cursor, limit, window, scope=("across", org_id, mode))


def everywhere(
    mode: str,
    filters: Filters | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS,
    *,
    org_id: UUID | None = None,
    window: int = WINDOW,
) -> Page:
    """As `across` over all organizations, for the platform; `org_id` narrows it to one.

    Reads at most the window's rows in all, so that a filter that hits rarely goes on in small steps.
    """
    if org_id is not None:
        return across(org_id, mode, filters, cursor, limit, window=window)
    orgs = db.session.scalars(select(Wallet.org_id).where(Wallet.mode == mode, Wallet.seq > 0)).all()
    return _page(sorted(set(orgs)), mode, filters or Filters(), cursor, limit, window, scope=("everywhere", mode))


def _page(
    orgs: Sequence[UUID],
    mode: str,
    filters: Filters,
    cursor: str | None,
    limit: int,
    window: int,
    *,
    scope: tuple[Any, ...],
) -> Page:
    limit = max(1, min(limit, MOST_ROWS))
    scope = (*scope, filters)
    newest = ids.lowest(min(filters.until, _LATEST) + MARGIN) if filters.until else _HIGHEST
    before = cursors.decode_id(cursor, *scope) or newest
    after = ids.lowest(max(filters.since, _EARLIEST) - MARGIN) if filters.since else _LOWEST
    if not orgs:
        return Page()
    # Mostly the newest few rows fill the page; only a filter that hits rarely needs the whole window.
    for depth in (limit * 4, max(window // len(orgs), limit * 4)):
        rows, horizon = _look(orgs, mode, filters, (before, after), depth, limit + 1)
        if len(rows) > limit or horizon is None:
            break
    more = rows[limit - 1].id if len(rows) > limit else horizon
    return Page(
        rows[:limit],
        next_cursor=None if more is None else cursors.encode(more.bytes, *scope),
        searched_all=len(rows) > limit or horizon is None,
    )


def _look(
    orgs: Sequence[UUID], mode: str, filters: Filters, ends: tuple[UUID, UUID], depth: int, most: int
) -> tuple[list[Transaction], UUID | None]:
    """The newest `most` rows, each organization read `depth` rows deep, and the horizon: the shallowest of those
    depths, above which the answer is complete; None when all was read."""
    before, after = ends
    org = func.unnest(list(orgs)).table_valued("id").render_derived(name="org")
    inside = (
        select(Transaction)
        .where(Transaction.org_id == org.c.id, Transaction.id < before, Transaction.id >= after)
        .order_by(Transaction.id.desc())
        .limit(depth)
    )
    deep = inside.with_only_columns(Transaction.id).lateral()
    rows = func.count(deep.c.id).label("rows")
    last = func.array_agg(aggregate_order_by(deep.c.id, deep.c.id))[1].label("last")  # PostgreSQL 15 has no min(uuid)
    depths = select(org.c.id, rows, last).join(deep, true()).group_by(org.c.id).subquery()
    cut: list[UUID] = list(db.session.scalars(select(depths.c.last).where(depths.c.rows >= depth)))
    horizon = max(cut, default=None)
    near = inside.lateral()
    row = aliased(Transaction, near)
    query = (
        select(row)
        .select_from(org)
        .join(near, true())
        .where(row.mode == mode, row.id >= (horizon or _LOWEST), *filters.conditions(row), *filters.moments(row))
        .order_by(row.id.desc())
        .limit(most)
    )
    return list(db.session.scalars(query)), horizon
