"""Parses the pack form: strict amounts, typed text kept, each error at its field."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from dashboard.core.errors import Invalid
from dashboard.core.money import MICROS_PER_CENT, from_minor, money, parse_credits, plain_credits
from dashboard.domain.catalog.products import Offer
from dashboard.domain.catalog.terms import (
    EXPIRY_LIMIT_DAYS,
    LAST_PRIORITY,
    NAME_LIMIT,
    QUANTITY_LIMIT,
    Terms,
    check_words,
)
from dashboard.web.catalog.context import KINDS

T = TypeVar("T")

LABELS = {
    "name": "Name", "description": "Description", "price": "Price", "credits": "Credits", "bonus": "Bonus",
    "grant_kind": "Kind of credit", "min_quantity": "Smallest quantity", "max_quantity": "Largest quantity",
    "expires_days": "Expires after", "bonus_expires_days": "Bonus expires after", "bonus_priority": "Bonus priority",
}  # fmt: skip
FRESH = {"grant_kind": "paid", "min_quantity": "1", "max_quantity": str(QUANTITY_LIMIT)}

_OF_DOMAIN = {"price_cents": "price", "amount_micros": "credits", "bonus_micros": "bonus"}
_NOTHING = re.compile(r"0*(\.0+)?", re.ASCII)
_DAYS = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)
_PRIORITY = re.compile(r"[0-9]{1,3}", re.ASCII)
_WHOLE = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Draft:
    """The form's content; `terms` is None while it is invalid."""

    values: dict[str, str]
    terms: Terms | None
    errors: dict[str, str]

    @property
    def name(self) -> str:
        return self.values["name"].strip()

    @property
    def description(self) -> str:
        return self.values["description"].strip()


def read(sent: Mapping[str, Any]) -> Draft:
    """Parse each field separately, so that all problems are shown at once; then check them together."""
    values, errors = {name: str(sent.get(name, ""))[:1000] for name in LABELS}, {}

    def part(name: str, parse: Callable[[str], T], fallback: T) -> T:
        try:
            return parse(values[name])
        except Invalid as refusal:
            errors[name] = refusal.detail
            return fallback

    terms = Terms(
        price_minor=part("price", _cents, 1),
        grant_micros=part("credits", parse_credits, 1),
        bonus_micros=part("bonus", _or_nothing, 0),
        grant_kind=values["grant_kind"],
        min_quantity=part("min_quantity", _whole, 1),
        max_quantity=part("max_quantity", _whole, QUANTITY_LIMIT),
        expires_days=part("expires_days", _days, 0),
        bonus_expires_days=part("bonus_expires_days", _days, 0),
        bonus_priority=part("bonus_priority", _priority, 0),
    )
    for check in (terms.check, lambda: check_words(values["name"].strip(), values["description"].strip())):
        try:
            check()
        except Invalid as refusal:
            field = refusal.field or ""
            errors.setdefault(_OF_DOMAIN.get(field, field), refusal.detail)
    return Draft(values, None if set(errors) - {"name", "description"} else terms, errors)


def values_of(offer: Offer) -> dict[str, str]:
    """A pack as filled-in form values."""
    version = offer.version
    return {
        "name": offer.product.name,
        "description": offer.product.description,
        "price": f"{version.price_minor // 100}.{version.price_minor % 100:02d}",
        "credits": plain_credits(version.grant_micros),
        "bonus": plain_credits(version.bonus_micros) if version.bonus_micros else "",
        "grant_kind": version.grant_kind,
        "min_quantity": str(version.min_quantity),
        "max_quantity": str(version.max_quantity),
        "expires_days": str(version.expires_days or ""),
        "bonus_expires_days": str(version.bonus_expires_days or ""),
        "bonus_priority": str(version.bonus_priority or ""),
    }


def differences(draft: Draft, offer: Offer) -> list[tuple[str, str, str]]:
    """For each difference: label, current value and typed value."""
    now, typed = _said(values_of(offer), Terms.of(offer.version)), _said(draft.values, draft.terms)
    return [
        (LABELS[name], now[name] or "\u2013", typed[name] or "\u2013") for name in LABELS if now[name] != typed[name]
    ]


def _said(values: dict[str, str], terms: Terms | None) -> dict[str, str]:
    shown = {name: text.strip() for name, text in values.items()}
    shown["grant_kind"] = KINDS.get(shown["grant_kind"], shown["grant_kind"])
    if terms:
        shown["price"], shown["credits"] = money(from_minor(terms.price_minor)), money(terms.grant_micros)
        shown["bonus"] = money(terms.bonus_micros) if terms.bonus_micros else ""
    return shown


def _cents(text: str) -> int:
    micros = parse_credits(text)
    if micros % MICROS_PER_CENT:
        raise Invalid("Enter a price in whole cents, such as 25 or 24.90.")
    return micros // MICROS_PER_CENT


def _or_nothing(text: str) -> int:
    return 0 if len(text) <= 40 and _NOTHING.fullmatch(text.strip(" ")) else parse_credits(text)


def _whole(text: str) -> int:
    text = text.strip(" ") if len(text) <= 40 else ""
    if not _WHOLE.fullmatch(text):
        raise Invalid(f"Enter a whole number from 1 to {QUANTITY_LIMIT}.")
    return int(text)


def _days(text: str) -> int:
    """Days until the credit expires; 0 if nothing was typed."""
    text = text.strip(" ") if len(text) <= 40 else "-"
    if text and not _DAYS.fullmatch(text):
        raise Invalid(f"Enter a whole number of days from 1 to {EXPIRY_LIMIT_DAYS:,}, or leave it empty.")
    return int(text or 0)


def _priority(text: str) -> int:
    """The priority; 0 if nothing was typed."""
    text = text.strip(" ") if len(text) <= 40 else "-"
    if text and not _PRIORITY.fullmatch(text):
        raise Invalid(f"Enter a whole number from 0 to {LAST_PRIORITY}.")
    return int(text or 0)


__all__ = ["FRESH", "LABELS", "NAME_LIMIT", "Draft", "differences", "read", "values_of"]
