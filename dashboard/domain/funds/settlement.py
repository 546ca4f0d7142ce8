"""Settlement: which credit grant paid for which transaction. A pure function of the ledger's order, computed only if
credit has an expiry date.

Debits use promotional credit before paid credit, then by priority, earliest expiry date and age. What they take beyond
all credit grants is debt, which the next credit pays first. Between two credits the balance only falls, so a binary
search finds the row at which a grant ends: the cost depends on the number of credits, not of rows.
"""

from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from dashboard.core import clock, ids
from dashboard.core.db import db, in_transaction, require_org, transaction
from dashboard.domain.funds import ledger_sql
from dashboard.models import Wallet

MOST_SLICES = 2_000
"""The maximum number of credit grants that one block opens."""

_NEVER = datetime.max.replace(tzinfo=UTC)

Reached = Callable[[int, int, int], tuple[int, int]]
"""(first, last, balance) -> the first of these debits that leaves `balance` or less, and what it leaves."""


@dataclass(slots=True)
class Part:
    """A credit grant and what is left of it."""

    id: UUID
    kind: str
    priority: int
    expires_at: datetime | None
    opened_seq: int
    remaining: int

    @property
    def turn(self) -> tuple[object, ...]:
        """The order in which grants are spent."""
        return self.kind != "promotional", self.priority, self.expires_at or _NEVER, self.opened_seq, self.id


_turn = attrgetter("turn")


@dataclass(slots=True)
class Burn:
    part: Part
    seq_from: int
    seq_to: int
    amount: int


@dataclass(frozen=True, slots=True)
class Credit:
    """A transaction that opened credit grants, and the balances before and after it."""

    seq: int
    before: int
    after: int
    parts: tuple[Part, ...]


class Course:
    """The credit grants while rows pass, starting at a settled row. `burns` grows by one range per grant and
    stretch."""

    def __init__(self, seq: int, balance: int, parts: Iterable[Part], reached: Reached | None = None) -> None:
        self.seq, self.balance = seq, balance
        self.parts = sorted(parts, key=_turn)
        self.burns: list[Burn] = []
        self.touched: dict[UUID, Part] = {}
        self._reached = reached

    def spend(self, seq: int, balance: int) -> None:
        """Pass the debits up to row `seq`, which leaves `balance`."""
        first, at, last, amount = self.seq + 1, self.balance, seq, self.balance - balance
        while amount > 0 and self.parts:
            part = self.parts[0]
            paid = min(part.remaining, amount)
            amount, at = amount - paid, at - paid
            end, left = (last, balance) if at == balance else self._end(first, last, at)
            self._burn(part, first, end, paid)
            first = end if left < at else end + 1
        self.seq, self.balance = seq, balance

    def open(self, credit: Credit) -> None:
        """Pass a credit. Earlier debt that it pays is recorded at its own row."""
        debt = max(0, -self.balance)
        for part in credit.parts:
            insort(self.parts, part, key=_turn)
        while debt > 0 and self.parts:
            paid = min(self.parts[0].remaining, debt)
            self._burn(self.parts[0], credit.seq, credit.seq, paid)
            debt -= paid
        self.seq, self.balance = credit.seq, credit.after

    def pass_over(self, credits: Sequence[Credit]) -> None:
        for credit in credits:
            if credit.seq > self.seq + 1:
                self.spend(credit.seq - 1, credit.before)
            self.open(credit)

    def _end(self, first: int, last: int, balance: int) -> tuple[int, int]:
        return self._reached(first, last, balance) if self._reached else (last, balance)

    def _burn(self, part: Part, first: int, last: int, amount: int) -> None:
        """Extend the grant's last range if it is still being spent."""
        part.remaining -= amount
        self.touched[part.id] = part
        if not part.remaining:
            self.parts.pop(0)
        newest = self.burns[-1] if self.burns else None
        if newest and newest.part is part and first > part.opened_seq != newest.seq_to:
            newest.seq_to, newest.amount = last, newest.amount + amount
        else:
            self.burns.append(Burn(part, first, last, amount))


def settle(org_id: UUID, wallet_id: UUID) -> bool:
    """Work out which credit grants paid for the next block of the wallet's rows. Returns True while more are left.

    Needs a transaction that holds the wallet's lock. A repeated call from the same row does nothing.
    """
    if not in_transaction():
        raise RuntimeError("settling needs a transaction")
    require_org(org_id)
    row, course, more = _course(org_id, wallet_id)
    if course.seq > row.settled_seq:
        keep(org_id, wallet_id, course.burns, list(course.touched.values()), course.seq, row.at)
    return more


