"""Credit expiry: when a credit grant expires, what is left of it leaves the wallet before anything else is spent.

Open holds keep credit that expires after they were made, soonest first, up to what they hold; it leaves once they end
without having spent it. So an expiry never takes what is held.
"""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, or_, select

from dashboard.core import clock, ids, metrics
from dashboard.core.db import after_commit, db, in_transaction, transaction
from dashboard.core.errors import Invalid
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import ledger_sql
from dashboard.domain.funds.credit_grants import settlement
from dashboard.domain.funds.credit_grants.settlement import Allocation, OpenGrant
from dashboard.models import CreditGrant, Hold, Wallet

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


def take_out_what_holds_kept(org_id: UUID, wallet_id: UUID, at: datetime) -> None:
    """Remove expired credit that no open hold keeps any longer. Needs the wallet's lock, in a transaction."""
    expired = select(CreditGrant.id).filter_by(org_id=org_id, wallet_id=wallet_id)
    expired = expired.where(CreditGrant.remaining > 0, CreditGrant.expires_at <= at)
    if db.session.scalar(expired.limit(1)) is not None:
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
    wallet = connection.execute(ledger_sql.WALLET, names | {"at": at}).one()
    at = wallet.at
    rows = connection.execute(ledger_sql.LAPSED, names | {"at": at}).all()
    kept = _kept(org_id, wallet_id, rows, wallet.balance - wallet.held) if wallet.held else {}
    gone = [row for row in rows if row.remaining > kept.get(row.id, 0)]
    for row in gone:
        left = kept.get(row.id, 0)
        grant, amount = OpenGrant(row.id, "", 0, row.expires_at, 0, left), row.remaining - left
        values = names | _row(row.id, row.category, amount, at, more=left > 0)
        posted = connection.execute(ledger_sql.EXPIRY, values).one()
        settlement.keep(org_id, wallet_id, [Allocation(grant, posted.seq, posted.seq, amount)], [grant], posted.seq, at)
    connection.execute(ledger_sql.NEXT, names | {"at": at})
    if gone:
        after_commit(partial(metrics.posted, TYPE, len(gone)))


def _kept(org_id: UUID, wallet_id: UUID, rows: Sequence[Row[Any]], available: int) -> dict[UUID, int]:
    """What open holds keep of expired credit grants, which are in order of expiry. A hold keeps only credit that was
    valid when it was made; beyond that, what would make the available amount negative stays."""
    query = select(Hold.created_at, Hold.amount).filter_by(org_id=org_id, wallet_id=wallet_id, state="open")
    holds = db.session.execute(query).all()
    kept: dict[UUID, int] = {}
    for row in rows:
        held = sum(hold.amount for hold in holds if hold.created_at < row.expires_at)
        kept[row.id] = min(row.remaining, max(held - sum(kept.values()), 0))
    short = sum(row.remaining - kept[row.id] for row in rows) - max(available, 0)
    for row in rows:
        more = min(row.remaining - kept[row.id], max(short, 0))
        kept[row.id], short = kept[row.id] + more, short - more
    return kept


def grant_of(key: str) -> UUID:
    """The credit grant that an expiry with this key took from."""
    return UUID(key.partition("/")[0])


def _row(grant_id: UUID, category: str, amount: int, at: datetime, *, more: bool) -> dict[str, object]:
    """`more`: another row follows for what is left of the credit grant. The key of its last row is its id."""
    row_id = ids.new()
    return {
        "id": row_id, "at": at, "type": TYPE, "amount": -amount, "origin": ORIGIN,
        "key": f"{grant_id}/{row_id}" if more else str(grant_id),
        "body_hash": None, "description": f"Credit lapsed ({category})", "reason": None, "actor_kind": SYSTEM.kind,
        "actor_id": SYSTEM.id, "app": "", "member_id": None, "payment_id": None, "grant_id": None,
    }  # fmt: skip
