"""Seals over the ledger: once a row is sealed, changing, removing or replacing it is detected.

Sealing does not delay postings: rows are sealed about a minute after they were posted, in blocks, each over the
previous one. `encoding` defines what a seal covers; `check` recomputes the seals; `heads` combines the newest ones of
all wallets into one daily checkpoint.

`wallets.sealed_seq` says how far a wallet is sealed at least, so that one scan of the table skips idle wallets. It may
lag behind the seals, which costs a lookup, and it proves nothing: verification compares rows only with seals. It has no
index: with one, no charge would be a HOT update.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from dashboard.core import ids
from dashboard.core.db import autocommit, db, require_org, transaction
from dashboard.domain.funds import ledger_sql
from dashboard.domain.funds.seals import encoding
from dashboard.domain.funds.seals.encoding import GENESIS, MOST_ROWS, Seal

SETTLE_SECONDS = 60
"""The minimum age of the oldest row of a block, so that a busy wallet gets one seal a minute and not one per row."""

LATE_SECONDS = 900
WALLETS_AT_ONCE = 100

log = logging.getLogger(__name__)

_SEALED = """LEFT JOIN LATERAL (
  SELECT seq_to, hash FROM ledger_seals AS s WHERE s.org_id = w.org_id AND s.wallet_id = w.id
  ORDER BY s.seq_from DESC LIMIT 1
) AS s ON true"""

_FIRST_OPEN = f"""FROM wallets AS w {_SEALED}
CROSS JOIN LATERAL (
  SELECT created_at FROM transactions AS t
  WHERE t.org_id = w.org_id AND t.wallet_id = w.id AND t.seq > coalesce(s.seq_to, 0) ORDER BY t.seq LIMIT 1
) AS t
WHERE w.seq > w.sealed_seq AND w.seq > coalesce(s.seq_to, 0)"""  # noqa: S608 - constant parts only

_DUE = text(f"SELECT DISTINCT w.org_id {_FIRST_OPEN} AND t.created_at < now() - make_interval(secs => :seconds)")

_LAG = text(f"SELECT count(*) AS wallets, coalesce(sum(w.seq - coalesce(s.seq_to, 0)), 0) AS rows,"
            f" min(t.created_at) AS oldest, now() AS now {_FIRST_OPEN}"
            f" AND t.created_at <= now() - make_interval(secs => :seconds)")  # fmt: skip

_OPEN = text(f"""SELECT w.id, w.seq, coalesce(s.seq_to, 0) AS sealed, s.hash, now() AS now FROM wallets AS w {_SEALED}
WHERE w.org_id = :org AND w.seq > w.sealed_seq AND w.seq > coalesce(s.seq_to, 0) ORDER BY w.id""")  # noqa: S608

_KEEP = text("""INSERT INTO ledger_seals
  (org_id, wallet_id, seq_from, seq_to, id, created_at, previous_hash, hash, checksums)
SELECT CAST(:org AS uuid), n.* FROM unnest(CAST(:wallets AS uuid[]), CAST(:froms AS bigint[]), CAST(:tos AS bigint[]),
  CAST(:ids AS uuid[]), CAST(:moments AS timestamptz[]), CAST(:previous AS bytea[]), CAST(:hashes AS bytea[]),
  CAST(:checksums AS bytea[])) AS n ORDER BY 1, 2
ON CONFLICT (org_id, wallet_id, seq_from) DO NOTHING RETURNING wallet_id""")


@dataclass(frozen=True, slots=True)
class Lag:
    """What is not sealed yet: wallets, rows, and since when the oldest row waits; None if all is sealed."""

    wallets: int
    rows: int
    oldest: datetime | None
    seconds: int


@dataclass(frozen=True, slots=True)
class _Head:
    """The end of a wallet's chain, and how far its rows go beyond it."""

    wallet_id: UUID
    sealed: int
    hash: bytes
    seq: int


