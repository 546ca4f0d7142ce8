"""Records usage and charges it at once, one event or a thousand, each exactly once.

The wallets are locked before anything is read that decides on a cost (`charges`). Events of one wallet are charged in
order until the first that does not fit; from there on they are refused and count for nothing. An event can also be
recorded only, and charged later (`waiting`): its units count at once, its cost when it is charged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from dashboard.config import settings
from dashboard.core import clock, ids
from dashboard.core.db import retrying, sqlstate, transaction
from dashboard.core.errors import CofferError, Invalid
from dashboard.domain import org_status
from dashboard.domain.audit import Actor
from dashboard.domain.funds import spend_limits, wallets
from dashboard.domain.funds.ledger import KeyReused
from dashboard.domain.funds.spend_limits import Spender
from dashboard.domain.org_status import OrgAction
from dashboard.domain.usage import counters, metrics, new_events
from dashboard.domain.usage.charging import charges
from dashboard.domain.usage.charging.charges import LimitsOf, Unpriced
from dashboard.domain.usage.counters import Move
from dashboard.domain.usage.new_events import AnyEvent, NewEvent
from dashboard.models import Organization, UsageEvent, Wallet

AHEAD = timedelta(minutes=5)
"""How far in the future an event may lie, because clocks differ."""
UNIQUE_VIOLATION = "23505"
RACES = 3


class UnknownMetric(Invalid):
    code = "unknown_metric"


class TooLate(Invalid):
    code = "outside_window"


@dataclass(frozen=True, slots=True)
class Usage:
    """One event as it was sent. `units` counts what the metric counts, at least 1. `charge`: charge it now, or only
    record it. `wallet_id`: what pays, by default the organization's own wallet. `member_id`: the user to whom it
    counts, by default the one who acts."""

    metric_key: str
    units: int
    key: str
    body_hash: bytes
    occurred_at: datetime | None = None
    app: str = ""
    properties: dict[str, str] = field(default_factory=dict)
    charge: bool = True
    wallet_id: UUID | None = None
    member_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """`duplicate`: the event was recorded before, and nothing was charged now."""

    event: AnyEvent
    duplicate: bool = False


Result = Recorded | CofferError


def record(
    org: Organization, usages: Sequence[Usage], *, mode: str, by: Actor, api_key_id: UUID | None,
    spender: Spender | None = None,
) -> tuple[list[Result], int]:  # fmt: skip
    """Record and charge these events. Returns their results in order, and the balance of the wallet that pays
    afterwards; of the organization's own, if they name several.

    They count towards every spend limit that applies to `spender`, by default the user behind `by`, each with its app.
    Opens its own transaction; call it outside one. Locks the wallets in order of id, then the limits' windows. A
    rejected event is returned as its error: Invalid, UnknownMetric, TooLate, Unpriced, KeyReused, InsufficientFunds,
    WalletFrozen, LimitReached. Raises OrgSuspended, NotFound for a closed organization.
    """
    org_status.require_state(OrgAction.SPEND, org)
    limits_of = _limits(org, usages, spender or Spender(by.user_id), mode)
    for race in range(RACES):
        try:
            return _once(org, usages, mode=mode, by=by, api_key_id=api_key_id, limits_of=limits_of)
        except IntegrityError as error:  # another wallet's event took one of the keys in the meantime
            if sqlstate(error) != UNIQUE_VIOLATION or race == RACES - 1:
                raise
    raise AssertionError("unreachable")


def _limits(org: Organization, usages: Sequence[Usage], spender: Spender, mode: str) -> LimitsOf:
    apps = {usage.app for usage in usages}
    usual = spend_limits.applicable(org, spender, mode=mode, apps=apps)
    named = {
        member_id: spend_limits.applicable(org, replace(spender, member_id=member_id), mode=mode, apps=apps)
        for member_id in {usage.member_id for usage in usages if usage.member_id}
    }
    return lambda event: named.get(event.member_id, usual) if event.member_id else usual


@retrying
def _once(
    org: Organization, usages: Sequence[Usage], *, mode: str, by: Actor, api_key_id: UUID | None,
    limits_of: LimitsOf,
) -> tuple[list[Result], int]:  # fmt: skip
    now, named = clock.now(), {usage.wallet_id for usage in usages}
    shown = next(iter(named)) if len(named) == 1 else None
    with transaction(org=org.id):
        locked = wallets.lock_all(org.id, mode, named | {shown})
        batch = _Batch(org, locked, usages, now=now, mode=mode, by=by, api_key_id=api_key_id)
        batch.charge(limits_of)
        batch.store()
        return batch.results(), batch.balances[locked[shown].id]


class _Batch:
    """The events of one call, under the lock of their wallets."""

    def __init__(
        self, org: Organization, locked: dict[UUID | None, Wallet], usages: Sequence[Usage], *, now: datetime,
        mode: str, by: Actor, api_key_id: UUID | None,
    ) -> None:  # fmt: skip
        self.org, self.locked, self.usages, self.now, self.mode = org, locked, usages, now, mode
        self.by, self.api_key_id = by, api_key_id
        self.balances = {wallet.id: wallet.balance for wallet in locked.values()}
        self.errors: dict[int, CofferError] = {}
        self.events: dict[int, NewEvent] = {}
        self.earlier: dict[int, UsageEvent] = {}
        self.known = metrics.known(org, {usage.metric_key for usage in usages})
        self._sort()

    def results(self) -> list[Result]:
        return [
            self.errors[number]
            if number in self.errors
            else Recorded(self.earlier[number], duplicate=True)
            if number in self.earlier
            else Recorded(self.events[number])
            for number in range(len(self.usages))
        ]

    def charge(self, limits_of: LimitsOf) -> None:
        """Price the new events and charge them, in order, as far as each wallet's balance and the limits reach."""
        for wallet in self._wallets():
            mine = {
                number: event
                for number, event in self.events.items()
                if event.wallet_id == wallet.id and self.usages[number].charge and event.state != "unpriced"
            }
            result = charges.charge(
                wallet, list(mine.values()), self.known, by=self.by, limits_of=limits_of, now=self.now
            )  # fmt: skip
            self.balances[wallet.id] = result.balance
            for number, event in mine.items():
                if event.id in result.refused:
                    del self.events[number]
                    self.errors[number] = result.refused[event.id]

    def store(self) -> None:
        if not self.events:
            return
        new_events.store(self.org.id, list(self.events.values()))
        for wallet in self._wallets():
            rows = [row for row in self.events.values() if row.wallet_id == wallet.id]
            counters.add(self.org.id, wallet.id, [Move(row, row.units, row.cost or 0, 1) for row in rows])

    def _wallets(self) -> list[Wallet]:
        return sorted({wallet.id: wallet for wallet in self.locked.values()}.values(), key=lambda row: row.id)

    def _sort(self) -> None:
        """Tell apart what cannot be used, what was recorded before, and what is new."""
        booked = new_events.recorded(self.org.id, self.mode, {usage.key for usage in self.usages})
        seen: dict[str, bytes] = {}
        for number, (usage, new_id) in enumerate(zip(self.usages, ids.many(len(self.usages)), strict=True)):
            earlier = booked.get(usage.key)
            known_hash = earlier.body_hash if earlier else seen.get(usage.key)
            try:
                if known_hash is not None and known_hash != usage.body_hash:
                    raise KeyReused("This idempotency key was used for another event.", field="idempotency_key")
                if earlier is None and known_hash is not None:
                    raise Invalid("This event is twice in the batch.", field="idempotency_key", code="repeated_event")
                if earlier is not None:
                    self.earlier[number] = earlier
                else:
                    self.events[number] = self._event(usage, new_id, state=self._checked(usage))
                    seen[usage.key] = usage.body_hash
            except CofferError as refusal:
                self.errors[number] = refusal

    def _checked(self, usage: Usage) -> str:
        """The state in which the event begins. Raises what is wrong with it."""
        if usage.metric_key not in self.known:
            raise UnknownMetric(f"There is no metric {usage.metric_key[:63]}.", field="metric_key")
        at = usage.occurred_at or self.now
        if at > self.now + AHEAD:
            raise TooLate(f"This is more than {AHEAD.seconds // 60} minutes in the future.", field="occurred_at")
        if at < self.now - timedelta(days=settings().usage.late_days):
            raise TooLate(f"This is older than {settings().usage.late_days} days.", field="occurred_at")
        if metrics.price_at(self.known[usage.metric_key], at) is not None:
            return "uncharged"
        if usage.metric_key in self.known.parking:
            return "unpriced"
        raise Unpriced(f"The metric {usage.metric_key} had no price then. Nothing was recorded.")

    def _event(self, usage: Usage, new_id: UUID, *, state: str) -> NewEvent:
        return NewEvent(
            org_id=self.org.id, id=new_id, created_at=self.now, wallet_id=self.locked[usage.wallet_id].id,
            mode=self.mode, metric_key=usage.metric_key, units=usage.units, occurred_at=usage.occurred_at or self.now,
            key=usage.key, body_hash=usage.body_hash, app=usage.app, member_id=usage.member_id or self.by.user_id,
            api_key_id=self.api_key_id, properties=usage.properties, state=state,
        )  # fmt: skip
