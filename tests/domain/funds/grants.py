"""A slow and simple book of slices to compare with: every row is passed one by one, nothing is kept in between."""

from collections import Counter, defaultdict
from uuid import UUID

from sqlalchemy import select

from dashboard.core.db import db
from dashboard.domain.funds import expiry
from dashboard.models import CreditGrant, GrantBurn, Transaction, Wallet

Paid = dict[int, dict[UUID, int]]
"""Row -> slice -> what it paid of that row."""


def naive(wallet: Wallet, upto: int) -> tuple[dict[UUID, int], Paid]:
    """What is left of each slice opened up to row `upto`, and who paid which row."""
    db.session.expire_all()
    grants = sorted(db.session.scalars(select(CreditGrant).filter_by(wallet_id=wallet.id)), key=turn)
    order = [grant.id for grant in grants]
    opened: dict[UUID, dict[UUID, int]] = defaultdict(dict)
    for grant in grants:
        opened[grant.transaction_id][grant.id] = grant.amount
    left: dict[UUID, int] = {}
    paid: Paid = defaultdict(lambda: defaultdict(int))
    debt = 0
    rows = db.session.scalars(select(Transaction).filter_by(wallet_id=wallet.id).order_by(Transaction.seq))
    for row in rows.all()[:upto]:
        owed, first = -row.amount, []
        if row.amount > 0:
            left |= opened[row.id]
            owed, debt = debt, 0
        elif row.origin == "expiry":
            first = [expiry.grant_of(row.key)]
        elif row.grant_id:
            first = [row.grant_id]
        for grant_id in (first or order) if owed else ():
            if grant_id not in left:
                continue
            part = min(left[grant_id], owed)
            if part:
                paid[row.seq][grant_id] += part
            left[grant_id] -= part
            owed -= part
        debt += owed
    return left, paid


def turn(grant: CreditGrant) -> tuple[object, ...]:
    far = grant.expires_at is None, grant.expires_at
    return grant.kind == "paid", grant.priority, far[0], far[1] or 0, grant.opened_seq, grant.id


def assert_settled(wallet: Wallet) -> None:
    """The book in the database is the naive one, up to where it is settled."""
    db.session.refresh(wallet)
    left, paid = naive(wallet, wallet.settled_seq)
    whole = Counter[UUID]()
    for parts in paid.values():
        whole.update(parts)
    burns_of: dict[UUID, list[GrantBurn]] = defaultdict(list)
    for burn in db.session.scalars(select(GrantBurn).filter_by(wallet_id=wallet.id)):
        burns_of[burn.grant_id].append(burn)
    for grant in db.session.scalars(select(CreditGrant).filter_by(wallet_id=wallet.id)).all():
        assert grant.remaining == left.get(grant.id, grant.amount)
        burns = burns_of[grant.id]
        for burn in burns:
            assert burn.amount == sum(
                paid[seq][grant.id] for seq in range(burn.seq_from, burn.seq_to + 1) if seq in paid
            )
            assert paid[burn.seq_from][grant.id] > 0 < paid[burn.seq_to][grant.id]
        assert sum(burn.amount for burn in burns) == whole[grant.id]
