"""Prices recorded events and charges them, each exactly once. Needs the lock of their wallet, which is taken before
anything is read that decides on a cost: the events themselves, and the position that a price has reached."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from uuid import UUID

from dashboard.core import units
from dashboard.core.errors import CofferError, InsufficientFunds, Invalid
from dashboard.core.money import LARGEST
from dashboard.domain.audit import Actor
from dashboard.domain.funds import ledger, spend_limits
from dashboard.domain.funds.ledger import KeyReused, LedgerEntry, Posting, WalletFrozen
from dashboard.domain.funds.spend_limits import Limit
from dashboard.domain.usage import metrics, positions
from dashboard.domain.usage.new_events import AnyEvent
from dashboard.domain.usage.positions import Place, Position
from dashboard.domain.usage.pricing.formula import Formula
from dashboard.models import Price, Wallet

ORIGIN = "usage"

LimitsOf = Callable[[AnyEvent], Sequence[Limit]]
"""The spend limits that apply to an event; `spend_limits.for_app` picks those of its app."""


class Unpriced(CofferError):
    """Nothing is charged, so that the same event can be sent again once there is a price."""

    status, code = 409, "metric_unpriced"


@dataclass(frozen=True, slots=True)
class Charges:
    """What became of the events of one wallet: the refused ones by id, and its balance afterwards."""

    refused: dict[UUID, CofferError]
    balance: int


@dataclass(slots=True)
class _Priced:
    event: AnyEvent
    place: Place
    after: int
    cost: int
    transaction_id: UUID | None = None


def charge(
    wallet: Wallet, events: Sequence[AnyEvent], known: metrics.Known, *, by: Actor, limits_of: LimitsOf,
    now: datetime,
) -> Charges:  # fmt: skip
    """Charge these events of the wallet, in order, until the first that does not fit; from there on they are refused.

    Each is priced by the version that was in force when it occurred; a parked one by the first that came later. Sets
    what the charged events cost, and moves the positions; the counters are the caller's. Locks the limits' windows.
    """
    terms, refused, priced = _Terms(known, now), dict[UUID, CofferError](), list[_Priced]()
    found = [terms.of(event) for event in events]
    before = positions.read(wallet, {one.place for one in found if one})
    reached = {place: replace(position) for place, position in before.items()}
    for event, term in zip(events, found, strict=True):
        if term is None:
            refused[event.id] = Unpriced(f"The metric {event.metric_key} had no price then. Nothing was charged.")
            continue
        one = _price(event, term, reached[term.place])
        if isinstance(one, CofferError):
            refused[event.id] = one
        else:
            priced.append(one)
    poster = _Poster(wallet, known, by, limits_of, now)
    refusal = poster.post(priced)
    if refusal is not None:
        first, error = refusal
        refused |= {one.event.id: error for one in priced[first:]}
        priced = priced[:first]
    _settle(wallet, priced, before)
    return Charges(refused, poster.balance)


def price_of(event: AnyEvent, prices: Sequence[Price], now: datetime) -> Price | None:
    """The version that prices the event, of versions sorted newest first."""
    price = metrics.price_at(prices, event.occurred_at)
    if price is None and event.state == "unpriced":
        return next((one for one in reversed(prices) if one.effective_from <= now), None)
    return price


def place_of(event: AnyEvent, price: Price) -> Place:
    return event.metric_key, positions.period_start(price.period, event.occurred_at), price.id


@dataclass(frozen=True, slots=True)
class _Term:
    """What an event is priced by, and the position that this moves."""

    formula: Formula
    place: Place


class _Terms:
    """Terms of events; looked up once for all that happened at one moment, as those of a batch often did."""

    def __init__(self, known: metrics.Known, now: datetime) -> None:
        self._known, self._now = known, now
        self._terms: dict[tuple[str, datetime, str], _Term | None] = {}

    def of(self, event: AnyEvent) -> _Term | None:
        """None if the metric had no price."""
        at = event.metric_key, event.occurred_at, event.state
        if at not in self._terms:
            price = price_of(event, self._known[event.metric_key], self._now)
            self._terms[at] = _Term(Formula.of(price), place_of(event, price)) if price else None
        return self._terms[at]


def _price(event: AnyEvent, term: _Term, position: Position) -> _Priced | CofferError:
    """What the event costs at this position, which moves on."""
    before = position.start + position.units
    after = before + event.units
    cost = term.formula.between(before, after)
    if cost > LARGEST or after > LARGEST:
        return Invalid("These units cost more than can be charged at once.", field="units")
    position.units += event.units
    position.cost += cost
    return _Priced(event, term.place, after, cost)


def _settle(wallet: Wallet, priced: Sequence[_Priced], before: dict[Place, Position]) -> None:
    """Note on the charged events what they cost, and store the positions after them."""
    moved: dict[Place, Position] = {}
    for one in priced:
        position = moved.setdefault(one.place, before[one.place])
        position.units += one.event.units
        position.cost += one.cost
        one.event.state, one.event.units_after, one.event.cost = "charged", one.after, one.cost
        _, one.event.period_start, one.event.price_id = one.place
        one.event.transaction_id = one.transaction_id
    positions.store(wallet, moved)


class _Poster:
    """Posts what priced events cost. `balance` is the wallet's after the last one."""

    def __init__(
        self, wallet: Wallet, known: metrics.Known, by: Actor, limits_of: LimitsOf, now: datetime
    ) -> None:  # fmt: skip
        self.wallet, self.known, self.by, self.limits_of, self.now = wallet, known, by, limits_of, now
        self.balance = wallet.balance

    def post(self, priced: Sequence[_Priced]) -> tuple[int, CofferError] | None:
        """Charge the events that cost something. Returns the number of the first that does not fit, and why."""
        costing = [number for number, one in enumerate(priced) if one.cost]
        for limits, run in groupby(costing, key=lambda number: self.limits_of(priced[number].event)):
            numbers = list(run)
            refused = self._limited(priced, numbers, limits) if limits else self._posted(priced, numbers)
            if refused is not None:
                return refused
        return None

    def _posted(self, priced: Sequence[_Priced], numbers: Sequence[int]) -> tuple[int, CofferError] | None:
        results = self._batch([self._entry(priced[number]) for number in numbers]) if numbers else []
        for number, result in zip(numbers, results, strict=True):
            if isinstance(result, CofferError):
                return number, result
            self._note(priced[number], result)
        return None

    def _limited(
        self, priced: Sequence[_Priced], numbers: Sequence[int], limits: Sequence[Limit]
    ) -> tuple[int, CofferError] | None:
        """Charge the events that the limits have room for, and count those that the balance had room for, too."""
        at = max(self.now, self.wallet.last_posted_at or self.now)  # of the rows that are posted
        amounts = [(priced[number].cost, priced[number].event.app) for number in numbers]
        most, refusal = spend_limits.fitting(limits, amounts, at=at)
        refused = self._posted(priced, numbers[:most])
        posted = numbers.index(refused[0]) if refused else most
        spend_limits.count(limits, amounts[:posted], at=at)
        if refused or refusal is None:
            return refused
        # For one event, the wallet is asked before the limits.
        return numbers[most], ledger.refusal(self.wallet, amounts[most][0], at=at) or refusal

    def _note(self, one: _Priced, posting: Posting) -> None:
        one.transaction_id, self.balance = posting.id, posting.balance_after

    def _entry(self, one: _Priced) -> LedgerEntry:
        event = one.event
        return LedgerEntry(
            self.wallet.id, one.cost, event.key, app=event.app, body_hash=event.body_hash, member_id=event.member_id,
            description=units.counted(event.units, self.known.units[event.metric_key]),
        )  # fmt: skip

    def _batch(self, entries: Sequence[LedgerEntry]) -> list[Posting | CofferError]:
        if len(entries) == 1:
            return [self._one(entries[0])]
        return ledger.post_batch(self.wallet.org_id, entries, mode=self.wallet.mode, origin=ORIGIN, by=self.by)

    def _one(self, entry: LedgerEntry) -> Posting | CofferError:
        """The same for one entry: its statement has a kept plan, and costs a tenth of a batch's."""
        try:
            return ledger.post(
                self.wallet, type="charge", amount=-entry.amount, origin=ORIGIN, key=entry.key, by=self.by,
                description=entry.description, app=entry.app, member_id=entry.member_id, body_hash=entry.body_hash,
            )  # fmt: skip
        except (InsufficientFunds, WalletFrozen, KeyReused) as refusal:
            return refusal
