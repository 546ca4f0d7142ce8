"""Verifies the ledger: runs every check of `invariants.sql`, and returns the first rows that break it. Counters, which
follow from events, can be repaired."""

import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import Connection, TextClause, text

from dashboard.core.db import autocommit, db, in_transaction, retrying, transaction
from dashboard.domain.funds.seals import check as seals
from dashboard.domain.funds.seals import checkpoints
from dashboard.domain.funds.seals.check import Fault
from dashboard.domain.usage import counters, positions
from dashboard.models import PLATFORM_ORG_ID

log = structlog.get_logger("coffer.usage")

MOST = 100
COUNTERS = "counters"
TIMEOUT = "60min"

_FILE = Path(__file__).with_name("invariants.sql")
_BLOCK = re.compile(r"-- name: (\w+)\n-- says: (\d+): (.+)\n(-- warning\n)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Check:
    """One rule: its number among the invariants, its text, and the query that finds what breaks it. Without a query, it
    is recomputed here."""

    name: str
    number: int
    says: str
    warning: bool
    query: TextClause | None


@dataclass(frozen=True, slots=True)
class Violation:
    """A row that breaks a rule. A `warning` reports a delay; anything else means that the ledger is inconsistent."""

    check: str
    number: int
    says: str
    org_id: UUID
    object: str
    detail: str
    warning: bool

    def __str__(self) -> str:
        kind = "warning" if self.warning else "broken"
        return f"{kind} {self.check}: {self.object} of organization {self.org_id}: {self.detail} ({self.says})"


SEALS = Check("seals", 3, "every seal recomputes from its rows and the seal before it", False, None)
PRICES = Check("prices", 6, "what was charged at a price is the price of its units", False, None)


@cache
def checks() -> tuple[Check, ...]:
    """The checks of the file, of the seals and of the prices, by number."""
    source = _FILE.read_text()
    starts = list(_BLOCK.finditer(source))
    ends = [*(start.start() for start in starts[1:]), len(source)]
    written = [
        Check(start[1], int(start[2]), start[3], bool(start[4]), text(source[start.end() : end]))
        for start, end in zip(starts, ends, strict=True)
    ]
    return tuple(sorted([SEALS, PRICES, *written], key=lambda check: check.number))


def broken(org_id: UUID | None = None, *, only: str | None = None, most: int = MOST) -> list[Violation]:
    """What breaks a rule, at most `most` rows per check, in order; of one organization if given.

    Reads the whole ledger: seconds per million rows, with a limit of one hour. The result is correct while money moves:
    each check of the file is one statement and one snapshot, executed by PostgreSQL; the seals are recomputed here,
    in constant memory, from rows that do not change.
    """
    with _patient() as connection:
        return [
            Violation(check.name, check.number, check.says, row.org_id, row.object, row.detail, check.warning)
            for check in checks()
            if only in (None, check.name)
            for row in _breaking(check, connection, org_id, most)
        ]


def rows(name: str, org_id: UUID | None = None, *, most: int = MOST) -> list[Any]:
    """The rows that one check of the file finds, with its own columns, in order."""
    check = next(one for one in checks() if one.name == name)
    with _patient() as connection:
        return list(_breaking(check, connection, org_id, most))


def _breaking(check: Check, connection: Connection, org_id: UUID | None, most: int) -> Iterable[Any]:
    if check.query is not None:
        return connection.execute(check.query, {"org": org_id, "most": most})
    with closing(_recomputed(check, connection, org_id)) as result:
        return list(islice(result, most))


def _recomputed(check: Check, connection: Connection, org_id: UUID | None) -> Generator[Fault, None, None]:
    if check is SEALS:
        yield from _unsealed(connection, org_id)
    else:
        for place in positions.mispriced(connection, org_id):
            yield Fault(place.org_id, f"wallet {place.wallet_id}", place.detail)


def _unsealed(connection: Connection, org_id: UUID | None) -> Generator[Fault, None, None]:
    """What breaks the seals; finally, over all organizations, whether they still lead to the checkpoint that was
    logged."""
    yield from seals.faults(connection, org_id)
    logged = checkpoints.recorded() if org_id is None else None
    if logged and (result := checkpoints.compute(connection, logged.at)) != logged:
        message = (
            f"was logged as {logged.hash} over {logged.wallets} wallets and is {result.hash} over {result.wallets}"
        )
        yield Fault(PLATFORM_ORG_ID, f"head of {logged.at.isoformat()}", message)


@contextmanager
def _patient() -> Iterator[Connection]:
    """The connection with a longer statement timeout until the end of the block."""
    inside = in_transaction()
    connection = db.session.connection() if inside else autocommit()
    longer = text("SELECT set_config('statement_timeout', :timeout, :local)")
    connection.execute(longer, {"timeout": TIMEOUT, "local": inside})
    try:
        yield connection
    finally:
        if not inside:
            connection.execute(text("RESET statement_timeout"))


class WrongDay(NamedTuple):
    org_id: UUID
    wallet_id: UUID
    day: date


def repair_counters(org_id: UUID | None = None) -> Iterator[WrongDay]:
    """Count the wrong days again, of one organization or of all, one organization after the other. Yields each day that
    was repaired; `broken(only=COUNTERS)` says what is still wrong.

    Opens a transaction per wallet and day, which locks the wallet. Finding the days locks nothing.
    """
    done: set[WrongDay] = set()
    while wrong := _wrong(org_id) - done:
        for one in sorted(wrong):
            _repair(one)
            done.add(one)
            yield one


@retrying
def _repair(one: WrongDay) -> None:
    with transaction(org=one.org_id):
        counters.rebuild(one.org_id, one.wallet_id, one.day)
    log.warning("counters_rebuilt", org_id=str(one.org_id), wallet_id=str(one.wallet_id), day=str(one.day))


def _wrong(org_id: UUID | None) -> set[WrongDay]:
    """Wrong days of the first organization that has any."""
    found = rows(COUNTERS, org_id)
    return {WrongDay(row.org_id, row.wallet_id, row.day) for row in found if row.org_id == found[0].org_id}
