"""Idempotency spaces: each class of caller has its own, so that nobody can use up another caller's keys.

`operator`: managers, by page or token, and everything that needs the scope `platform:grant`. `service`: keys that a
command or a manager created, and every key that deposits. `api`: the organization's own keys and users. The space is
the transaction's `origin`; other origins are Coffer's own.
"""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select

from dashboard.core.db import db
from dashboard.domain.funds import ledger_sql
from dashboard.models import Transaction

API, SERVICE, OPERATOR = "api", "service", "operator"
OF_CALLERS = frozenset({API, SERVICE, OPERATOR})
SENT = OF_CALLERS | {"usage"}
"""Origins whose idempotency keys were sent by callers."""


def caller_key(row: Transaction) -> str:
    """The idempotency key that the caller sent, or empty. A manager's comes from a form or from the platform's own
    programs, and means nothing to a customer."""
    return row.key if row.origin in SENT and row.actor_kind != "manager" else ""


def booked(org_id: UUID, mode: str, origin: str, keys: Collection[str]) -> dict[str, Transaction]:
    """The rows posted under these keys in the space.

    Rows from before the spaces were separated are all under `api`. Such a row counts for the class of caller that made
    it, so that a call repeated after the upgrade is still a replay. A row that a customer made counts for no other
    class.
    """
    own = select(Transaction).filter_by(org_id=org_id, mode=mode, origin=origin).where(Transaction.key.in_(keys))
    rows = {row.key: row for row in db.session.scalars(own)}
    left = [key for key in keys if key not in rows]
    if origin in (OPERATOR, SERVICE) and left:
        values = {"org": org_id, "mode": mode, "origin": origin, "keys": left}
        earlier = select(Transaction).from_statement(ledger_sql.EARLIER)
        rows |= {row.key: row for row in db.session.scalars(earlier, values)}
    return rows
