"""Settlement: which credit grant paid for which transaction. A pure function of the ledger's order, computed only if
credit has an expiry date.

Debits use promotional credit before paid credit, then by priority, earliest expiry date and age. What they take beyond
all credit grants is debt, which the next credit pays first. Between two credits the balance only falls, so a binary
search finds the row at which a grant ends: the cost depends on the number of credits, not of rows.
"""

from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, select

from dashboard.core import clock, ids
from dashboard.core.db import db, in_transaction, require_org, transaction
from dashboard.domain.funds import ledger_sql
from dashboard.models import CreditGrant, GrantBurn, Transaction, Wallet

MOST_GRANTS = 2_000
"""The maximum number of credit grants that one block opens."""

_NEVER = datetime.max.replace(tzinfo=UTC)

Reached = Callable[[int, int, int], tuple[int, int]]
"""(first, last, balance) -> the first of these debits that leaves `balance` or less, and what it leaves."""


@dataclass(slots=True)
class OpenGrant:
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
class Allocation:
    grant: OpenGrant
    seq_from: int
    seq_to: int
    amount: int


@dataclass(frozen=True, slots=True)
class Sources:
    """What a debit takes: micros of promotional and of paid credit, and the debt beyond all credit."""

    promotional: int
    paid: int
    debt: int


@dataclass(frozen=True, slots=True)
class Credit:
    """A transaction that opened credit grants, and the balances before and after it."""

    seq: int
    before: int
    after: int
    grants: tuple[OpenGrant, ...]


class Settlement:
    """The credit grants while rows pass, starting at a settled row. `allocations` grows by one range per grant and
    stretch."""

    def __init__(self, seq: int, balance: int, grants: Iterable[OpenGrant], reached: Reached | None = None) -> None:
        self.seq, self.balance = seq, balance
        self.grants = sorted(grants, key=_turn)
        self.allocations: list[Allocation] = []
        self.touched: dict[UUID, OpenGrant] = {}
        self._reached = reached

    def spend(self, seq: int, balance: int) -> None:
        """Pass the debits up to row `seq`, which leaves `balance`."""
        first, at, last, amount = self.seq + 1, self.balance, seq, self.balance - balance
        while amount > 0 and self.grants:
            grant = self.grants[0]
            paid = min(grant.remaining, amount)
            amount, at = amount - paid, at - paid
            end, left = (last, balance) if at == balance else self._end(first, last, at)
            self._allocate(grant, first, end, paid)
            first = end if left < at else end + 1
        self.seq, self.balance = seq, balance

    def open(self, credit: Credit) -> None:
        """Pass a credit. Earlier debt that it pays is recorded at its own row."""
        debt = max(0, -self.balance)
        for grant in credit.grants:
            insort(self.grants, grant, key=_turn)
        while debt > 0 and self.grants:
            paid = min(self.grants[0].remaining, debt)
            self._allocate(self.grants[0], credit.seq, credit.seq, paid)
            debt -= paid
        self.seq, self.balance = credit.seq, credit.after

    def pass_over(self, credits: Sequence[Credit]) -> None:
        for credit in credits:
            if credit.seq > self.seq + 1:
                self.spend(credit.seq - 1, credit.before)
            self.open(credit)

    def _end(self, first: int, last: int, balance: int) -> tuple[int, int]:
        return self._reached(first, last, balance) if self._reached else (last, balance)

    def _allocate(self, grant: OpenGrant, first: int, last: int, amount: int) -> None:
        """Extend the grant's last range if it is still being spent."""
        grant.remaining -= amount
        self.touched[grant.id] = grant
        if not grant.remaining:
            self.grants.pop(0)
        newest = self.allocations[-1] if self.allocations else None
        if newest and newest.grant is grant and first > grant.opened_seq != newest.seq_to:
            newest.seq_to, newest.amount = last, newest.amount + amount
        else:
            self.allocations.append(Allocation(grant, first, last, amount))


def settle(org_id: UUID, wallet_id: UUID) -> bool:
    """Work out which credit grants paid for the next block of the wallet's rows. Returns True while more are left.

    Needs a transaction that holds the wallet's lock. A repeated call from the same row does nothing.
    """
    if not in_transaction():
        raise RuntimeError("settling needs a transaction")
    require_org(org_id)
    row, settlement, more = _settlement(org_id, wallet_id)
    if settlement.seq > row.settled_seq:
        keep(org_id, wallet_id, settlement.allocations, list(settlement.touched.values()), settlement.seq, row.at)
    return more


def keep(
    org_id: UUID,
    wallet_id: UUID,
    allocations: Sequence[Allocation],
    touched: Sequence[OpenGrant],
    seq: int,
    at: datetime,
) -> None:
    """Store what was settled up to row `seq`. Needs the wallet's lock."""
    connection, names = db.session.connection(), {"org": org_id, "wallet": wallet_id}
    if allocations:
        connection.execute(
            ledger_sql.LEFT,
            names | {"ids": [grant.id for grant in touched], "remaining": [grant.remaining for grant in touched]},
        )
        values = {
            "at": at, "ids": [ids.new() for _ in allocations], "grants": [one.grant.id for one in allocations],
            "froms": [one.seq_from for one in allocations], "tos": [one.seq_to for one in allocations],
            "amounts": [one.amount for one in allocations],
        }  # fmt: skip
        connection.execute(ledger_sql.BURNT, names | values)
    connection.execute(ledger_sql.SETTLED, names | {"settled": seq})


