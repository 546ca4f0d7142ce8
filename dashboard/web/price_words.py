"""Prices in words."""

from dashboard.core.money import unit_price
from dashboard.core.units import plural
from dashboard.domain.usage.pricing.terms import PriceTerms
from dashboard.models import Price

MILLION = 1_000_000


def price_words(price: Price | PriceTerms, unit: str) -> str:
    """`$0.15 per 1M tokens, first 1M free each month`."""
    if price.kind == "graduated":
        words = ", then ".join(
            _rate(tier["amount_micros"], tier["per_units"], unit)
            + (f" up to {number(tier['up_to'])}" if tier["up_to"] else "")
            for tier in price.tiers or ()
        )
    elif price.kind == "package":
        words = f"{unit_price(price.amount_micros)} for every started {_units(price.per_units, unit)}"
    else:
        words = _rate(price.amount_micros, price.per_units, unit)
    if price.kind == "per_event":
        return f"{words}{_bounds(price)}, each event on its own"
    period = {"none": "", "day": " each day", "month": " each month"}[price.period]
    if price.free_units:
        return f"{words}, first {number(price.free_units)} free{period}"
    return f"{words}, counted from zero{period}" if period and price.kind != "flat" else words


def _bounds(price: Price | PriceTerms) -> str:
    bounds = [
        f"{words} {unit_price(micros)}"
        for words, micros in (("at least", price.min_micros), ("at most", price.max_micros))
        if micros is not None
    ]
    return f", {' and '.join(bounds)}" if bounds else ""


def number(count: int) -> str:
    """`1M`, `1,204`: millions are short where that is exact."""
    return f"{count // MILLION:,}M" if count and not count % MILLION else f"{count:,}"


def _rate(micros: int, per: int, unit: str) -> str:
    return f"{unit_price(micros)} per {_units(per, unit)}"


def _units(count: int, unit: str) -> str:
    return unit if count == 1 else f"{number(count)} {plural(unit)}"
