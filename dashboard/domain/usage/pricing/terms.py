"""What a price says, before it is a version: checked here, whoever enters it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboard.core.errors import Invalid
from dashboard.core.money import LARGEST
from dashboard.models import PER_EVENT, PERIODS, PRICE_KINDS, Price

MOST_TIERS = 20
LARGEST_UNITS = 10**15
BY_RULE = ("volume", "minimum")
"""Kinds of price that could fall as units grow, or that are known only at the end of a period."""


@dataclass(frozen=True, slots=True)
class PriceTerms:
    """The terms of a price. Amounts are micros; the fields are those of `Price`."""

    kind: str = "flat"
    amount_micros: int = 0
    per_units: int = 1
    tiers: list[dict[str, Any]] | None = None
    free_units: int = 0
    period: str = "none"
    min_micros: int | None = None
    max_micros: int | None = None

    @classmethod
    def of(cls, price: Price) -> "PriceTerms":
        return cls(**{name: getattr(price, name) for name in cls.__slots__})

    def check(self) -> None:
        """Raises Invalid with the field."""
        if self.kind not in PRICE_KINDS:
            raise Invalid(kind_refusal(self.kind), field="kind")
        if self.period not in PERIODS:
            raise Invalid(f"Choose one of {', '.join(PERIODS)}.", field="period")
        _between("amount_micros", self.amount_micros, 0, LARGEST)
        _between("per_units", self.per_units, 1, LARGEST_UNITS)
        _between("free_units", self.free_units, 0, LARGEST_UNITS)
        if self.kind == "graduated":
            _check_tiers(self.tiers or [])
        elif self.tiers:
            raise Invalid("Only a graduated price has tiers.", field="tiers")
        self._check_bounds()

    def _check_bounds(self) -> None:
        bounds: Mapping[str, int | None] = {"min_micros": self.min_micros, "max_micros": self.max_micros}
        for field, value in bounds.items():
            if value is not None:
                if self.kind != PER_EVENT:
                    raise Invalid("Only a price per event has a minimum and a maximum.", field=field)
                _between(field, value, 0, LARGEST)
        if self.max_micros is not None and self.max_micros < (self.min_micros or 0):
            raise Invalid("The maximum is below the minimum.", field="max_micros")
        if self.kind == PER_EVENT and (self.free_units or self.period != "none"):
            field = "free_units" if self.free_units else "period"
            raise Invalid("A price per event has no free units and no period.", field=field)


def kind_refusal(kind: str) -> str:
    words = f"Choose one of {', '.join(PRICE_KINDS)}."
    if kind in BY_RULE:
        words += (
            " Usage is charged at once, so its price must never fall as units grow: volume prices and minimums per"
            " period are for metrics that a billing rule bills."
        )
    return words


def _between(field: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise Invalid(f"This must be from {least} to {most}.", field=field)


def _check_tiers(tiers: list[dict[str, Any]]) -> None:
    if not 1 <= len(tiers) <= MOST_TIERS:
        raise Invalid(f"Give 1 to {MOST_TIERS} tiers.", field="tiers")
    below = 0
    for number, tier in enumerate(tiers, 1):
        up_to, last = tier["up_to"], number == len(tiers)
        if (up_to is None) != last or (up_to is not None and not below < up_to <= LARGEST_UNITS):
            raise Invalid("Each tier ends above the one before; only the last has no end.", field="tiers")
        if not 0 <= tier["amount_micros"] <= LARGEST or not 1 <= tier["per_units"] <= LARGEST_UNITS:
            raise Invalid("A tier's price is zero or more, per at least one unit.", field="tiers")
        below = up_to or below
