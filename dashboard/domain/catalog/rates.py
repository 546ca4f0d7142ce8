"""Credits per dollar. A pack far outside the catalog's usual rate needs a second confirmation, because one digit too
many, or one dishonest manager, turns a cheap pack into a gift."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from statistics import median_low

from dashboard.config import settings
from dashboard.core.errors import Invalid
from dashboard.core.money import from_minor, money
from dashboard.domain.catalog.terms import Terms

ONE = Fraction(1)
LONG = 10


class UnusualRate(Invalid):
    code = "unusual_rate"


def of(terms: Terms) -> Fraction:
    """Credits per dollar of one piece, including its bonus."""
    return Fraction(terms.credited_micros, from_minor(terms.price_minor))


def require_usual(terms: Terms, on_sale: Sequence[Terms]) -> None:
    """Compare with the median of the other packs `on_sale`, or with one credit per dollar if there are none. Raises
    UnusualRate if the two differ by more than the factor in the settings."""
    rate, others = of(terms), sorted(of(other) for other in on_sale)
    usual, factor = median_low(others) if others else ONE, settings().catalog.unusual_rate_factor
    if usual / factor <= rate <= usual * factor:
        return
    price, credits = money(from_minor(terms.price_minor)), money(terms.credited_micros)
    raise UnusualRate(
        f"{price} buys {credits} of credit: {_plain(rate)} credits per dollar. {_range(others)}",
        field="confirm_unusual_rate",
    )


def _range(others: list[Fraction]) -> str:
    if not others:
        return "Usual is 1 credit per dollar."
    least, most = _plain(others[0]), _plain(others[-1])
    span = least if least == most else f"{least} to {most}"
    return f"{'Packs' if others[1:] else 'The pack'} on sale give{'' if others[1:] else 's'} {span}."


def _plain(rate: Fraction) -> str:
    """For users: whole numbers from 10 on, two decimals from 1 on, six below."""
    if rate >= LONG:
        return f"{int(rate):,}"
    exact = Decimal(rate.numerator) / rate.denominator
    return f"{exact:.{2 if rate >= ONE else 6}f}".rstrip("0").rstrip(".")
