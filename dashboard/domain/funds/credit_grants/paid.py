"""What a credit grant paid for, as ranges of its wallet's rows."""

from contextlib import nullcontext
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from dashboard.core import lists
from dashboard.core.db import db, in_transaction, transaction
from dashboard.core.lists import Page
from dashboard.domain.funds.credit_grants import CurrentGrant, settlement
from dashboard.models import GrantBurn, Transaction, Wallet


@dataclass(frozen=True, slots=True)
class PaidRange:
    """What the grant paid of the debits from `first` to `last`, in the wallet's smallest unit. Other grants may have
    paid the rest of the two."""

    first: Transaction
    last: Transaction
    amount: int

    @property
    def rows(self) -> int:
        """The number of rows in the range, including credits between the debits."""
        return self.last.seq - self.first.seq + 1


def page(wallet: Wallet, current: CurrentGrant, cursor: str | None = None) -> Page[PaidRange]:
    """The ranges that the grant paid, newest first; those that are not settled yet are on the first page. Raises
    Invalid for a malformed cursor."""
    query = select(GrantBurn).filter_by(org_id=wallet.org_id, grant_id=current.grant.id)
    result = lists.page(query, GrantBurn.id, cursor, "paid by", current.grant.id)
    ranges = [] if cursor else _unsettled(wallet, current.grant.id)
    ranges += [(burn.seq_from, burn.seq_to, burn.amount) for burn in result.rows]
    rows = _rows(wallet, {seq for first, last, _ in ranges for seq in (first, last)})
    return result.of([PaidRange(rows[first], rows[last], amount) for first, last, amount in ranges])


def _unsettled(wallet: Wallet, grant_id: UUID) -> list[tuple[int, int, int]]:
    with nullcontext() if in_transaction() else transaction(org=wallet.org_id):
        allocations = settlement.ahead(wallet.org_id, wallet.id).allocations
    own = [part for part in allocations if part.grant.id == grant_id]
    return [(part.seq_from, part.seq_to, part.amount) for part in reversed(own)]


def _rows(wallet: Wallet, seqs: set[int]) -> dict[int, Transaction]:
    query = select(Transaction).filter_by(org_id=wallet.org_id, wallet_id=wallet.id).where(Transaction.seq.in_(seqs))
    return {row.seq: row for row in db.session.scalars(query)} if seqs else {}
