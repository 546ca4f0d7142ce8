"""How buyers see a credit pack: on the form, and in its seller's preview."""

from uuid import UUID

from dashboard.core.money import from_minor, money
from dashboard.domain.catalog.products import Offer
from dashboard.domain.catalog.terms import QUANTITY_LIMIT, Terms
from dashboard.web.formats import percent

Option = tuple[UUID | str, str, str, str, bool, str, str]
"""An option as the form's macro takes it: id, price, name, what it contains, whether it is disabled, description, how
long it lasts."""


def option(offer: Offer, *, pace_micros: int = 0) -> Option:
    """`pace_micros`: the buyer's usage per day."""
    product, terms = offer.product, Terms.of(offer.version)
    shown = face(product.id, product.name, product.description, terms, pace_micros=pace_micros)
    return (*shown[:3], "not available now", True, shown[5], "") if offer.blocked else shown


def face(id_: UUID | str, name: str, description: str, terms: Terms, *, pace_micros: int = 0) -> Option:
    price = from_minor(terms.price_minor)
    bonus = f"+{money(terms.bonus_micros)} bonus" if terms.bonus_micros else ""
    if terms.grant_micros != price:
        bonus = f"{money(terms.credited_micros)} of credits"
    if terms.credited_micros > price:
        bonus += f" (+{percent(terms.credited_micros - price, price)})"
    if bonus and terms.bonus_micros and terms.bonus_days != terms.expires_days:
        bonus += f", the bonus {expires_after(terms.bonus_days)}"
    kind = "promotional credit" if terms.grant_kind == "promotional" else ""
    details = (bonus, kind, expires_after(terms.expires_days), pieces(terms.min_quantity, terms.max_quantity))
    return (
        id_,
        money(price),
        name,
        " · ".join(filter(None, details)),
        False,
        description,
        _lasts(terms.credited_micros, pace_micros),
    )


def _lasts(micros: int, pace_micros: int) -> str:
    days = micros // pace_micros if pace_micros else 0
    if days > 365:
        return "More than a year at your pace"
    return f"About {days} day{'' if days == 1 else 's'} at your pace" if days else ""


def expires_after(days: int) -> str:
    return f"expires after {days:,} day{'' if days == 1 else 's'}" if days else ""


def pieces(least: int, most: int) -> str:
    """The allowed quantity, unless it is anything from 1 to 100."""
    if least == most:
        return f"exactly {least} at once"
    if least > 1 and most < QUANTITY_LIMIT:
        return f"{least} to {most} at once"
    if most < QUANTITY_LIMIT:
        return f"up to {most} at once"
    return f"at least {least} at once" if least > 1 else ""