def due(*, seconds: int = SETTLE_SECONDS) -> list[UUID]:
    """Organizations with a wallet whose oldest unsealed row is older than `seconds`. A plain read."""
    return [row.org_id for row in autocommit().execute(_DUE, {"seconds": seconds})]


def lag(*, older: int = 0) -> Lag:
    """How far sealing is behind, by the database's clock, in wallets whose oldest unsealed row is `older` (seconds).

    There are always rows younger than SETTLE_SECONDS; more than LATE_SECONDS is a fault.
    """
    row = autocommit().execute(_LAG, {"seconds": older}).one()
    age = int((row.now - row.oldest).total_seconds()) if row.oldest else 0
    return Lag(row.wallets, int(row.rows), row.oldest, max(0, age))


def seal(org_id: UUID, *, seconds: int = 20) -> bool:
    """Seal all rows of an organization's wallets, for up to `seconds`. Returns True if there may be more.

    May run twice at once: if two seals begin at the same row, the first is kept and the other process leaves that
    wallet. Opens its own short transactions, which hold the wallets' keys for an insert. Call it outside a transaction.
    """
    end = time.monotonic() + seconds
    rows = autocommit().execute(_OPEN, {"org": org_id}).all()
    heads = [_Head(row.id, row.sealed, row.hash or GENESIS, row.seq) for row in rows]
    moment = rows[0].now if rows else None
    while heads and time.monotonic() < end:
        at_once, heads = heads[:WALLETS_AT_ONCE], heads[WALLETS_AT_ONCE:]
        made = {head.wallet_id: made for head in at_once if (made := _next(org_id, head, moment))}
        kept = _keep(org_id, list(made.values()))
        heads += [
            _Head(head.wallet_id, sealed.seq_to, sealed.hash, head.seq)
            for head in at_once
            if head.wallet_id in kept and (sealed := made[head.wallet_id]).seq_to < head.seq
        ]
    return bool(heads)


def _next(org_id: UUID, head: _Head, moment: Any) -> Seal | None:
    """The seal over the next block of a wallet; None, and an error in the log, if the rows have a gap."""
    first = head.sealed + 1
    bounds = (org_id, head.wallet_id, first), (org_id, head.wallet_id, head.seq)
    lines = [bytes(line) for line in encoding.lines(autocommit(), *bounds, most=MOST_ROWS)]
    last = head.sealed + len(lines)
    if not lines or encoding.place_of(lines[-1])[2] != last:
        log.error("ledger has a gap, not sealed", extra={"wallet": str(head.wallet_id), "after": head.sealed})
        return None
    seal_id, sums = ids.new(), encoding.checksums(lines)
    blank = Seal(org_id, head.wallet_id, first, last, seal_id, moment, head.hash, b"", sums)
    return Seal(org_id, head.wallet_id, first, last, seal_id, moment, head.hash, blank.digest(lines), sums)


def _keep(org_id: UUID, made: Sequence[Seal]) -> set[UUID]:
    """Write the seals, at most one per wallet. Returns the wallets whose seal was kept."""
    if not made:
        return set()
    values = {
        "org": org_id, "wallets": [one.wallet_id for one in made], "froms": [one.seq_from for one in made],
        "tos": [one.seq_to for one in made], "ids": [one.id for one in made],
        "moments": [one.created_at for one in made], "previous": [one.previous_hash for one in made],
        "hashes": [one.hash for one in made], "checksums": [one.checksums for one in made],
    }  # fmt: skip
    with transaction(org=org_id):
        require_org(org_id)
        kept = {row.wallet_id for row in db.session.execute(_KEEP, values)}
        stand = [one for one in made if one.wallet_id in kept]
        marks = {"wallets": [one.wallet_id for one in stand], "tos": [one.seq_to for one in stand]}
        db.session.execute(ledger_sql.SEALED, {"org": org_id} | marks)
        return kept
