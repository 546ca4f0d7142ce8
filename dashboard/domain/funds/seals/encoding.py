r"""What a seal covers, byte by byte, so that anyone can recompute it from a copy of the tables.

    hash = SHA-256( previous_hash || header || row || row || ... )

`previous_hash` is the 32 bytes of the wallet's previous seal. For its first seal it is GENESIS, the SHA-256 of the text
`coffer-seal-1`. The header and each row are one line: values separated by tabs, with a newline at the end.

- Header: org_id, wallet_id, seq_from, seq_to and id of the seal, and its created_at in microseconds since 1970 (UTC).
- Row: the columns of `ROW` in that order, in PostgreSQL's text format of COPY, UTF-8: NULL is `\N`; backslash, tab and
  line breaks in a text are `\\`, `\t`, `\n`, `\r`; UUIDs are lower-case with hyphens; moments are microseconds; bytes
  are lower-case hex. No row has both a payment and a grant. None of this depends on a setting of the server.

    (printf $PREVIOUS_HASH_IN_HEX | xxd -r -p; printf '%s\t%s\t%s\t%s\t%s\t%s\n' $ORG $WALLET $FROM $TO $ID $MICROS
     psql -c "COPY (SELECT <ROW> FROM transactions WHERE org_id = '$ORG' AND wallet_id = '$WALLET'
       AND seq BETWEEN $FROM AND $TO ORDER BY seq) TO STDOUT") | sha256sum

`checksums` holds the CRC-32 of each row's line, four bytes each, most significant byte first. They prove nothing: if
the hash does not match, they show which row changed.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from psycopg import Connection as Psycopg
from psycopg import sql
from sqlalchemy import Connection

GENESIS = hashlib.sha256(b"coffer-seal-1").digest()
MOST_ROWS = 1_000
"""The maximum per seal, which bounds the memory of all code that holds a block."""

ROW = """org_id, wallet_id, seq, id, CAST(extract(epoch FROM created_at) * 1000000 AS bigint), mode, type, amount,
  balance_before, balance_after, origin, key, encode(body_hash, 'hex'), description, reason, actor_kind, actor_id, app,
  member_id, coalesce(payment_id, grant_id)"""

_COPY = sql.SQL("""COPY (
SELECT {row} FROM transactions
WHERE {near} AND (org_id, wallet_id, seq) >= ({first_org}, {first_wallet}, {first})
  AND (org_id, wallet_id, seq) <= ({last_org}, {last_wallet}, {last})
ORDER BY org_id, wallet_id, seq LIMIT {most}
) TO STDOUT (ENCODING 'UTF8')""")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Line = bytes | bytearray | memoryview
Place = tuple[UUID, UUID, int]
"""A row's position in the order of all rows: organization, wallet, seq."""


@dataclass(frozen=True, slots=True)
class Seal:
    """A row of `ledger_seals`."""

    org_id: UUID
    wallet_id: UUID
    seq_from: int
    seq_to: int
    id: UUID
    created_at: datetime
    previous_hash: bytes
    hash: bytes
    checksums: bytes

    @property
    def count(self) -> int:
        return self.seq_to - self.seq_from + 1

    @property
    def first(self) -> Place:
        return self.org_id, self.wallet_id, self.seq_from

    @property
    def last(self) -> Place:
        return self.org_id, self.wallet_id, self.seq_to

    def header(self) -> bytes:
        micros = (self.created_at - _EPOCH) // timedelta(microseconds=1)
        values = (self.org_id, self.wallet_id, self.seq_from, self.seq_to, self.id, micros)
        return ("\t".join(map(str, values)) + "\n").encode()

    def digest(self, lines: Sequence[Line]) -> bytes:
        """The value that `hash` must have over these rows."""
        return hashlib.sha256(b"".join((self.previous_hash, self.header(), *lines))).digest()


def checksums(lines: Sequence[Line]) -> bytes:
    return struct.pack(f">{len(lines)}I", *map(zlib.crc32, lines))


def place_of(line: Line) -> Place:
    org_id, wallet_id, seq, _ = bytes(line).split(b"\t", 3)
    return UUID(org_id.decode()), UUID(wallet_id.decode()), int(seq)


def id_of(line: Line) -> str:
    return bytes(line).split(b"\t", 4)[3].decode()


def lines(connection: Connection, first: Place, last: Place, *, most: int | None = None) -> Iterator[Line]:
    """The lines of the rows from `first` to `last`, streamed in order, at most `most`.

    Until the last one is read or the iterator is closed, the connection can do nothing else.
    """
    driver = connection.connection.driver_connection
    if not isinstance(driver, Psycopg):
        raise TypeError(f"COPY needs psycopg, not {driver!r}")
    values = dict(zip(("first_org", "first_wallet", "first", "last_org", "last_wallet", "last"), (*first, *last),
                      strict=True))  # fmt: skip
    ends = {name: sql.Literal(value) for name, value in values.items()}
    query = _COPY.format(row=sql.SQL(ROW), near=_near(first, last), most=sql.Literal(most), **ends)
    with driver.cursor() as cursor, cursor.copy(query) as copy:
        yield from copy


def _near(first: Place, last: Place) -> sql.Composable:
    """Conditions, column by column, that all rows from `first` to `last` meet.

    Before PostgreSQL 18, the upper end of a comparison of whole rows does not end the index scan, which then continues
    to the end of the organization.
    """
    rows: list[sql.Composable] = []
    for name, low, high in zip(("org_id", "wallet_id", "seq"), first, last, strict=True):
        rows.append(
            sql.SQL("{} BETWEEN {} AND {}").format(sql.Identifier(name), sql.Literal(low), sql.Literal(high))
            if low != high
            else sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(low))
        )
        if low != high:
            break
    return sql.SQL(" AND ").join(rows)
