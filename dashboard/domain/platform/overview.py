"""The platform's overview: what needs attention, what was posted today, what is owed to customers."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, func, literal, null, select, union_all

from dashboard.config import settings
from dashboard.core import clock
from dashboard.core.db import db
from dashboard.domain.funds import seals, wallets
from dashboard.domain.platform import webhooks
from dashboard.domain.usage.charging import waiting
from dashboard.models import (
    OVERDRAWN,
    TRANSACTION_TYPES,
    InboxEvent,
    Lease,
    Organization,
    OrgDirectory,
    OutboxEmail,
    Payment,
    ProviderPrice,
    UsageEvent,
    Wallet,
    WalletDay,
)

TICK = "tick"
TICK_GRACE = timedelta(minutes=1)
PATIENCE = timedelta(minutes=5)
"""How long something may wait before it needs attention: retries and the sweep come first."""


@dataclass(frozen=True, slots=True)
class WorkItem:
    """Something that needs attention. `kind`: inbox_parked, inbox_failed, inbox_waiting, payment_review,
    payment_unknown, payment_uncredited, price_drift (packs not sold), usage_parked (events without a
    price), external_keys (set by owners), mail_parked,
    mail_waiting, mail_unset (no mail server configured), overdrawn, tick_late, seals_late (wallets), webhooks_silent
    (payments credited without one). `oldest` is None if no time is known."""

    kind: str
    count: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class MoneyToday:
    """This UTC day over all platform-funded organizations, in micros. Outgoing amounts are positive too."""

    bought_micros: int
    granted_micros: int
    used_micros: int
    removed_micros: int
    refunded_micros: int


@dataclass(frozen=True, slots=True)
class Liability:
    """`total_micros` is the sum of all balances; `overdrawn_micros` (zero or less) is the part that is owed to us."""

    total_micros: int
    overdrawn_micros: int
    wallets: int


def work_list(mode: str) -> list[WorkItem]:
    """What needs attention in a mode, most urgent first; empty if nothing does. The tick and the inbox are shared by
    all modes."""
    rows = {kind: WorkItem(kind, int(count), oldest) for kind, count, oldest in db.session.execute(_counts(mode))}
    order = (
        "payment_review", "inbox_parked", "payment_uncredited", "payment_unknown", "inbox_failed", "inbox_waiting",
        "price_drift", "usage_parked", "external_keys", "mail_parked", "mail_unset", "mail_waiting", "overdrawn",
    )  # fmt: skip
    late = [item for item in (_tick_late(), _seals_late(), _webhooks_silent(mode)) if item]
    return late + [rows[kind] for kind in order if kind in rows and rows[kind].count]


def money_today(mode: str) -> MoneyToday:
    """What was posted today, from the daily totals."""
    rows = db.session.execute(
        select(WalletDay.type, func.sum(WalletDay.amount))
        .select_from(Wallet)
        .join(Organization, Organization.id == Wallet.org_id)
        .join(WalletDay, and_(WalletDay.org_id == Wallet.org_id, WalletDay.wallet_id == Wallet.id))
        .where(*_counted(mode), WalletDay.day == clock.today())
        .group_by(WalletDay.type)
    )
    bought = granted = 0
    outgo = Counter[str | None]()
    for name, amount in rows:
        kind = TRANSACTION_TYPES[name]
        outgo[kind.outgo] += int(amount)
        bought += int(amount) if kind.revenue else 0
        granted += int(amount) if kind.income and not kind.revenue else 0
    return MoneyToday(
        bought_micros=bought,
        granted_micros=granted,
        used_micros=-outgo["used"],
        removed_micros=-outgo["removed"],
        refunded_micros=-outgo["refunded"],
    )


def liability(mode: str) -> Liability:
    """What the platform owes its customers: the balances of all platform-funded organizations."""
    total, overdrawn, wallets = db.session.execute(
        select(
            func.coalesce(func.sum(Wallet.balance), 0),
            func.coalesce(func.sum(Wallet.balance).filter(Wallet.balance < 0), 0),
            func.count(),
        )
        .join(Organization, Organization.id == Wallet.org_id)
        .where(*_counted(mode))
    ).one()
    return Liability(int(total), int(overdrawn), wallets)


def _counted(mode: str) -> list[Any]:
    """Wallets that hold the platform's money. Those of a self-funded organization are its own money."""
    return [Wallet.mode == mode, wallets.in_dollars(), Organization.funding == "platform"]


def _counts(mode: str) -> Any:
    """One statement: kind, how many, since when."""
    late = func.now() - PATIENCE

    def inbox(kind: str, *conditions: Any) -> Select[str, int, datetime]:
        return select(literal(kind), func.count(), func.min(InboxEvent.created_at)).where(*conditions)

    def payment(kind: str, *conditions: Any) -> Select[str, int, datetime]:
        return select(literal(kind), func.count(), func.min(Payment.changed_at)).where(
            Payment.mode == mode, *conditions
        )

    return union_all(
        inbox("inbox_parked", InboxEvent.state == "parked"),
        inbox("inbox_failed", InboxEvent.state == "failed"),
        inbox("inbox_waiting", InboxEvent.state == "received", InboxEvent.created_at < late),
        payment("payment_review", Payment.state == "review"),
        payment("payment_unknown", Payment.state == "unknown", Payment.changed_at < late),
        payment("payment_uncredited", Payment.state == "paid", Payment.changed_at < late),
        select(literal("price_drift"), func.count(), func.min(ProviderPrice.checked_at)).where(
            ProviderPrice.mode == mode, ProviderPrice.state == "drift"
        ),
        select(literal("usage_parked"), func.count(), func.min(UsageEvent.created_at)).where(
            UsageEvent.mode == mode, *waiting.is_parked()
        ),
        select(literal("external_keys"), func.count(), null()).where(OrgDirectory.unconfirmed()),
        _mail("mail_parked", OutboxEmail.state == "parked"),
        _mail(_waiting_mail(), OutboxEmail.state.in_(("waiting", "failed")), OutboxEmail.created_at < late),
        select(literal("overdrawn"), func.count(), func.min(Wallet.last_posted_at))
        .join(Organization, Organization.id == Wallet.org_id)
        .where(*_counted(mode), Wallet.level == OVERDRAWN),
    )


def _mail(kind: str, *conditions: Any) -> Select[str, int, datetime]:
    return select(literal(kind), func.count(), func.min(OutboxEmail.created_at)).where(*conditions)


def _waiting_mail() -> str:
    """What waiting emails mean here: in development without a server, they are supposed to wait."""
    if settings().smtp.url:
        return "mail_waiting"
    return "mail_unset" if settings().production else "mail_kept"


def _tick_late() -> WorkItem | None:
    """Whether the recurring tick stopped, by the database's clock. Without it, nothing is swept."""
    until, now = db.session.execute(
        select(select(Lease.until).where(Lease.name == TICK).scalar_subquery(), func.now())
    ).one()
    if until is not None and until >= now - TICK_GRACE:
        return None
    return WorkItem("tick_late", 1, until)


def _webhooks_silent(mode: str) -> WorkItem | None:
    """Whether payments were credited without any webhook, so that buyers wait minutes instead of seconds."""
    silence = webhooks.silence(mode)
    return WorkItem("webhooks_silent", silence.payments, silence.since) if silence else None


def _seals_late() -> WorkItem | None:
    """Whether rows have been unsealed for so long that sealing itself must be at fault."""
    lag = seals.lag(older=seals.LATE_SECONDS)
    return WorkItem("seals_late", lag.wallets, lag.oldest) if lag.wallets else None
