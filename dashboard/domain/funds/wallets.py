"""Wallets: the only module that opens, finds and locks them. Their content belongs to the ledger.

A wallet counts one unit in one mode for one holder. Unit and mode are read from the row, never assumed.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, false, or_, select, tuple_

from dashboard.core.db import db, lock
from dashboard.core.errors import Invalid, NotFound
from dashboard.core.money import LARGEST
from dashboard.domain import audit
from dashboard.domain.audit import Actor
from dashboard.models import Transaction, Wallet

MODES = ("test", "live")
USD = "usd"
"""Micro-dollars: the unit of money. Every other unit counts what a plan gives, such as `mentorship_hours`."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who a wallet belongs to within its organization: at most one of these; none means the organization itself."""

    membership_id: UUID | None = None
    team_id: UUID | None = None
    seat_id: UUID | None = None
    end_user_id: UUID | None = None

    def columns(self) -> dict[str, UUID | None]:
        return {name: getattr(self, name) for name in ("membership_id", "team_id", "seat_id", "end_user_id")}


ORGANIZATION = Holder()


def holder_of(row: Wallet) -> Holder:
    return Holder(row.membership_id, row.team_id, row.seat_id, row.end_user_id)


def open_wallet(org_id: UUID, *, mode: str, unit: str = USD, holder: Holder = ORGANIZATION) -> Wallet:
    """Open a new, empty wallet. Needs the organization's transaction. The database rejects a second one of the same
    kind."""
    row = Wallet(org_id=org_id, mode=mode, unit=unit, **holder.columns())
    db.session.add(row)
    db.session.flush()
    return row


def of_organization(org_id: UUID, mode: str, *, fresh: bool = False) -> Wallet:
    """The organization's own dollar wallet in a mode. It is opened with the organization, so there is one. `fresh`
    reads it again even if the session already holds it."""
    query = select(Wallet).where(Wallet.org_id == org_id, *is_organizations(mode))
    return db.session.scalars(query, execution_options={"populate_existing": fresh}).one()


def of_organizations(org_ids: Iterable[UUID], mode: str) -> dict[UUID, Wallet]:
    """The organizations' own dollar wallets, by organization."""
    query = select(Wallet).where(Wallet.org_id.in_(org_ids), *is_organizations(mode))
    return {row.org_id: row for row in db.session.scalars(query)}


def is_organizations(mode: str) -> list[ColumnElement[bool]]:
    """Conditions on `Wallet` that select what `of_organization` finds, for queries over many organizations."""
    return [
        Wallet.mode == mode,
        Wallet.unit == USD,
        *(getattr(Wallet, name).is_(None) for name in ORGANIZATION.columns()),
    ]


def in_dollars() -> ColumnElement[bool]:
    """Condition on `Wallet`, for every holder: only dollars add up to money."""
    return Wallet.unit == USD


def find(org_id: UUID, wallet_id: UUID) -> Wallet | None:
    return db.session.get(Wallet, (org_id, wallet_id))


def in_mode(org_id: UUID, mode: str) -> Select[Wallet]:
    """All wallets of the organization in a mode, of every unit and holder, newest first."""
    return select(Wallet).filter_by(org_id=org_id, mode=mode).order_by(Wallet.id.desc())


def only_one(org_id: UUID, mode: str) -> Wallet | None:
    """The wallet of an organization that has only one in the mode: within a wallet, `seq` gives the exact order."""
    rows = db.session.scalars(in_mode(org_id, mode).limit(2)).all()
    return rows[0] if len(rows) == 1 else None


def every(org_id: UUID) -> list[Wallet]:
    """All wallets of the organization as they are now, in both modes."""
    query = select(Wallet).filter_by(org_id=org_id).order_by(Wallet.mode, Wallet.id)
    return list(db.session.scalars(query, execution_options={"populate_existing": True}))


def as_of_now(org_id: UUID, wallet_ids: Collection[UUID]) -> dict[UUID, Wallet]:
    """These wallets of the organization, read again."""
    query = select(Wallet).where(Wallet.org_id == org_id, Wallet.id.in_(wallet_ids))
    return {row.id: row for row in db.session.scalars(query, execution_options={"populate_existing": True})}


def units_of(rows: Iterable[Transaction]) -> dict[UUID, str]:
    """The unit of each row's wallet, in one query."""
    keys = {(row.org_id, row.wallet_id) for row in rows}
    query = select(Wallet.id, Wallet.unit).where(tuple_(Wallet.org_id, Wallet.id).in_(keys))
    return {row.id: row.unit for row in db.session.execute(query)} if keys else {}


def locked(org_id: UUID, mode: str) -> Wallet:
    """The organization's own dollar wallet in its current state, locked until the end of the transaction."""
    row = lock(select(Wallet).where(Wallet.org_id == org_id, *is_organizations(mode)))
    if row is None:
        raise NotFound("There is no such wallet.")
    return row


def lock_one(org_id: UUID, wallet_id: UUID) -> Wallet:
    """The wallet in its current state, locked until the end of the transaction. Raises NotFound."""
    row = lock(select(Wallet).filter_by(org_id=org_id, id=wallet_id))
    if row is None:
        raise NotFound("There is no such wallet.")
    return row


def lock_all(org_id: UUID, mode: str, wallet_ids: Collection[UUID | None]) -> dict[UUID | None, Wallet]:
    """These wallets in their current state, locked in order of id until the end of the transaction, by their ids. None
    stands for the organization's own dollar wallet. Raises NotFound if one is missing or of another mode."""
    named = {one for one in wallet_ids if one}
    own = and_(*is_organizations(mode)) if None in wallet_ids else false()
    query = select(Wallet).filter_by(org_id=org_id, mode=mode).where(or_(Wallet.id.in_(named), own))
    rows = db.session.scalars(
        query.order_by(Wallet.id).with_for_update(), execution_options={"populate_existing": True}
    ).all()
    found: dict[UUID | None, Wallet] = {row.id: row for row in rows if row.id in named}
    found.update((None, row) for row in rows if None in wallet_ids and _is_own(row))
    if found.keys() != set(wallet_ids):
        raise NotFound("There is no such wallet.")
    return found


def _is_own(row: Wallet) -> bool:
    """What `is_organizations` selects."""
    return row.unit == USD and holder_of(row) == ORGANIZATION


def set_overdraft(wallet: Wallet, *, limit_micros: int, reason: str | None, by: Actor) -> Wallet:
    """Allow charges down to `-limit_micros`. For operators. Locks the wallet. Raises Invalid."""
    if not 0 <= limit_micros <= LARGEST:
        raise Invalid("The overdraft is zero or more.", field="overdraft_limit_micros")
    row = lock_one(wallet.org_id, wallet.id)
    _change(row, limit_micros, reason=reason, by=by)
    return row


def end_overdraft(org_id: UUID, *, reason: str | None, by: Actor) -> None:
    """From now on, nothing can be spent beyond the balance. Locks the organization's wallets."""
    query = select(Wallet).filter_by(org_id=org_id).order_by(Wallet.id).with_for_update()
    for row in db.session.scalars(query, execution_options={"populate_existing": True}):
        _change(row, 0, reason=reason, by=by)


def _change(row: Wallet, limit_micros: int, *, reason: str | None, by: Actor) -> None:
    if row.overdraft_limit == limit_micros:
        return
    before, row.overdraft_limit = row.overdraft_limit, limit_micros
    audit.record(
        row, "overdraft.changed", by=by, before={"overdraft_limit_micros": before},
        after={"overdraft_limit_micros": limit_micros}, reason=reason,
    )  # fmt: skip
