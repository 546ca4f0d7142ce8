"""Voids: takes a usage event back that should not have counted.

A void gives back `cost(n) - cost(n - units)`, where n is the position of the event's price at that moment, so what is
charged is always the price of the units that still count. With a free allowance or tiers this can be more or less than
the event cost. It is a reversal in the event's wallet, or no transaction if it is zero.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from dashboard.core import clock, units
from dashboard.core.db import db, retrying, transaction
from dashboard.core.errors import NotFound
from dashboard.domain import audit, org_status
from dashboard.domain.audit import Actor
from dashboard.domain.funds import ledger, spend_limits, wallets
from dashboard.domain.funds.credit_grants import settlement
from dashboard.domain.funds.ledger import NewGrant, Posting
from dashboard.domain.funds.spend_limits import LimitId, Spender
from dashboard.domain.usage import counters, metrics, positions
from dashboard.domain.usage.counters import Move
from dashboard.domain.usage.pricing.formula import Formula
from dashboard.models import PLATFORM_ORG_ID, ApiKey, Organization, Price, Transaction, UsageEvent, Wallet

ORIGIN = CATEGORY = "void"
LEAST_DAYS = 30
"""For how many days credit that is given back can be spent at least, if it had an expiry date."""


@dataclass(frozen=True, slots=True)
class Voided:
    """A voided event and its wallet. `replayed`: it was voided before, and nothing was changed now."""

    event: UsageEvent
    wallet: Wallet
    replayed: bool


def gives_back(event: UsageEvent) -> int:
    """What a void would credit now, in micros; exact while the event's wallet is locked. Only reads."""
    if event.state != "charged" or event.voided_at is not None:
        return 0
    price, position = _reached(event)
    after = position.start + position.units
    return Formula.of(price).between(after - event.units, after)


@retrying
def void(org: Organization, event_id: UUID, *, mode: str, reason: str, by: Actor) -> Voided:
    """Void an event, once; a repeated call changes nothing, whatever its reason. For operators, and for those who lead
    a self-funded organization.

    What the event cost has room again in the spend limits' windows in which it was charged. Opens its own transaction.
    Locks the event's wallet, then the limits' windows. Raises Invalid for the reason, NotFound.
    """
    reason, org_id = audit.checked_reason(reason), org.id
    with transaction(org=org_id):
        org_status.hold_open(org_id)
        wallet_id = db.session.scalar(select(UsageEvent.wallet_id).filter_by(org_id=org_id, id=event_id, mode=mode))
        if wallet_id is None:
            raise NotFound("There is no such usage event.")
        wallet = wallets.lock_all(org_id, mode, {wallet_id})[wallet_id]
        event = db.session.get_one(UsageEvent, (org_id, event_id), populate_existing=True)
        if event.voided_at is not None:
            return Voided(event, wallet, replayed=True)
        credited = gives_back(event)
        posting = _credit(org, wallet, event, credited, reason=reason, by=by) if credited else None
        if event.state == "charged":
            _move_back(wallet, event, credited)
        _free_limits(org, event, credited)
        counters.add(org_id, wallet.id, [Move(event, -event.units, -credited, -1)])
        event.voided_at, event.void_reason, event.credited = clock.now(), reason, credited
        event.void_transaction_id = posting.id if posting else None
        audit.record(
            event, "usage.voided", by=by, reason=reason,
            before={"units": event.units, "balance": posting.balance_before if posting else wallet.balance},
            after={"amount": credited, "balance": posting.balance_after if posting else wallet.balance},
        )  # fmt: skip
        db.session.flush()
        db.session.refresh(wallet)
        return Voided(event, wallet, replayed=False)


def _credit(
    org: Organization, wallet: Wallet, event: UsageEvent, amount: int, *, reason: str, by: Actor
) -> Posting:  # fmt: skip
    metric = metrics.require(metrics.owner_of(org), event.metric_key)
    return ledger.post(
        wallet, type="reversal", amount=amount, origin=ORIGIN, key=str(event.id), by=by, reason=reason,
        description=f"Voided: {units.counted(event.units, metric.unit)}", app=event.app, member_id=event.member_id,
        slices=_grants(wallet, event, amount),
    )  # fmt: skip


def _grants(wallet: Wallet, event: UsageEvent, amount: int) -> list[NewGrant]:
    """Like the credit that paid for the event: its kind and priority, and its expiry date, but 30 days at least."""
    seq = db.session.scalar(select(Transaction.seq).filter_by(org_id=wallet.org_id, id=event.transaction_id))
    least = clock.now() + timedelta(days=LEAST_DAYS)
    parts = settlement.payers(wallet, seq, amount)
    return [
        NewGrant(grant.kind, CATEGORY, part, grant.priority, max(grant.expires_at, least) if grant.expires_at else None)
        for grant, part in parts
    ] or [NewGrant("paid", CATEGORY, amount)]


def _free_limits(org: Organization, event: UsageEvent, credited: int) -> None:
    """Take what is given back off the windows in which the event's charge was counted."""
    charge = db.session.get(Transaction, (event.org_id, event.transaction_id)) if event.transaction_id else None
    if charge is None or not credited:
        return
    key = db.session.scalar(
        select(ApiKey).where(ApiKey.id == event.api_key_id, ApiKey.org_id.in_({org.id, PLATFORM_ORG_ID}))
    )
    cap = LimitId(key.org_id, key.limit_id) if key and key.limit_id else None
    spender = Spender(event.member_id, cap, event.app)
    limits = spend_limits.applicable(org, spender, mode=event.mode)
    spend_limits.give_back(limits, amount=min(credited, event.cost or 0), at=charge.created_at)


def _reached(event: UsageEvent) -> tuple[Price, positions.Position]:
    """The event's price, and how far its wallet has come with it."""
    owners = (event.org_id, PLATFORM_ORG_ID)
    price = db.session.scalars(select(Price).where(Price.org_id.in_(owners), Price.id == event.price_id)).one()
    place = _place(event)
    wallet = db.session.get_one(Wallet, (event.org_id, event.wallet_id))
    return price, positions.read(wallet, {place})[place]


def _place(event: UsageEvent) -> positions.Place:
    if event.period_start is None or event.price_id is None:
        raise LookupError(f"usage event {event.id} has no price")
    return event.metric_key, event.period_start, event.price_id


def _move_back(wallet: Wallet, event: UsageEvent, credited: int) -> None:
    _, position = _reached(event)
    units, cost = position.units - event.units, position.cost - credited
    positions.store(wallet, {_place(event): replace(position, units=units, cost=cost)})
