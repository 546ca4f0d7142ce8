"""Daily checkpoint: one value over the newest seals of all wallets. Operators keep it in a log outside the database.

    head = SHA-256( line || line || ... )

There is one line for each wallet that had a seal at that moment, ordered by organization and wallet: org_id, wallet_id,
seq_to and the seal's hash in lower-case hex, separated by tabs, with a newline at the end. Somebody who rewrites the
ledger and seals it again cannot reproduce the logged value.
"""

import hashlib
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from psycopg import Connection as Psycopg
from psycopg import sql
from sqlalchemy import Connection, select, text

from dashboard.core import clock, queue
from dashboard.core.db import db, require_org
from dashboard.domain import audit
from dashboard.domain.audit import SYSTEM
from dashboard.models import PLATFORM_ORG_ID, AuditEntry

ACTION = "ledger.head_recorded"
PAUSE = timedelta(minutes=10)
"""Wait after midnight, until every seal with an earlier time exists."""

TIMEOUT = f"{queue.JOB_SECONDS}s"
"""Timeout of the one statement that reads the ends of all chains; the job has no more time."""

log = logging.getLogger(__name__)

_PATIENT = text("SELECT set_config('statement_timeout', :timeout, true)")

_NEWEST_SEALS = sql.SQL("""COPY (
SELECT w.org_id, w.id, s.seq_to, encode(s.hash, 'hex') FROM wallets AS w CROSS JOIN LATERAL (
  SELECT seq_to, hash FROM ledger_seals AS s
  WHERE s.org_id = w.org_id AND s.wallet_id = w.id AND s.created_at <= {at} ORDER BY s.seq_from DESC LIMIT 1
) AS s ORDER BY w.org_id, w.id
) TO STDOUT""")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One value over the newest seals of `wallets` wallets at a moment."""

    at: datetime
    wallets: int
    hash: str

    def __str__(self) -> str:
        return f"{self.at.isoformat()} {self.wallets} wallets {self.hash}"


def compute(connection: Connection, at: datetime) -> Checkpoint:
    """The checkpoint as of a moment (timezone-aware). Always the same value once PAUSE has passed."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, Psycopg):
        raise TypeError(f"COPY needs psycopg, not {driver!r}")
    digest, wallets = hashlib.sha256(), 0
    with driver.cursor() as cursor, cursor.copy(_NEWEST_SEALS.format(at=sql.Literal(at))) as copy:
        for line in copy:
            digest.update(line)
            wallets += 1
    return Checkpoint(at, wallets, digest.hexdigest())


def due() -> datetime | None:
    """The last midnight (UTC) whose checkpoint is not recorded; None if it is, or if PAUSE has not passed."""
    midnight = datetime.combine(clock.today(), time(), UTC)
    newest = recorded()
    if clock.now() < midnight + PAUSE or (newest and newest.at >= midnight):
        return None
    return midnight


def record(at: datetime) -> Checkpoint:
    """Log the checkpoint of a moment and store it in the platform's audit log. Needs its open transaction, which may
    last as long as the job."""
    require_org(PLATFORM_ORG_ID)
    db.session.execute(_PATIENT, {"timeout": TIMEOUT})
    result = compute(db.session.connection(), at)
    after: dict[str, Any] = {"at": at.isoformat(), "wallets": result.wallets, "hash": result.hash}
    audit.record(audit.Ref("ledger", at.date().isoformat()), ACTION, by=SYSTEM, org=PLATFORM_ORG_ID, after=after)
    log.info("ledger head", extra=after)
    return result


def recorded() -> Checkpoint | None:
    """The newest recorded checkpoint."""
    entry = db.session.scalars(
        select(AuditEntry).filter_by(org_id=PLATFORM_ORG_ID, action=ACTION).order_by(AuditEntry.id.desc()).limit(1)
    ).first()
    if entry is None or entry.after is None:
        return None
    return Checkpoint(datetime.fromisoformat(entry.after["at"]), entry.after["wallets"], entry.after["hash"])
