"""How far below zero a wallet may go; everything else of a wallet is the ledger's."""

from uuid import UUID

from sqlalchemy import select

from dashboard.core.db import db, lock
from dashboard.core.errors import Invalid, NotFound
from dashboard.core.money import LARGEST
from dashboard.domain import audit
from dashboard.domain.audit import Actor
from dashboard.models import Wallet


def set_overdraft(wallet: Wallet, *, limit_micros: int, reason: str | None, by: Actor) -> Wallet:
    """Let charges go down to `-limit_micros`. For operators. Locks the wallet. Raises Invalid."""
    if not 0 <= limit_micros <= LARGEST:
        raise Invalid("The overdraft is zero or more.", field="overdraft_limit_micros")
    row = lock(select(Wallet).filter_by(org_id=wallet.org_id, id=wallet.id))
    if row is None:
        raise NotFound
    _change(row, limit_micros, reason=reason, by=by)
    return row


def end_overdraft(org_id: UUID, *, reason: str | None, by: Actor) -> None:
    """From here on nothing is spent that is not there. Locks the organization's wallets."""
    query = select(Wallet).filter_by(org_id=org_id).order_by(Wallet.id).with_for_update()
    for row in db.session.scalars(query, execution_options={"populate_existing": True}):
        _change(row, 0, reason=reason, by=by)


def _change(row: Wallet, limit_micros: int, *, reason: str | None, by: Actor) -> None:
    if row.overdraft_limit == limit_micros:
        return
    before, row.overdraft_limit = row.overdraft_limit, limit_micros
    audit.record(
        row.org_id, by=by, action="overdraft.changed", object_kind="wallet", object_id=row.id,
        before={"overdraft_limit_micros": before}, after={"overdraft_limit_micros": limit_micros}, reason=reason,
    )  # fmt: skip