def keep(org_id: UUID, wallet_id: UUID, burns: Sequence[Burn], touched: Sequence[Part], seq: int, at: datetime) -> None:
    """Store what was settled up to row `seq`. Needs the wallet's lock."""
    connection, names = db.session.connection(), {"org": org_id, "wallet": wallet_id}
    if burns:
        connection.execute(
            ledger_sql.LEFT,
            names | {"ids": [part.id for part in touched], "remaining": [part.remaining for part in touched]},
        )
        values = {
            "at": at, "ids": [ids.new() for _ in burns], "grants": [burn.part.id for burn in burns],
            "froms": [burn.seq_from for burn in burns], "tos": [burn.seq_to for burn in burns],
            "amounts": [burn.amount for burn in burns],
        }  # fmt: skip
        connection.execute(ledger_sql.BURNT, names | values)
    connection.execute(ledger_sql.SETTLED, names | {"settled": seq})


def standing(wallet: Wallet) -> list[Part]:
    """What is left of the wallet's credit grants now, in the order in which they are spent. Only reads."""
    return standing_of([wallet])[wallet.id]


def standing_of(wallets: Sequence[Wallet]) -> dict[UUID, list[Part]]:
    """The same for many wallets by wallet id, in one query. For wallets with an expiry date.

    The cost depends on the number of open grants; those not settled yet are at most those of `expiry.BACKLOG_ROWS`, or
    of one more tick. Opens its own transaction, without which the settings for the plan would end before the query.
    """
    keys = {"orgs": [wallet.org_id for wallet in wallets], "wallets": [wallet.id for wallet in wallets]}
    with transaction() as session:
        session.execute(ledger_sql.PLAN)
        slices = session.execute(ledger_sql.STANDING, keys).all()
    found: dict[UUID, list[Part]] = {wallet.id: [] for wallet in wallets}
    for wallet_id, group in groupby(slices, key=attrgetter("wallet_id")):
        found[wallet_id] = _standing(list(group))
    return found


def _standing(slices: Sequence[Row[Any]]) -> list[Part]:
    row = slices[0]
    old = [_part(one) for one in slices if one.opened_seq <= row.settled_seq]
    course = Course(row.settled_seq, row.settled_balance, old)
    course.pass_over(_credits(slices[len(old) :]))
    if row.seq > course.seq:
        course.spend(row.seq, row.balance)
    return course.parts


def _course(org_id: UUID, wallet_id: UUID) -> tuple[Row[Any], Course, bool]:
    """The wallet's row, the state of its next block, and whether more follows."""
    connection, names = db.session.connection(), {"org": org_id, "wallet": wallet_id}
    connection.execute(ledger_sql.PLAN)
    row = connection.execute(ledger_sql.WALLET, names | {"at": clock.now()}).one()
    settled = names | {"settled": row.settled_seq}

    def reached(first: int, last: int, balance: int) -> tuple[int, int]:
        values = names | {"lo": first, "hi": last, "balance": balance}
        found = connection.execute(ledger_sql.REACHED, values).one()
        return found.seq, found.balance_after

    parts = [_part(one) for one in connection.execute(ledger_sql.OPEN, settled)]
    course = Course(row.settled_seq, row.settled_balance, parts, reached)
    found = connection.execute(ledger_sql.CREDITED, settled | {"most": MOST_SLICES + 1}).all()
    more = len(found) > MOST_SLICES
    if more:  # the grants of one credit stay together
        found = [one for one in found if one.opened_seq != found[-1].opened_seq]
    course.pass_over(_credits(found))
    if not more and row.seq > course.seq:
        course.spend(row.seq, row.balance)
    return row, course, more


def _credits(rows: Sequence[Row[Any]]) -> list[Credit]:
    by_seq: dict[int, list[Row[Any]]] = {}
    for row in rows:
        by_seq.setdefault(row.opened_seq, []).append(row)
    return [
        Credit(seq, group[0].balance_before, group[0].balance_after, tuple(map(_part, group)))
        for seq, group in by_seq.items()
    ]


def _part(row: Row[Any]) -> Part:
    return Part(row.id, row.kind, row.priority, row.expires_at, row.opened_seq, row.remaining)
