"""The end of a hold: what it reserved is available again. Expired holds end before anything else is decided."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, select, update

from dashboard.core import clock
from dashboard.core.db import db, in_transaction, transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import expiry, spend_limits
from dashboard.domain.funds.spend_limits import LimitId
from dashboard.models import Hold, HoldStep, Wallet

DRAIN = "dashboard.jobs.holds.drain"
ORIGIN = "hold"
AT_ONCE = 500
"""How many holds of a wallet end in one transaction."""
WALLETS_AT_ONCE = 100


def due() -> list[UUID]:
    """Organizations with an open hold that has expired. A plain read."""
    return list(db.session.scalars(select(Hold.org_id).distinct().where(*_due(clock.now()))))


def drain(org_id: UUID) -> bool:
    """End the organization's expired holds, wallet by wallet, each in its own transaction. Returns True if more are
    left.

    A wallet that somebody else has locked is left for the next time. Any number of calls may run at once.
    """
    query = select(Hold.wallet_id).distinct().filter_by(org_id=org_id).where(*_due(clock.now()))
    more = False
    rows = db.session.scalars(query.order_by(Hold.wallet_id).limit(WALLETS_AT_ONCE)).all()
    for wallet_id in rows:
        with transaction(org=org_id):
            free = select(Wallet.id).filter_by(org_id=org_id, id=wallet_id).with_for_update(skip_locked=True)
            if db.session.scalar(free) is not None:
                more |= expire(org_id, wallet_id, clock.now()) == AT_ONCE
    return more or len(rows) == WALLETS_AT_ONCE


def end_what_expired(org_id: UUID, wallet_id: UUID, at: datetime) -> bool:
    """End the wallet's expired holds, then remove expired credit, in the open transaction or in their own. Returns
    whether there was any. Locks the wallet only if there is."""
    found = False
    if lapsed(org_id, wallet_id, at):
        clear(org_id, wallet_id, at)
        found = True
    if expiry.lapsed(org_id, wallet_id, at):
        expiry.clear(org_id, wallet_id, at)
        found = True
    return found


def lapsed(org_id: UUID, wallet_id: UUID, at: datetime) -> bool:
    """Whether a hold of the wallet has expired and is still open."""
    query = select(Hold.id).filter_by(org_id=org_id, wallet_id=wallet_id).where(*_due(at))
    return db.session.scalar(query.limit(1)) is not None


def clear(org_id: UUID, wallet_id: UUID, at: datetime) -> None:
    """End the wallet's expired holds, in the open transaction or in its own. Locks the wallet."""
    if in_transaction():
        _clear(org_id, wallet_id, at)
    else:
        with transaction(org=org_id):
            _clear(org_id, wallet_id, at)


def expire(org_id: UUID, wallet_id: UUID, now: datetime) -> int:
    """End the wallet's expired holds in order of id, at most `AT_ONCE`, and return how many. Needs the wallet's
    lock."""
    query = select(Hold).filter_by(org_id=org_id, wallet_id=wallet_id).where(*_due(now)).order_by(Hold.id)
    rows = db.session.scalars(query.limit(AT_ONCE), execution_options={"populate_existing": True}).all()
    for row in rows:
        row.state, row.ended_at = "expired", now
        step = HoldStep(
            org_id=org_id, hold_id=row.id, created_at=now, mode=row.mode, kind="expired", origin=ORIGIN,
            key=str(row.id), actor_kind=SYSTEM.kind, actor_id=SYSTEM.id, expires_at=row.expires_at,
        )  # fmt: skip
        db.session.add(step)
    if rows:
        db.session.flush()
        hold_less(org_id, wallet_id, sum(row.amount for row in rows))
        give_back([(row, row.amount) for row in rows])
        expiry.take_out_what_holds_kept(org_id, wallet_id, now)
    return len(rows)


def hold_less(org_id: UUID, wallet_id: UUID, amount: int) -> None:
    """Lower what the wallet holds; a negative amount raises it. Needs its lock."""
    db.session.execute(
        update(Wallet).filter_by(org_id=org_id, id=wallet_id).values(held=Wallet.held - amount),
        execution_options={"synchronize_session": False},
    )


def give_back(parts: Sequence[tuple[Hold, int]]) -> None:
    """Count these parts of holds no longer towards the spend limits that they counted towards, in the windows in which
    the holds were made. Locks the windows, always in the same order."""
    parts = [(row, amount) for row, amount in parts if amount]
    limits = {one.id: one for one in spend_limits.by_ids(limit for row, _ in parts for limit in limit_ids(row))}
    counted = [(one, row.created_at, amount) for row, amount in parts for _, one in limit_ids(row) if one in limits]
    for limit_id, at, amount in sorted(counted):
        spend_limits.give_back([limits[limit_id]], amount=amount, at=at)


def limit_ids(row: Hold) -> list[LimitId]:
    return [LimitId(UUID(org_id), UUID(limit_id)) for org_id, limit_id in row.limits]


def _clear(org_id: UUID, wallet_id: UUID, at: datetime) -> None:
    db.session.execute(select(Wallet.id).filter_by(org_id=org_id, id=wallet_id).with_for_update())
    while expire(org_id, wallet_id, at) == AT_ONCE:
        pass


def _due(at: datetime) -> list[ColumnElement[bool]]:
    return [Hold.state == "open", Hold.expires_at <= at]
