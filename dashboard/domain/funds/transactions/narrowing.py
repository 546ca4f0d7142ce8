"""What a wallet's list can be narrowed to: only what would find something."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from dashboard.core.db import db
from dashboard.models import ApiKey, Membership, User, Wallet, WalletDay

MOST_CHOICES = 200


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
    people = db.session.execute(
        select(User.id, User.name, User.email)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.org_id == wallet.org_id)
        .distinct()
        .order_by(User.name)
        .limit(MOST_CHOICES)
    )
    keys = db.session.execute(
        select(ApiKey.id, ApiKey.name, ApiKey.prefix)
        .filter_by(org_id=wallet.org_id)
        .order_by(ApiKey.name, ApiKey.id)
        .limit(MOST_CHOICES)
    )
    return Choices(
        types=sorted({row.type for row in found}),
        apps=sorted({row.app for row in found if row.app})[:MOST_CHOICES],
        people=[(user_id, name or email) for user_id, name, email in people],
        keys=[(key_id, f"{name} ({prefix})") for key_id, name, prefix in keys],
    )
