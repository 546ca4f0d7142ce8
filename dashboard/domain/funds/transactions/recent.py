"""The newest transactions at a glance: charges of one hour, app and actor are one line, everything else is its own."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import case, func, select

from dashboard.core.db import db
from dashboard.models import SPENDING, Transaction, Wallet

READ = 5_000
"""How many of the newest rows are read."""


@dataclass(frozen=True, slots=True)
class Hour:
    """`count` rows from `begins`, which is a full hour (UTC), with their sum. `newest` is the last of them."""

    newest: Transaction
    begins: datetime
    count: int
    amount: int

    @property
    def ends(self) -> datetime:
        """The last microsecond."""
        return self.begins + timedelta(hours=1, microseconds=-1)


def hours(wallet: Wallet, *, only_of: UUID | None, most: int, read: int = READ) -> list[Hour]:
    """The newest lines, at most `most`. Empty if more rows than are read fell into the newest hour: then none can be
    counted."""
    own: dict[str, Any] = {"org_id": wallet.org_id, "wallet_id": wallet.id}
    own |= {"member_id": only_of} if only_of else {}
    rows = select(Transaction).filter_by(**own).order_by(Transaction.seq.desc()).limit(read).subquery().c
    hour = func.date_trunc("hour", func.timezone("UTC", rows.created_at))
    single = case((rows.type.in_(SPENDING), 0), else_=rows.seq)
    count, newest = func.count(), func.max(rows.seq)
    groups = db.session.execute(
        select(hour, newest, count, func.sum(rows.amount), func.sum(count).over(), func.min(hour).over())
        .group_by(hour, single, rows.type, rows.app, rows.actor_kind, rows.actor_id)
        .order_by(newest.desc())
        .limit(most)
    ).all()
    cut = bool(groups) and int(groups[0][4]) == read
    found = [group for group in groups if not cut or group[0] > group[5]]
    query = select(Transaction).filter_by(**own).where(Transaction.seq.in_([group[1] for group in found]))
    by_seq = {row.seq: row for row in db.session.scalars(query)} if found else {}
    return [
        Hour(
            by_seq[seq],
            by_seq[seq].created_at.replace(minute=0, second=0, microsecond=0),
            int(many),
            int(amount),
        )
        for _, seq, many, amount, _, _ in found
    ]
