"""Which credit grants paid for a debit. Only reads: rows that are not settled yet are worked out in memory."""

from contextlib import nullcontext
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select

from dashboard.core.db import db, in_transaction, transaction
from dashboard.domain.funds.credit_grants import settlement
from dashboard.models import CreditGrant, GrantBurn, Transaction, Wallet

MOST_CREDITS = 100
"""Up to so many credits after the settled rows, what they paid is worked out."""


@dataclass(frozen=True, slots=True)
class UsedGrant:
    """A credit grant that paid for a debit; `amount` is None if only the sum of several is known."""

    grant: CreditGrant
    amount: int | None


def used_by(row: Transaction) -> list[UsedGrant]:
    """The grants that paid for the debit, in the order in which they did; empty for a credit, or if that is not known.

    The cost depends on the number of credits. Runs in the open transaction or in its own, as `open_grants_of` does.
    """
    if row.amount > 0:
        return []
    debt = max(0, -row.balance_after) - max(0, -row.balance_before)
    with nullcontext(db.session()) if in_transaction() else transaction():
        paid = _paid(row)
    exact = {number: amount for number, (_, whole, amount) in enumerate(paid) if whole}
    left = -row.amount - debt - sum(exact.values())
    amounts = [exact.get(number, left if len(paid) - len(exact) == 1 else None) for number in range(len(paid))]
    query = select(CreditGrant).where(CreditGrant.org_id == row.org_id, CreditGrant.id.in_([one[0] for one in paid]))
    grants = {grant.id: grant for grant in db.session.scalars(query)} if paid else {}
    return [UsedGrant(grants[one[0]], amount) for one, amount in zip(paid, amounts, strict=True)]


def _paid(row: Transaction) -> list[tuple[UUID, bool, int]]:
    """Grant, whether its range is only this row, and what it paid over its range."""
    wallet = db.session.get_one(Wallet, (row.org_id, row.wallet_id))
    if row.seq <= wallet.settled_seq:
        query = (
            select(GrantBurn)
            .filter_by(org_id=row.org_id, wallet_id=row.wallet_id)
            .where(GrantBurn.seq_from <= row.seq, GrantBurn.seq_to >= row.seq)
            .order_by(GrantBurn.seq_from, GrantBurn.seq_to, GrantBurn.id)
        )
        return [(one.grant_id, one.seq_from == one.seq_to, one.amount) for one in db.session.scalars(query)]
    later = select(CreditGrant.id).filter_by(org_id=row.org_id, wallet_id=row.wallet_id)
    later = later.where(CreditGrant.opened_seq > wallet.settled_seq, CreditGrant.remaining > 0).limit(MOST_CREDITS + 1)
    if (db.session.scalar(select(func.count()).select_from(later.subquery())) or 0) > MOST_CREDITS:
        return []
    ahead = settlement.ahead(row.org_id, row.wallet_id)
    found = [one for one in ahead.allocations if one.seq_from <= row.seq <= one.seq_to]
    return [(one.grant.id, one.seq_from == one.seq_to, one.amount) for one in found]
