"""What a wallet's list can be narrowed to: only what would find something."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from dashboard.core.db import db
from dashboard.domain.audit import names
from dashboard.models import Wallet, WalletDay


@dataclass(frozen=True, slots=True)
class Choices:
    """`people` and `keys` are (id, name); removed people and revoked keys stay, as their rows do."""

    types: list[str]
    apps: list[str]
    people: list[tuple[UUID, str]]
    keys: list[tuple[UUID, str]]


def choices(wallet: Wallet) -> Choices:
    """The types and apps of the wallet's rows, and the organization's people and keys."""
    found = db.session.execute(
        select(WalletDay.type, WalletDay.app).filter_by(org_id=wallet.org_id, wallet_id=wallet.id).distinct()
    ).all()
    return Choices(
        types=sorted({row.type for row in found}),
        apps=sorted({row.app for row in found if row.app})[: names.MOST_CHOICES],
        people=names.people_of(wallet.org_id),
        keys=names.keys_of(wallet.org_id),
    )
