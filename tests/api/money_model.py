"""What the books must say after any requests: a small model in memory, without a database."""

from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any

PRICES: dict[str, dict[str, Any]] = {
    "push": {"amount_micros": 60_000},
    "tokens": {"amount_micros": 150_000, "per_units": 1_000, "free_units": 500, "period": "month"},
    "seats": {
        "kind": "graduated",
        "period": "day",
        "tiers": [
            {"up_to": 3, "amount_micros": 100_000, "per_units": 1},
            {"up_to": None, "amount_micros": 7, "per_units": 3},
        ],
    },
}


def price_of(metric: str, units: int) -> int:
    """The price of the first `units` of a period, counted tier by tier and rounded half up."""
    price = PRICES[metric]
    paid = max(units - price.get("free_units", 0), 0)
    tiers = price.get("tiers") or [
        {"up_to": None, "amount_micros": price["amount_micros"], "per_units": price.get("per_units", 1)}
    ]
    exact, below = Fraction(), 0
    for tier in tiers:
        upper = paid if tier["up_to"] is None else min(paid, tier["up_to"])
        exact += Fraction(max(upper - below, 0) * tier["amount_micros"], tier["per_units"])
        below = max(below, upper)
    return int(exact + Fraction(1, 2))


@dataclass
class Grant:
    amount: int
    turn: tuple[Any, ...]
    expires_at: datetime | None


@dataclass
class Event:
    id: str
    metric: str
    units: int
    place: tuple[str, str]
    cost: int
    month: tuple[int, int]
    counted: bool = True


@dataclass
class Hold:
    id: str
    amount: int
    expires_at: datetime
    month: tuple[int, int]


@dataclass
class Model:
    """What the books must say. Grants are spent in order of `turn`; a month's spending counts towards the limit."""

    grants: list[Grant] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    positions: dict[tuple[str, str], int] = field(default_factory=dict)
    spent: dict[tuple[int, int], int] = field(default_factory=dict)
    limit: int | None = None

    @property
    def balance(self) -> int:
        return sum(grant.amount for grant in self.grants)

    @property
    def held(self) -> int:
        return sum(hold.amount for hold in self.holds)

    def pass_time(self, now: datetime) -> None:
        for hold in [hold for hold in self.holds if hold.expires_at <= now]:
            self.end(hold)
        self.grants = [grant for grant in self.grants if grant.expires_at is None or grant.expires_at > now]

    def end(self, hold: Hold, captured: int = 0) -> None:
        self.holds.remove(hold)
        self.spent[hold.month] -= max(hold.amount - captured, 0)

    def refusals(self, amount: int, month: tuple[int, int]) -> set[str]:
        """The codes with which `amount` may be refused; none if it must be accepted."""
        codes = {"insufficient_funds"} if amount > self.balance - self.held else set()
        if self.limit is not None and self.spent.get(month, 0) + amount > self.limit:
            codes.add("limit_reached")
        return codes

    def count(self, amount: int, month: tuple[int, int]) -> None:
        self.spent[month] = self.spent.get(month, 0) + amount

    def spend(self, amount: int) -> None:
        for grant in sorted(self.grants, key=lambda one: one.turn):
            taken = min(grant.amount, amount)
            grant.amount, amount = grant.amount - taken, amount - taken
        assert amount == 0
