"""Lists across wallets and organizations, by id, for programs. A late commit can appear below a cursor; a client that
needs every row must follow one wallet by seq."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, func, select, true
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import aliased

from dashboard.core import cursors, lists
from dashboard.core.db import db
from dashboard.core.errors import NotFound
from dashboard.domain.funds.transactions.filters import TransactionFilters
from dashboard.domain.funds.transactions.wallet_list import MOST_ROWS
from dashboard.models import Transaction, Wallet

Hit = tuple[UUID, UUID]
"""A transaction's id and its organization."""

_HIGHEST = UUID(int=2**128 - 1)
_LOWEST = UUID(int=0)


def of_organizations(
    org_id: UUID,
    mode: str,
    filters: TransactionFilters | None = None,
    cursor: str | None = None,
    limit: int = lists.PAGE_ROWS,
    *,
    window: int = lists.WINDOW,
) -> lists.Page[Transaction]:
    """One page of an organization's transactions in a mode, newest id first. No `newer_cursor`. Windows as in
    `page`."""
    return _page(
        [org_id], mode, filters or TransactionFilters(), cursor, limit, window, scope=("of_organizations", org_id, mode)
    )


def of_all_organizations(
    mode: str,
    filters: TransactionFilters | None = None,
    cursor: str | None = None,
    limit: int = lists.PAGE_ROWS,
    *,
    org_id: UUID | None = None,
    window: int = lists.WINDOW,
) -> lists.Page[Transaction]:
    """Like `of_organizations`, over all organizations, for the platform; `org_id` limits it to one.

    Reads one row of each organization and otherwise at most the window's rows, so that a filter that rarely matches
    continues in small steps.
    """
    if org_id is not None:
        return of_organizations(org_id, mode, filters, cursor, limit, window=window)
    orgs = db.session.scalars(select(Wallet.org_id).where(Wallet.mode == mode, Wallet.seq > 0)).all()
    return _page(
        sorted(set(orgs)),
        mode,
        filters or TransactionFilters(),
        cursor,
        limit,
        window,
        scope=("of_all_organizations", mode),
    )


def anywhere(transaction_id: UUID, *, mode: str) -> Transaction:
    """The transaction of any organization, for the platform: one look into an index for each. Raises NotFound."""
    orgs = select(Wallet.org_id).where(Wallet.mode == mode, Wallet.seq > 0)
    hits = [(transaction_id, org_id) for org_id in db.session.scalars(orgs.distinct())]
    for row in _load(hits):
        return row
    raise NotFound("There is no such transaction.")


def _page(
    orgs: Sequence[UUID],
    mode: str,
    filters: TransactionFilters,
    cursor: str | None,
    limit: int,
    window: int,
    *,
    scope: tuple[Any, ...],
) -> lists.Page[Transaction]:
    limit = max(1, min(limit, MOST_ROWS))
    scope = (*scope, filters)
    filters = filters.with_keys(orgs[0]) if len(orgs) == 1 else filters
    after, newest = lists.id_ends(filters.since, filters.until)
    before = cursors.decode_id(cursor, *scope) or newest or _HIGHEST
    hits, horizon = _merge(orgs, mode, filters, (before, after or _LOWEST), limit, window)
    rows = _load(hits[: limit + 1])
    more = rows[limit - 1].id if len(rows) > limit else horizon
    return lists.Page(
        rows[:limit],
        next_cursor=None if more is None else cursors.encode(more.bytes, *scope),
        searched_all=len(rows) > limit or horizon is None,
    )


def _merge(
    orgs: Sequence[UUID], mode: str, filters: TransactionFilters, ends: tuple[UUID, UUID], limit: int, window: int
) -> tuple[list[Hit], UUID | None]:
    """The matches needed for a page, newest first, and the horizon: the id down to which they are complete; None at the
    end.

    In each organization, reading stops somewhere. The horizon is the newest of these ids, so only the organizations
    closest to it are read further, until the page is full or the window is used up.
    """
    before, after = ends
    stopped: dict[UUID, UUID] = {}
    hits: list[Hit] = []
    wanted = dict.fromkeys(orgs, before)
    depth, left = min(max(window // 4 // max(len(orgs), 1), 1), limit * 4), window + len(orgs)
    while wanted:
        looks = _look(wanted, mode, filters, after, depth)
        stopped = {org_id: last for org_id, last in stopped.items() if org_id not in wanted}
        stopped |= {look.org_id: look.last for look in looks if look.read == depth}
        hits += [(row_id, look.org_id) for look in looks for row_id in look.hits or ()]
        left -= sum(look.read for look in looks)
        horizon = max(stopped.values(), default=_LOWEST)
        if left <= 0 or sum(row_id >= horizon for row_id, _ in hits) > limit:
            break
        nearest = sorted(stopped, key=stopped.__getitem__, reverse=True)[: max(left // 2 // limit, 1)]
        wanted = {org_id: stopped[org_id] for org_id in nearest}
        depth = max((left if len(wanted) == len(stopped) else left // 2) // max(len(wanted), 1), 1)
    horizon = max(stopped.values(), default=_LOWEST)
    complete = sorted((hit for hit in hits if hit[0] >= horizon), reverse=True)
    return complete, horizon if stopped else None


def _look(
    befores: dict[UUID, UUID], mode: str, filters: TransactionFilters, after: UUID, depth: int
) -> Sequence[Row[Any]]:
    """For each organization, its newest `depth` rows below its id in `befores`: how many there are (`read`), the oldest
    id (`last`), and the ids of the matching ones (`hits`, None if there are none)."""
    start = func.unnest(list(befores), list(befores.values())).table_valued("org_id", "before")
    start = start.render_derived(name="start")
    near = (
        select(Transaction)
        .where(Transaction.org_id == start.c.org_id, Transaction.id < start.c.before, Transaction.id >= after)
        .order_by(Transaction.id.desc())
        .limit(depth)
        .lateral()
    )
    row = aliased(Transaction, near)
    wanted = and_(row.mode == mode, *filters.conditions(row), *filters.moments(row))
    ids_ = func.array_agg(aggregate_order_by(row.id, row.id))  # PostgreSQL 15 has no min(uuid)
    query = select(
        row.org_id,
        func.count().label("read"),
        ids_[1].label("last"),
        func.array_agg(row.id).filter(wanted).label("hits"),
    )
    return db.session.execute(query.select_from(start).join(near, true()).group_by(row.org_id)).all()


def _load(hits: Sequence[Hit]) -> list[Transaction]:
    """Load the rows in their order. Each is looked up in the order of its index: with a list of pairs, statistics that
    were taken while the ledger was nearly empty would lead to reading all of it."""
    if not hits:
        return []
    org_ids, row_ids = [org_id for _, org_id in hits], [row_id for row_id, _ in hits]
    hit = func.unnest(org_ids, row_ids).table_valued("org_id", "id").render_derived(name="hit")
    one = (
        select(Transaction)
        .where(Transaction.org_id == hit.c.org_id, Transaction.id.between(hit.c.id, hit.c.id))
        .order_by(Transaction.org_id, Transaction.id)
        .limit(1)
        .lateral()
    )
    row = aliased(Transaction, one)
    return list(db.session.scalars(select(row).select_from(hit).join(one, true()).order_by(row.id.desc())))
