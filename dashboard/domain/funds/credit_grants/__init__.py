"""A wallet's credit grants as they are now: what is left of each, what expired, and what it paid.

Credit grants are settled in blocks, by jobs. Everything here only reads, and adds what has moved since the last block.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, cast, exists, func, or_, select

from dashboard.core import clock, lists
from dashboard.core.db import db
from dashboard.core.errors import Invalid, NotFound
from dashboard.core.lists import Page
from dashboard.domain.funds import expiry, wallets
from dashboard.domain.funds.credit_grants import settlement
from dashboard.models import CreditGrant, Transaction, Wallet

_GRANT_OF = func.left(Transaction.key, 36)
"""The grant that an expiry takes from: see `expiry.grant_of`."""

State = Literal["open", "expired", "used"]
STATES: tuple[State, ...] = ("open", "expired", "used")

NAMES = {
    "signup": "Welcome credit",
    "purchase": "Purchased credit",
    "bonus": "Bonus credit",
    "deposit": "Deposited credit",
    "goodwill": "Goodwill credit",
    "promotion": "Promotional credit",
    "correction": "Correction",
    "contract": "Contract credit",
    "void": "Credit for voided usage",
}
"""By category."""


@dataclass(frozen=True, slots=True)
class CurrentGrant:
    """A credit grant with what is left of it now, in the wallet's smallest unit.

    `state`: `open` if it can be spent, `expired` if some of it was left at its expiry date, `used` if nothing was.
    `expiries` are the transactions that took out what was left: more than one if a hold kept some of it for a while.
    """

    grant: CreditGrant
    remaining: int
    state: State
    expiries: tuple[Transaction, ...] = ()

    @property
    def name(self) -> str:
        return name_of(self.grant)

    @property
    def expired(self) -> int:
        return -sum(row.amount for row in self.expiries)

    @property
    def paid(self) -> int:
        """What it paid for, including removals."""
        return self.grant.amount - self.remaining - self.expired


def name_of(grant: CreditGrant) -> str:
    return NAMES.get(grant.category, f"{grant.kind.capitalize()} credit ({grant.category})")


def taken_from(row: Transaction) -> UUID | None:
    """The credit grant that an expiry or a directed removal takes from."""
    return expiry.grant_of(row.key) if row.origin == expiry.ORIGIN else row.grant_id


def of_row(row: Transaction) -> list[CreditGrant]:
    """The credit grants that a transaction opened, or the one that it takes from."""
    taken = taken_from(row)
    if row.amount < 0 and taken is None:
        return []
    query = select(CreditGrant).filter_by(org_id=row.org_id, **({"id": taken} if taken else {"transaction_id": row.id}))
    return list(db.session.scalars(query.order_by(CreditGrant.kind.desc(), CreditGrant.id)))


def find(wallet: Wallet, grant_id: UUID) -> CurrentGrant:
    """One credit grant of the wallet. Raises NotFound."""
    row = db.session.scalar(select(CreditGrant).filter_by(org_id=wallet.org_id, wallet_id=wallet.id, id=grant_id))
    if row is None:
        raise NotFound("There is no such credit grant.")
    return _current(wallet, [row], _open(wallet))[0]


def wallet_of(org_id: UUID, grant_id: UUID) -> Wallet | None:
    """The wallet that the credit grant is a part of, or None if the organization has no such grant."""
    wallet_id = db.session.scalar(select(CreditGrant.wallet_id).filter_by(org_id=org_id, id=grant_id))
    return wallets.find(org_id, wallet_id) if wallet_id else None


def named(wallet: Wallet, grant_id: UUID) -> CurrentGrant:
    """The credit grant that a request names. Raises Invalid."""
    try:
        return find(wallet, grant_id)
    except NotFound:
        raise Invalid("The wallet has no such credit grant.", field="grant_id", code="no_such_grant") from None


def spendable(wallet: Wallet) -> list[CurrentGrant]:
    """The open credit grants in the order in which they are spent."""
    left = {grant_id: remaining for grant_id, (remaining, open_) in _open(wallet).items() if open_}
    query = _of(wallet).where(CreditGrant.id.in_(left))
    rows = {row.id: row for row in db.session.scalars(query)}
    return [CurrentGrant(rows[grant_id], remaining, "open") for grant_id, remaining in left.items()]


def page(
    wallet: Wallet, state: State | None = None, cursor: str | None = None, *, limit: int = lists.PAGE_ROWS
) -> Page[CurrentGrant]:
    """Credit grants, newest first. Raises Invalid for a malformed cursor."""
    left = _open(wallet)
    query = _of(wallet)
    if state is not None:
        query = query.where(*_in(state, left, wallet))
    result = lists.page(query, CreditGrant.id, cursor, "grants", wallet.id, state, limit=limit)
    return result.of(_current(wallet, result.rows, left))


def _of(wallet: Wallet) -> Select[CreditGrant]:
    return select(CreditGrant).filter_by(org_id=wallet.org_id, wallet_id=wallet.id)


def _open(wallet: Wallet) -> dict[UUID, tuple[int, bool]]:
    """What is left of each grant that has something left, and whether it can still be spent, in the order of
    spending."""
    now = clock.now()
    return {
        grant.id: (grant.remaining, grant.expires_at is None or grant.expires_at > now)
        for grant in settlement.open_grants(wallet)
    }


def _in(state: State, left: dict[UUID, tuple[int, bool]], wallet: Wallet) -> list[ColumnElement[bool]]:
    if state == "open":
        return [CreditGrant.id.in_([grant_id for grant_id, (_, open_) in left.items() if open_])]
    expired = or_(
        CreditGrant.id.in_([grant_id for grant_id, (_, open_) in left.items() if not open_]),
        exists().where(*_expiries(wallet), cast(CreditGrant.id, Text) == _GRANT_OF),
    )
    return [expired] if state == "expired" else [CreditGrant.id.not_in(left), ~expired]


def _expiries(wallet: Wallet) -> list[ColumnElement[bool]]:
    return [
        Transaction.org_id == wallet.org_id,
        Transaction.mode == wallet.mode,
        Transaction.origin == expiry.ORIGIN,
    ]


def _current(wallet: Wallet, rows: Sequence[CreditGrant], left: dict[UUID, tuple[int, bool]]) -> list[CurrentGrant]:
    dated = [str(row.id) for row in rows if row.expires_at]
    query = select(Transaction).where(*_expiries(wallet), _GRANT_OF.in_(dated)).order_by(Transaction.seq)
    expiries: dict[UUID, list[Transaction]] = {}
    for one in db.session.scalars(query) if dated else ():
        expiries.setdefault(expiry.grant_of(one.key), []).append(one)
    return [_with(row, left.get(row.id), expiries.get(row.id, [])) for row in rows]


def _with(grant: CreditGrant, left: tuple[int, bool] | None, expiries: list[Transaction]) -> CurrentGrant:
    remaining, open_ = left or (0, False)
    state: State = "open" if open_ else "expired" if remaining or expiries else "used"
    return CurrentGrant(grant, remaining, state, tuple(expiries))
