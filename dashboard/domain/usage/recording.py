"""Records usage and charges it at once, one event or a thousand, each exactly once.

The wallet is locked before anything is read that decides on a cost: the events recorded under a key, and the position
that a price has reached. Events of one wallet are charged in order until the first that does not fit; from there on
they are refused and count for nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from dashboard.config import settings
from dashboard.core import clock, ids
from dashboard.core.db import retrying, sqlstate, transaction
from dashboard.core.errors import CofferError, Invalid
from dashboard.core.money import LARGEST
from dashboard.domain import org_status
from dashboard.domain.audit import Actor
from dashboard.domain.funds import ledger, spend_limits, wallets
from dashboard.domain.funds.ledger import KeyReused, LedgerEntry, Posting
from dashboard.domain.funds.spend_limits import Limit, Spender
from dashboard.domain.org_status import OrgAction
from dashboard.domain.usage import counters, metrics, new_events, positions, units
from dashboard.domain.usage.formula import Formula
from dashboard.domain.usage.new_events import AnyEvent, NewEvent
from dashboard.domain.usage.positions import Place, Position
from dashboard.models import Organization, Price, UsageEvent, Wallet

ORIGIN = "usage"
AHEAD = timedelta(minutes=5)
"""How far in the future an event may lie, because clocks differ."""
UNIQUE_VIOLATION = "23505"
RACES = 3


class UnknownMetric(Invalid):
    code = "unknown_metric"


class Unpriced(CofferError):
    """Nothing is recorded, so that the same event can be sent again once there is a price."""

    status, code = 409, "metric_unpriced"


class TooLate(Invalid):
    code = "outside_window"


@dataclass(frozen=True, slots=True)
class Usage:
    """One event as it was sent. `units` counts what the metric counts, at least 1."""

    metric_key: str
    units: int
    key: str
    body_hash: bytes
    occurred_at: datetime | None = None
    app: str = ""
    properties: dict[str, str] = field(default_factory=dict)


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
    """Record and charge these events. Returns their results in order, and the wallet's balance afterwards.

    They count towards every spend limit that applies to `spender`, by default the user behind `by`, each with its app.
    Opens its own transaction; call it outside one. Locks the organization's dollar wallet, then the limits' windows. A
    rejected event is returned as its error: Invalid, UnknownMetric, TooLate, Unpriced, KeyReused, InsufficientFunds,
    WalletFrozen, LimitReached. Raises OrgSuspended, NotFound for a closed organization.
    """
    org_status.require_state(OrgAction.SPEND, org)
    apps = {usage.app for usage in usages}
    limits = spend_limits.applicable(org, spender or Spender(by.user_id), mode=mode, apps=apps)
    for race in range(RACES):
        try:
            return _once(org, usages, mode=mode, by=by, api_key_id=api_key_id, limits=limits)
        except IntegrityError as error:  # another wallet's event took one of the keys in the meantime
            if sqlstate(error) != UNIQUE_VIOLATION or race == RACES - 1:
                raise
    raise AssertionError("unreachable")


@retrying
def _once(
    org: Organization, usages: Sequence[Usage], *, mode: str, by: Actor, api_key_id: UUID | None,
    limits: Sequence[Limit],
) -> tuple[list[Result], int]:  # fmt: skip
    now = clock.now()
    with transaction(org=org.id):
        wallet = wallets.locked(org.id, mode)
        batch = _Batch(org, wallet, usages, now=now, by=by, api_key_id=api_key_id)
        batch.charge(limits)
        batch.store()
        return batch.results(), batch.balance


class _Batch:
    """The events of one call, under the lock of their wallet."""

    def __init__(
        self, org: Organization, wallet: Wallet, usages: Sequence[Usage], *, now: datetime, by: Actor,
        api_key_id: UUID | None,
    ) -> None:  # fmt: skip
        self.org, self.wallet, self.usages, self.now, self.by, self.api_key_id = (
            org,
            wallet,
            usages,
            now,
            by,
            api_key_id,
        )
        self.balance = wallet.balance
        self.errors: dict[int, CofferError] = {}
        self.events: dict[int, NewEvent] = {}
        self.earlier: dict[int, UsageEvent] = {}
        self.positions: dict[Place, Position] = {}
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

    def charge(self, limits: Sequence[Limit]) -> None:
        """Price the new events and charge them, in order, as far as the balance and the limits reach."""
        settled = self.errors.keys() | self.earlier.keys()
        fresh = [number for number in range(len(self.usages)) if number not in settled]
        before = positions.read(self.wallet, {self._place(self.usages[number])[1] for number in fresh})
        reached = {place: replace(position) for place, position in before.items()}
        for number in fresh:
            self._price(number, reached)
        fresh = [number for number in fresh if number in self.events]
        refusal = self._post(fresh, limits)
        if refusal is not None:
            first, error = refusal
            for number in fresh[fresh.index(first) :]:
                del self.events[number]
                self.errors[number] = error
        self._move(before)

    def store(self) -> None:
        rows = list(self.events.values())
        if rows:
            new_events.store(self.org.id, rows)
            counters.add(self.org.id, self.wallet.id, rows)
            positions.store(self.wallet, self.positions)

    def _sort(self) -> None:
        """Tell apart what cannot be used, what was recorded before, and what is new."""
        booked = new_events.recorded(self.org.id, self.wallet.mode, {usage.key for usage in self.usages})
        seen: dict[str, bytes] = {}
        for number, usage in enumerate(self.usages):
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
                    self._check(usage)
                    seen[usage.key] = usage.body_hash
            except CofferError as refusal:
                self.errors[number] = refusal

    def _check(self, usage: Usage) -> None:
        if usage.metric_key not in self.known:
            raise UnknownMetric(f"There is no metric {usage.metric_key[:63]}.", field="metric_key")
        at = usage.occurred_at or self.now
        if at > self.now + AHEAD:
            raise TooLate("This lies in the future.", field="occurred_at")
        if at < self.now - timedelta(days=settings().usage.late_days):
            raise TooLate(f"This is older than {settings().usage.late_days} days.", field="occurred_at")
        if metrics.price_at(self.known[usage.metric_key], at) is None:
            raise Unpriced(f"The metric {usage.metric_key} had no price then. Nothing was recorded.")

    def _place(self, usage: Usage) -> tuple[Price, Place]:
        at = usage.occurred_at or self.now
        price = metrics.price_at(self.known[usage.metric_key], at)
        assert price is not None  # `_check` saw it
        return price, (usage.metric_key, positions.period_start(price.period, at), price.id)

    def _price(self, number: int, reached: dict[Place, Position]) -> None:
        usage = self.usages[number]
        price, place = self._place(usage)
        position = reached[place]
        before = position.start + position.units
        cost = Formula.of(price).between(before, before + usage.units)
        if cost > LARGEST or before + usage.units > LARGEST:
            self.errors[number] = Invalid("These units cost more than can be charged at once.", field="units")
            return
        position.units += usage.units
        position.cost += cost
        self.events[number] = NewEvent(
            org_id=self.org.id, id=ids.new(), created_at=self.now, wallet_id=self.wallet.id, mode=self.wallet.mode,
            metric_key=usage.metric_key, units=usage.units, occurred_at=usage.occurred_at or self.now, key=usage.key,
            body_hash=usage.body_hash, app=usage.app, member_id=self.by.user_id, api_key_id=self.api_key_id,
            properties=usage.properties, price_id=price.id, period_start=place[1], units_after=before + usage.units,
            cost=cost,
        )  # fmt: skip

    def _post(self, numbers: Sequence[int], limits: Sequence[Limit]) -> tuple[int, CofferError] | None:
        """Charge the events that cost something. Returns the first that does not fit, and why."""
        priced = [number for number in numbers if self.events[number].cost]
        entries = [
            LedgerEntry(
                self.wallet.id, self.events[number].cost, self.usages[number].key, app=self.usages[number].app,
                description=self._described(self.events[number]), body_hash=self.usages[number].body_hash,
            )
            for number in priced
        ]  # fmt: skip
        if not entries:
            return None
        if limits:
            return self._post_limited(priced, entries, limits)
        return self._note(priced, self._batch(entries))

    def _post_limited(
        self, numbers: Sequence[int], entries: Sequence[LedgerEntry], limits: Sequence[Limit]
    ) -> tuple[int, CofferError] | None:
        """Charge the events that the limits have room for, and count those that the balance had room for, too."""
        at = max(self.now, self.wallet.last_posted_at or self.now)  # of the rows that are posted
        amounts = [(entry.amount, entry.app) for entry in entries]
        most, refusal = spend_limits.fitting(limits, amounts, at=at)
        refused = self._note(numbers[:most], self._batch(entries[:most])) if most else None
        posted = numbers.index(refused[0]) if refused else most
        spend_limits.count(limits, amounts[:posted], at=at)
        if refused or refusal is None:
            return refused
        # For one event, the wallet is asked before the limits.
        return numbers[most], ledger.refusal(self.wallet, entries[most].amount, at=at) or refusal

    def _batch(self, entries: Sequence[LedgerEntry]) -> list[Posting | CofferError]:
        return ledger.post_batch(self.org.id, entries, mode=self.wallet.mode, origin=ORIGIN, by=self.by)

    def _note(self, numbers: Sequence[int], results: Iterable[Posting | CofferError]) -> tuple[int, CofferError] | None:
        for number, result in zip(numbers, results, strict=True):
            if isinstance(result, CofferError):
                return number, result
            self.events[number].transaction_id = result.id
            self.balance = result.balance_after
        return None

    def _move(self, before: dict[Place, Position]) -> None:
        """The positions after the events that were charged."""
        for event in self.events.values():
            place = (event.metric_key, event.period_start, event.price_id)
            position = self.positions.setdefault(place, replace(before[place]))
            position.units += event.units
            position.cost += event.cost

    def _described(self, event: NewEvent) -> str:
        return units.counted(event.units, self.known.units[event.metric_key])
