"""Parses the price form: strict numbers, typed text kept, each error at its field."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, TypeVar

from dashboard.core import clock
from dashboard.core.errors import Invalid
from dashboard.core.money import parse_credits, plain_credits
from dashboard.domain.usage.pricing.terms import LARGEST_UNITS, MOST_TIERS, PriceTerms
from dashboard.models import PER_EVENT, Price

T = TypeVar("T")

KINDS = (
    ("flat", "Flat", "The same for every unit"),
    ("graduated", "Graduated", "Each tier's units at its own price"),
    ("package", "Package", "Every started package in full"),
    (PER_EVENT, "Per event", "Each event on its own, with a minimum and a maximum"),
)
PERIODS = (("month", "Each month (UTC)"), ("day", "Each day (UTC)"), ("none", "Never"))
LABELS = {
    "kind": "Kind of price", "amount": "Price", "per_units": "Per units", "tiers": "Tiers",
    "free_units": "Free units", "period": "Count from zero", "min": "Minimum per event", "max": "Maximum per event",
    "starts": "In force from", "org": "Organization", "reason": "Reason",
}  # fmt: skip
TIER = ("up_to", "tier_amount", "tier_per")
FRESH = {"kind": "flat", "per_units": "1", "period": "month"}
SPARE_TIERS = 3

_OF_DOMAIN = {"amount_micros": "amount", "min_micros": "min", "max_micros": "max", "effective_from": "starts"}
_ZERO = re.compile(r"0+(\.0{1,6})?", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,3}(,[0-9]{3})+|[0-9]{1,19}", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Draft:
    """The form's content; `terms` is None while it is invalid. `since`: None for as soon as it is saved."""

    values: dict[str, str]
    tiers: list[dict[str, str]]
    terms: PriceTerms | None
    since: datetime | None
    errors: dict[str, str]


def read(sent: Mapping[str, Any]) -> Draft:
    """Parse each field separately, so that all problems are shown at once; then check them together. Fields that the
    kind of price does not have are ignored."""
    values = {name: str(sent.get(name, ""))[:1000].strip() for name in LABELS}
    errors: dict[str, str] = {}

    def part(name: str, parse: Callable[[str], T], fallback: T) -> T:
        try:
            return parse(values[name])
        except Invalid as refusal:
            errors[name] = refusal.detail
            return fallback

    kind, typed = values["kind"], _typed_tiers(sent)
    plain, bounded = kind != "graduated", kind == PER_EVENT
    terms = PriceTerms(
        kind=kind,
        amount_micros=part("amount", _price, 0) if plain else 0,
        per_units=part("per_units", _units, 1) if plain else 1,
        tiers=None if plain else _tiers(typed, errors),
        free_units=0 if bounded else part("free_units", lambda text: _whole(text) if text else 0, 0),
        period="none" if bounded else values["period"],
        min_micros=part("min", _bound, None) if bounded else None,
        max_micros=part("max", _bound, None) if bounded else None,
    )
    since = part("starts", _start, None)
    try:
        if "tiers" not in errors:
            terms.check()
    except Invalid as refusal:
        field = refusal.field or ""
        errors.setdefault(_OF_DOMAIN.get(field, field), refusal.detail)
    return Draft(values, typed, None if errors else terms, since, errors)


def values_of(price: Price | None) -> tuple[dict[str, str], list[dict[str, str]]]:
    """A price as filled-in form values, and its tiers."""
    if price is None:
        return FRESH, []
    tiers = [
        {
            "up_to": str(tier["up_to"] or ""), "tier_amount": plain_credits(tier["amount_micros"]),
            "tier_per": str(tier["per_units"]),
        }
        for tier in price.tiers or ()
    ]  # fmt: skip
    values = {
        "kind": price.kind, "amount": "" if price.tiers else plain_credits(price.amount_micros),
        "per_units": str(price.per_units), "free_units": str(price.free_units or ""), "period": price.period,
        "min": _plain(price.min_micros), "max": _plain(price.max_micros),
    }  # fmt: skip
    return values, tiers


def rows(tiers: list[dict[str, str]]) -> list[dict[str, str]]:
    """The tiers with empty rows for more."""
    return [*tiers, *({} for _ in range(min(SPARE_TIERS, MOST_TIERS - len(tiers))))]


def _typed_tiers(sent: Mapping[str, Any]) -> list[dict[str, str]]:
    """The rows in which something was typed."""
    found = []
    for number in range(1, MOST_TIERS + 1):
        row = {name: str(sent.get(f"{name}_{number}", ""))[:40].strip() for name in TIER}
        if row["up_to"] or row["tier_amount"]:
            found.append(row)
    return found


def _tiers(typed: list[dict[str, str]], errors: dict[str, str]) -> list[dict[str, Any]]:
    tiers = []
    for number, row in enumerate(typed, 1):
        try:
            tiers.append(
                {
                    "up_to": _units(row["up_to"]) if row["up_to"] else None,
                    "amount_micros": _price(row["tier_amount"]),
                    "per_units": _units(row["tier_per"] or "1"),
                }
            )
        except Invalid as refusal:
            errors.setdefault("tiers", f"Tier {number}: {refusal.detail}")
    return tiers


def _price(text: str) -> int:
    """An amount in dollars, zero included: a price of 0 is a price."""
    return 0 if len(text) <= 40 and _ZERO.fullmatch(text) else parse_credits(text)


def _bound(text: str) -> int | None:
    return _price(text) if text else None


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise Invalid("Enter a whole number, such as 1000000.")
    return int(text.replace(",", ""))


def _units(text: str) -> int:
    number = _whole(text)
    if not 1 <= number <= LARGEST_UNITS:
        raise Invalid(f"Enter a whole number from 1 to {LARGEST_UNITS:,}.")
    return number


def _start(text: str) -> datetime | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise Invalid("Enter a day such as 2027-01-31.")
    if day <= clock.today():
        raise Invalid("Choose a day after today, or leave it empty: a price cannot begin in the past.")
    return datetime.combine(day, time(), UTC)


def _plain(micros: int | None) -> str:
    return "" if micros is None else plain_credits(micros)