def sources(wallet: Wallet, amount: int) -> Sources:
    """What a debit of `amount` would take now; expired credit leaves first. Only reads; exact while the wallet is
    locked."""
    now = clock.now()
    grants = [grant for grant in open_grants(wallet) if grant.expires_at is None or grant.expires_at > now]
    settlement = Settlement(0, amount, grants)
    settlement.spend(1, 0)
    taken = {"promotional": 0, "paid": 0}
    for part in settlement.allocations:
        taken[part.grant.kind] += part.amount
    return Sources(**taken, debt=amount - sum(taken.values()))


def payers(wallet: Wallet, seq: int | None, amount: int) -> list[tuple[CreditGrant, int]]:
    """The credit grants that a correction of `amount` gives back to: those that paid row `seq`, the last one first; if
    that row took nothing, or there is none, what was spent last. Empty if nothing was.

    Settles the wallet. Needs its lock.
    """
    while settle(wallet.org_id, wallet.id):
        pass
    query = (
        select(GrantBurn.amount, CreditGrant)
        .join(CreditGrant, and_(CreditGrant.org_id == GrantBurn.org_id, CreditGrant.id == GrantBurn.grant_id))
        .where(GrantBurn.org_id == wallet.org_id, GrantBurn.wallet_id == wallet.id)
        .order_by(GrantBurn.id.desc())
    )
    paid = db.session.execute(query.where(GrantBurn.seq_from <= seq, GrantBurn.seq_to >= seq)).all() if seq else []
    if not paid:
        lapsed = select(Transaction.id).filter_by(org_id=wallet.org_id, wallet_id=wallet.id, type="expiry")
        spent = query.where(~lapsed.where(Transaction.seq == GrantBurn.seq_to).exists())
        paid = db.session.execute(spent.limit(1)).all()
    parts, left = [], amount
    for number, (burnt, grant) in enumerate(paid, 1):
        part = left if number == len(paid) else min(burnt, left)
        parts += [(grant, part)] if part else []
        left -= part
    return parts


def open_grants(wallet: Wallet) -> list[OpenGrant]:
    """What is left of the wallet's credit grants now, in the order in which they are spent. Only reads."""
    return open_grants_of([wallet])[wallet.id]


def open_grants_of(wallets: Sequence[Wallet]) -> dict[UUID, list[OpenGrant]]:
    """The same for many wallets by wallet id, in one query. For wallets with an expiry date.

    The cost depends on the number of open grants; those not settled yet are at most those of `expiry.BACKLOG_ROWS`, or
    of one more tick. Runs in the open transaction or in its own, without which the settings for the plan would end
    before the query.
    """
    keys = {"orgs": [wallet.org_id for wallet in wallets], "wallets": [wallet.id for wallet in wallets]}
    with nullcontext(db.session()) if in_transaction() else transaction() as session:
        session.execute(ledger_sql.PLAN)
        grants = session.execute(ledger_sql.STANDING, keys).all()
    grants_of: dict[UUID, list[OpenGrant]] = {wallet.id: [] for wallet in wallets}
    for wallet_id, group in groupby(grants, key=attrgetter("wallet_id")):
        grants_of[wallet_id] = _open_grants(list(group))
    return grants_of


def ahead(org_id: UUID, wallet_id: UUID) -> Settlement:
    """What the next block of the wallet's rows will be settled to. Only reads; needs a transaction."""
    return _settlement(org_id, wallet_id)[1]


def _open_grants(grants: Sequence[Row[Any]]) -> list[OpenGrant]:
    row = grants[0]
    old = [_open_grant(one) for one in grants if one.opened_seq <= row.settled_seq]
    settlement = Settlement(row.settled_seq, row.settled_balance, old)
    settlement.pass_over(_credits(grants[len(old) :]))
    if row.seq > settlement.seq:
        settlement.spend(row.seq, row.balance)
    return settlement.grants


def _settlement(org_id: UUID, wallet_id: UUID) -> tuple[Row[Any], Settlement, bool]:
    """The wallet's row, the state of its next block, and whether more follows."""
    connection, names = db.session.connection(), {"org": org_id, "wallet": wallet_id}
    connection.execute(ledger_sql.PLAN)
    row = connection.execute(ledger_sql.WALLET, names | {"at": clock.now()}).one()
    settled = names | {"settled": row.settled_seq}

    def reached(first: int, last: int, balance: int) -> tuple[int, int]:
        values = names | {"lo": first, "hi": last, "balance": balance}
        rows = connection.execute(ledger_sql.REACHED, values).one()
        return rows.seq, rows.balance_after

    grants = [_open_grant(one) for one in connection.execute(ledger_sql.OPEN, settled)]
    settlement = Settlement(row.settled_seq, row.settled_balance, grants, reached)
    rows = connection.execute(ledger_sql.CREDITED, settled | {"most": MOST_GRANTS + 1}).all()
    more = len(rows) > MOST_GRANTS
    if more:  # the grants of one credit stay together
        rows = [one for one in rows if one.opened_seq != rows[-1].opened_seq]
    settlement.pass_over(_credits(rows))
    if not more and row.seq > settlement.seq:
        settlement.spend(row.seq, row.balance)
    return row, settlement, more


def _credits(rows: Sequence[Row[Any]]) -> list[Credit]:
    by_seq: dict[int, list[Row[Any]]] = {}
    for row in rows:
        by_seq.setdefault(row.opened_seq, []).append(row)
    return [
        Credit(seq, group[0].balance_before, group[0].balance_after, tuple(map(_open_grant, group)))
        for seq, group in by_seq.items()
    ]


def _open_grant(row: Row[Any]) -> OpenGrant:
    return OpenGrant(row.id, row.kind, row.priority, row.expires_at, row.opened_seq, row.remaining)
