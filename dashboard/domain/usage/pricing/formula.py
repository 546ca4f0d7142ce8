"""What units cost: the only price formula.

`cost(units)` is the price of the first `units` of a period, rounded half up to a micro once, at the end. An event costs
`cost(after) - cost(before)`, so however usage is split into events, they add up to the cost of the whole. A price per
event is the exception: its minimum and maximum are of each event, so an event costs `cost(its units)`, in any order.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

from sqlalchemy import Row

from dashboard.core.money import Micros
from dashboard.domain.usage.pricing.terms import PriceTerms
from dashboard.models import PER_EVENT, Price


@dataclass(frozen=True, slots=True)
class Tier:
    """Units up to and including `up_to` (None: all further ones) cost `amount_micros` per `per_units`."""

    up_to: int | None
    amount_micros: int
    per_units: int


class Step(NamedTuple):
    """The part of a price that one tier makes up: `units` of it, for `top / per_units` micros (exact)."""

    units: int
    amount_micros: int
    per_units: int
    top: int

    @property
    def micros(self) -> Fraction:
        """Before rounding."""
        return Fraction(self.top, self.per_units)


@dataclass(frozen=True, slots=True)
class Part:
    """The units after position `start` up to `end`, at one price, and what they add to the cost. The parts of a stretch
    add up to its cost exactly."""

    start: int
    end: int
    amount_micros: int
    per_units: int
    micros: Micros


@dataclass(frozen=True, slots=True)
class Formula:
    """The price of a metric: never falls as units grow."""

    kind: str
    amount_micros: int = 0
    per_units: int = 1
    tiers: tuple[Tier, ...] = ()
    free_units: int = 0
    min_micros: int | None = None
    max_micros: int | None = None

    @classmethod
    def of(cls, price: "Price | PriceTerms | Row[Any]") -> "Formula":
        tiers = tuple(Tier(one["up_to"], one["amount_micros"], one["per_units"]) for one in price.tiers or ())
        bounds = price.min_micros, price.max_micros
        return cls(price.kind, price.amount_micros, price.per_units, tiers, price.free_units, *bounds)

    def cost(self, units: int) -> Micros:
        """The price of the first `units` of a period; with a price per event, of one event."""
        top, bottom = 0, 1  # of an exact fraction that is never reduced: `Fraction` takes ten times as long
        for step in self.steps(units):
            top, bottom = top * step.per_units + step.top * bottom, bottom * step.per_units
        return Micros((2 * top + bottom) // (2 * bottom))

    def between(self, before: int, after: int) -> Micros:
        """The price of an event: of the units after `before` up to `after`."""
        if self.kind == PER_EVENT:
            return self.cost(after - before)
        return Micros(self.cost(after) - self.cost(before))

    def parts(self, before: int, after: int) -> list[Part]:
        """The units after `before` up to `after`, cut where another price begins."""
        ends = {after, self.free_units, *(self.free_units + tier.up_to for tier in self.tiers if tier.up_to)}
        edges = [before, *sorted(end for end in ends if before < end <= after)]
        return [Part(start, end, *self._rate(end), self.between(start, end)) for start, end in pairwise(edges)]

    def _rate(self, position: int) -> tuple[int, int]:
        """The price of the unit at a position: micros, and per how many units."""
        paid = position - self.free_units
        if paid <= 0:
            return 0, 1
        tier = next((one for one in self.tiers if one.up_to is None or paid <= one.up_to), None)
        return (tier.amount_micros, tier.per_units) if tier else (self.amount_micros, self.per_units)

    def steps(self, units: int) -> list[Step]:
        """How the price of the first `units` comes about, without those that are free."""
        paid = max(units - self.free_units, 0)
        if self.kind == "package":
            packages = -(-paid // self.per_units)
            return [Step(paid, self.amount_micros, self.per_units, packages * self.amount_micros * self.per_units)]
        if self.kind == PER_EVENT:
            return [Step(units, self.amount_micros, self.per_units, self._bounded(units * self.amount_micros))]
        tiers = self.tiers or (Tier(None, self.amount_micros, self.per_units),)
        steps, below = [], 0
        for tier in tiers:
            here = max((paid if tier.up_to is None else min(paid, tier.up_to)) - below, 0)
            if here:
                steps.append(Step(here, tier.amount_micros, tier.per_units, here * tier.amount_micros))
            below = tier.up_to or below
        return steps

    def _bounded(self, top: int) -> int:
        least, most = self.min_micros or 0, self.max_micros
        top = max(top, least * self.per_units)
        return top if most is None else min(top, most * self.per_units)
