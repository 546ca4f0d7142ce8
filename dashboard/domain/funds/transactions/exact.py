"""Transactions looked up by what names only a few: an idempotency key or a payment. Each lookup has an index."""

from uuid import UUID

from sqlalchemy import select

from dashboard.core import lists
from dashboard.domain.funds.transactions.filters import TransactionFilters
from dashboard.models import Transaction


def page(
    org_id: UUID,
    mode: str,
    filters: TransactionFilters,
    cursor: str | None = None,
    limit: int = lists.PAGE_ROWS,
    *,
    wallet_id: UUID | None = None,
) -> lists.Page[Transaction]:
    """One page of an organization's rows with the filters' idempotency key or payment, newest first, as the other
    filters allow. Raises Invalid for a malformed cursor."""
    wanted = filters.with_keys(org_id)
    query = select(Transaction).filter_by(org_id=org_id, mode=mode)
    query = query.where(*wanted.conditions(Transaction), *wanted.moments(Transaction))
    if wallet_id:
        query = query.filter_by(wallet_id=wallet_id)
    return lists.page(query, Transaction.id, cursor, "exact", org_id, mode, filters, wallet_id, limit=limit)
