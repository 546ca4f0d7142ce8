"""What a choice of a pack costs and does to the balance."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from flask import request

from dashboard.core import clock
from dashboard.core.errors import CofferError
from dashboard.core.money import from_minor
from dashboard.domain.catalog.products import Offer
from dashboard.domain.funds.reports import forecast
from dashboard.domain.payments.checkout import promotions
from dashboard.providers.base import Promotion
from dashboard.web import guards, packs
from dashboard.web.formats import day
from dashboard.web.guards import Visit


@dataclass(frozen=True, slots=True)
class Choice:
    """The current choice as entered. `offer` and `pieces` are set if it is readable, `errors` by field."""

    offer: Offer | None
    pieces: int | None
    values: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        return self.values.get("promotion_code", "").strip()

    @property
    def asked(self) -> dict[str, object]:
        """The values that must be equal in two submits of one form."""
        asked: dict[str, object] = {
            "product_id": str(self.offer.product.id) if self.offer else "", "quantity": self.pieces,
            "version_id": str(self.offer.version.id) if self.offer else "",
        }  # fmt: skip
        return asked | ({"promotion_code": self.code.upper()} if self.code else {})

    @property
    def total_minor(self) -> int | None:
        return self.offer.version.price_minor * self.pieces if self.offer and self.pieces else None

    @property
    def credited_micros(self) -> int | None:
        return self.offer.credited_micros * self.pieces if self.offer and self.pieces else None


def of(visit: Visit, choice: Choice) -> dict[str, Any]:
    """For `buy/_after.html`. Looks up a promotion code that was sent; `discount` is None if only the provider can
    tell."""
    added, total = choice.credited_micros, choice.total_minor
    ahead = forecast.of(visit.wallet)
    asked = choice.code and total and "promotion_code" not in choice.errors and request.method == "POST"
    promotion, refused = _promotion(visit, choice) if asked else (None, "")
    off = promotion.discount(total) if promotion and total else None
    return {
        "balance": visit.wallet.balance,
        "pace": ahead.pace_micros,
        "hint": _bounds(choice.offer) if choice.offer and choice.pieces is None else "",
        "total": None if total is None else from_minor(total),
        "code": choice.code.upper() if promotion else "",
        "code_refused": refused,
        "discount": None if off is None else from_minor(off),
        "added": added,
        "after": None if added is None else visit.wallet.balance + added,
        "lasts": "" if added is None else _lasts(ahead.after(added, _last_day(choice))),
    }


def _promotion(visit: Visit, choice: Choice) -> tuple[Promotion | None, str]:
    """The code's promotion, or why it is refused."""
    try:
        return promotions.preview(visit.org.id, visit.by, guards.platform_provider(), choice.code), ""
    except CofferError as refusal:
        return None, refusal.detail


def _bounds(offer: Offer) -> str:
    return packs.pieces(offer.version.min_quantity, offer.version.max_quantity)


def _last_day(choice: Choice) -> date | None:
    days = choice.offer.version.expires_days if choice.offer else None
    return clock.today() + timedelta(days=days) if days else None


def _lasts(outlook: forecast.Forecast) -> str:
    """How long the balance would last, as text; empty if unknown."""
    if outlook.state == "over_a_year":
        return "more than a year"
    if outlook.state != "runs_out" or outlook.days is None or outlook.runs_out_on is None:
        return ""
    return f"about {outlook.days} day{'s' if outlook.days != 1 else ''}, until {day(outlook.runs_out_on)}"
