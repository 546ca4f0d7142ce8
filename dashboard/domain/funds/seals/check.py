"""Verifies all seals: streams seals and rows in the same order, in constant memory."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from uuid import UUID

from sqlalchemy import Connection, text

from dashboard.domain.funds.seals import encoding
from dashboard.domain.funds.seals.encoding import GENESIS, MOST_ROWS, Line, Place, Seal

PAGE = 500
"""Seals read at a time, with up to half a million rows streamed alongside."""

NOTHING, EVERYTHING = UUID(int=0), UUID(int=2**128 - 1)

_SEALS = text("""SELECT org_id, wallet_id, seq_from, seq_to, id, created_at, previous_hash, hash, checksums
FROM ledger_seals
WHERE (org_id, wallet_id, seq_from) > (CAST(:org AS uuid), CAST(:wallet AS uuid), CAST(:seq AS bigint))
  AND org_id <= CAST(:last AS uuid)
ORDER BY org_id, wallet_id, seq_from LIMIT :page""")


@dataclass(frozen=True, slots=True)
class Fault:
    """The first row or seal of a block that does not match its seal."""

    org_id: UUID
    object: str
    detail: str


def faults(connection: Connection, org_id: UUID | None = None) -> Iterator[Fault]:
    """Recompute every seal, of one organization if given. Yields what does not match, in the order of the ledger.

    Needs no snapshot: seals are read before their rows, and what is posted or sealed in the meantime is only added at
    the end.
    """
    before: Seal | None = None
    for page in _pages(connection, org_id):
        rows = _Rows(encoding.lines(connection, page[0].first, max(seal.last for seal in page)))
        try:
            for seal in page:
                same = before is not None and (before.org_id, before.wallet_id) == (seal.org_id, seal.wallet_id)
                fault = _misplaced(seal, before if same else None) or _changed(seal, rows)
                if fault:
                    yield fault
                before = seal
        finally:
            rows.close()


class _Rows:
    """The lines of a range, taken block by block."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._source = lines
        self._lines = lines

    def take(self, seal: Seal) -> list[Line]:
        """As many lines as the seal has rows, starting at its first row. Earlier lines are not covered by any seal
        yet."""
        for line in self._lines:
            if encoding.place_of(line) >= seal.first:
                return [line, *islice(self._lines, seal.count - 1)]
        return []

    def put_back(self, lines: list[Line]) -> None:
        self._lines = chain(lines, self._lines)

    def close(self) -> None:
        """Read the remaining lines: a COPY that is cut off would end the transaction."""
        for _ in self._source:
            pass


def _pages(connection: Connection, org_id: UUID | None) -> Iterator[list[Seal]]:
    at: Place = (org_id or NOTHING, NOTHING, 0)
    while True:
        values = dict(zip(("org", "wallet", "seq"), at, strict=True)) | {"last": org_id or EVERYTHING, "page": PAGE}
        page = [Seal(*row) for row in connection.execute(_SEALS, values)]
        if page:
            yield page
        if len(page) < PAGE:
            return
        at = page[-1].first


def _misplaced(seal: Seal, before: Seal | None) -> Fault | None:
    """What does not match the previous seal of the same wallet."""
    name, first = f"seal {seal.id}", before.seq_to + 1 if before else 1
    if seal.seq_from != first:
        message = (
            f"of wallet {seal.wallet_id} begins at row {seal.seq_from}, not {first}: one is missing or was changed"
        )
        return Fault(seal.org_id, name, message)
    if seal.previous_hash != (before.hash if before else GENESIS):
        message = f"over row {seal.seq_from} of wallet {seal.wallet_id} does not follow the seal before it"
        return Fault(seal.org_id, name, message)
    if not 1 <= seal.count <= MOST_ROWS or len(seal.checksums) != 4 * seal.count:
        message = f"of wallet {seal.wallet_id} does not go from row {seal.seq_from} to {seal.seq_to}: it was changed"
        return Fault(seal.org_id, name, message)
    return None


def _changed(seal: Seal, rows: _Rows) -> Fault | None:
    """The first row that is not what was sealed; the seal itself if its rows are unchanged."""
    lines = rows.take(seal)
    holds = len(lines) == seal.count and seal.digest(lines) == seal.hash
    if holds and encoding.checksums(lines) == seal.checksums:
        return None
    rows.put_back([line for line in lines if encoding.place_of(line) > seal.last])
    items = {encoding.place_of(line): line for line in lines}
    for number, (checksum,) in enumerate(struct.iter_unpack(">I", seal.checksums), seal.seq_from):
        line = items.get((seal.org_id, seal.wallet_id, number))
        if line is None:
            return Fault(
                seal.org_id, f"wallet {seal.wallet_id} row {number}", f"is missing, and seal {seal.id} is over it"
            )
        if zlib.crc32(line) != checksum and not holds:
            message = f"row {number} of wallet {seal.wallet_id} is not what seal {seal.id} is over"
            return Fault(seal.org_id, f"transaction {encoding.id_of(line)}", message)
    message = f"over rows {seal.seq_from} to {seal.seq_to} of wallet {seal.wallet_id} does not fit them: it was changed"
    return Fault(seal.org_id, f"seal {seal.id}", message)
