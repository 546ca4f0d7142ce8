"""The filter choices of a wallet's list: only values that would match something."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select

from dashboard.core.db import db
from dashboard.domain.audit import names
from dashboard.models import OTHER_APPS, TRANSACTION_TYPES, Wallet, WalletDay

MOST_SUMS = 5_000
"""How many of the newest daily totals are read: years for a few apps, fifty days for a hundred."""


@dataclass(frozen=True, slots=True)
class Choices:
    """`people` and `keys` are (id, name). Removed members and revoked keys are included, because their rows remain."""

    types: list[str]
    apps: list[str]
    people: list[tuple[UUID, str]]
    keys: list[tuple[UUID, str]]


def choices(wallet: Wallet) -> Choices:
    """The types and apps of the wallet's newest daily totals, and the organization's members and keys.

    If there are older totals than it reads, all types are offered.
    """
    newest = (
        select(WalletDay.type, WalletDay.app)
        .filter_by(org_id=wallet.org_id, wallet_id=wallet.id)
        .order_by(WalletDay.day.desc())
        .limit(MOST_SUMS)
    ).subquery()
    rows = db.session.execute(select(newest.c.type, newest.c.app, func.count()).group_by(newest.c.type, newest.c.app))
    sums = {(type_, app): int(count) for type_, app, count in rows}
    complete = sum(sums.values()) < MOST_SUMS
    return Choices(
        types=sorted({type_ for type_, _ in sums} if complete else TRANSACTION_TYPES),
        apps=sorted({app for _, app in sums} - {"", OTHER_APPS})[: names.MOST_CHOICES],
        people=names.people_of(wallet.org_id),
        keys=names.keys_of(wallet.org_id),
    )
