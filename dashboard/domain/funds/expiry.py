"""Credit expiry: when a credit grant expires, what is left of it leaves the wallet before anything else is spent."""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select

from dashboard.core import clock, ids, metrics
from dashboard.core.db import after_commit, db, in_transaction, transaction
from dashboard.core.errors import Invalid
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import ledger_sql
from dashboard.domain.funds.credit_grants import settlement
from dashboard.domain.funds.credit_grants.settlement import Allocation, OpenGrant
from dashboard.models import Wallet

DRAIN = "dashboard.jobs.expiry.drain"
ORIGIN = TYPE = "expiry"
BACKLOG_ROWS = settlement.MOST_GRANTS // 2 - 1
"""How many rows may wait for settlement: one block, as a row opens at most two credit grants. This bounds the work of
the charge that finds an expired grant, and of pages that show what is left."""

BLOCKS_AT_ONCE = 20
LAST_YEAR = 9000

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def end_of(text: str) -> datetime:
    """The end of a UTC day, written as 2027-03-31. Raises Invalid if it is not a date."""
    try:
        day = date.fromisoformat(text.strip() if _DATE.fullmatch(text.strip()) else "")
    except ValueError:
        raise Invalid("Enter a date such as 2027-03-31.", field="expires_at") from None
    if day.year > LAST_YEAR:
        raise Invalid("This date is too far away.", field="expires_at")
    return datetime.combine(day + timedelta(days=1), time(), UTC)


def last_day(expires_at: datetime) -> date:
    """The last UTC day on which it can be spent."""
    return (expires_at - timedelta(microseconds=1)).astimezone(UTC).date()


def after_days(days: int) -> datetime:
    """The end of the UTC day that is this number of days after today."""
    return datetime.combine(clock.today() + timedelta(days=days + 1), time(), UTC)


def lapsed(org_id: UUID, wallet_id: UUID, at: datetime) -> bool:
    """Whether an expiry date of the wallet's credit has passed."""
    query = select(Wallet.next_expiry_at, Wallet.last_posted_at).filter_by(org_id=org_id, id=wallet_id)
    row = db.session.execute(query).one_or_none()
    if row is None or row.next_expiry_at is None:
        return False
    return bool(row.next_expiry_at <= max(at, row.last_posted_at or at))


def clear(org_id: UUID, wallet_id: UUID, at: datetime) -> None:
    """Remove expired credit, in the open transaction or in its own. Locks the wallet."""
    if in_transaction():
        _take_out(org_id, wallet_id, at)
    else:
        with transaction(org=org_id):
            _take_out(org_id, wallet_id, at)


def due() -> list[UUID]:
    """Organizations with a wallet whose expiry date has passed, or with many rows to settle before one. A plain
    read."""
    return list(db.session.scalars(select(Wallet.org_id).distinct().where(_due())))


def drain(org_id: UUID) -> bool:
    """Settle, and remove expired credit, in the organization's due wallets, for wallets that nobody charges. Returns
    True if more is left.

    One block of rows per transaction; any number of calls may run at once.
    """
    rows = db.session.scalars(select(Wallet.id).filter_by(org_id=org_id).where(_due()).order_by(Wallet.id)).all()
    blocks = 0
    for wallet_id in rows:
        more = True
        while more:
            if blocks == BLOCKS_AT_ONCE:
                return True
            blocks += 1
            with transaction(org=org_id):
                at = clock.now()
                _lock(org_id, wallet_id, at)
                more = settlement.settle(org_id, wallet_id)
                if not more:
                    _take_out(org_id, wallet_id, at)
    return False


def _due() -> ColumnElement[bool]:
    return or_(
        Wallet.next_expiry_at <= clock.now(),
        Wallet.next_expiry_at.is_not(None) & (Wallet.seq > Wallet.settled_seq + BACKLOG_ROWS),
    )


def _lock(org_id: UUID, wallet_id: UUID, at: datetime) -> None:
    db.session.execute(ledger_sql.LOCK, {"org": org_id, "wallets": [wallet_id], "at": at})


def _take_out(org_id: UUID, wallet_id: UUID, at: datetime) -> None:
    _lock(org_id, wallet_id, at)
    while settlement.settle(org_id, wallet_id):
        pass
    names = {"org": org_id, "wallet": wallet_id}
    connection = db.session.connection()
    at = connection.execute(ledger_sql.WALLET, names | {"at": at}).one().at
    gone = connection.execute(ledger_sql.LAPSED, names | {"at": at}).all()
    for row in gone:
        grant = OpenGrant(row.id, "", 0, row.expires_at, 0, 0)
        posted = connection.execute(ledger_sql.EXPIRY, names | _row(row.id, row.category, row.remaining, at)).one()
        allocation = Allocation(grant, posted.seq, posted.seq, row.remaining)
        settlement.keep(org_id, wallet_id, [allocation], [grant], posted.seq, at)
    connection.execute(ledger_sql.NEXT, names | {"at": at})
    if gone:
        after_commit(partial(metrics.posted, TYPE, len(gone)))


def _row(grant_id: UUID, category: str, amount: int, at: datetime) -> dict[str, object]:
    return {
        "id": ids.new(), "at": at, "type": TYPE, "amount": -amount, "origin": ORIGIN, "key": str(grant_id),
        "body_hash": None, "description": f"Credit lapsed ({category})", "reason": None, "actor_kind": SYSTEM.kind,
        "actor_id": SYSTEM.id, "app": "", "member_id": None, "payment_id": None, "grant_id": None,
    }  # fmt: skip
