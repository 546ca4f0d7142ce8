"""Money: integer micro-dollars, one strict parser, three ways to show an amount. 1 credit = 1 USD = 1,000,000 micros.

All rounding is in this module.
"""

import re
from typing import NewType

from dashboard.core.errors import Invalid

Micros = NewType("Micros", int)

MICROS_PER_USD = 1_000_000
MICROS_PER_CENT = 10_000
LARGEST = Micros(10**18)
"""The largest single amount, 10^12 USD: nine of these still fit into a bigint balance."""

MINUS = "\u2212"

_DECIMAL = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?", re.ASCII)


class InvalidAmount(Invalid):
    code = "invalid_amount"


def parse_credits(text: str, *, field: str | None = None) -> Micros:
    """Parse a decimal text such as `25` or `0.000001` into micros: ASCII digits, up to 12 before and 6 after the point.

    No sign, exponent, separator or inner blank; outer blanks are stripped. Raises InvalidAmount, also for zero.
    """
    text = text.strip(" ") if len(text) <= 40 else ""
    if not _DECIMAL.fullmatch(text):
        raise InvalidAmount("Enter an amount such as 25 or 0.50, with up to 6 decimals.", field=field)
    whole, _, part = text.partition(".")
    micros = int(whole) * MICROS_PER_USD + int(part.ljust(6, "0"))
    if micros == 0:
        raise InvalidAmount("Enter an amount above zero.", field=field)
    return Micros(micros)


def plain_credits(micros: int) -> str:
    """A plain decimal number of credits, exact and as short as possible: `25`, `10.5`, `0.000001`."""
    whole, part = divmod(abs(micros), MICROS_PER_USD)
    text = f"{whole}.{part:06d}".rstrip("0").rstrip(".")
    return f"-{text}" if micros < 0 else text


def from_minor(minor: int) -> Micros:
    """Micros in `minor` US cents."""
    return Micros(minor * MICROS_PER_CENT)


# Stripe's exceptions; all other currencies that it accepts have two decimals.
_WHOLE = frozenset(
    {"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"}
)
_IN_THOUSANDTHS = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})


def plain_minor(minor: int, currency: str) -> str:
    """A provider's amount as a plain number in its currency: `20.00`, for yen `2000`."""
    code = currency.lower()
    places = 0 if code in _WHOLE else 3 if code in _IN_THOUSANDTHS else 2
    whole, part = divmod(abs(minor), 10**places)
    return f"{'-' if minor < 0 else ''}{whole}" + (f".{part:0{places}d}" if places else "")


def of_currency(minor: int, currency: str) -> str:
    """A provider's amount as text: `$20.00`; other currencies with their code, `20.00 EUR`."""
    if currency.lower() == "usd":
        return money(from_minor(minor))
    return f"{plain_minor(minor, currency).replace('-', MINUS)} {currency.upper()}"


def money(micros: int) -> str:
    """For balances, totals and axes: whole cents, rounded down, so that it never shows more than there is.

    Below one cent it shows four decimals, or six if four would read as zero: `$41.82`, `$0.0006`, `-$3.11` (with
    U+2212).
    """
    size = abs(micros)
    if size and size < MICROS_PER_CENT:
        unit, places = (100, 4) if size >= 100 else (1, 6)
    else:
        unit, places = MICROS_PER_CENT, 2
    return _text(micros // unit, places, plus=False)


def signed(micros: int) -> str:
    """For ledger rows: an explicit sign; four decimals for a part-cent amount under a dollar, six under $0.0001.

    Truncated toward zero, but never to zero; the title shows the `exact` amount.
    """
    size = abs(micros)
    if size and size < 100:
        unit, places = 1, 6
    elif size < MICROS_PER_USD and size % MICROS_PER_CENT:
        unit, places = 100, 4
    else:
        unit, places = MICROS_PER_CENT, 2
    return _text(size // unit if micros >= 0 else -(size // unit), places, plus=True)


def exact(micros: int) -> str:
    """For titles, details, CSV and the API: always six decimals."""
    return _text(micros, 6, plus=False)


def shown(micros: int) -> str:
    """As short as it is exact: whole cents with two decimals, else all six."""
    return exact(micros) if micros % MICROS_PER_CENT else money(micros)


def unit_price(micros: int) -> str:
    """For prices: exact, with as few decimals as that takes but at least two: `$25.00`, `$0.0006`."""
    whole, _, part = plain_credits(micros).partition(".")
    return f"${int(whole):,}.{part.ljust(2, '0')}"


def _text(value: int, places: int, *, plus: bool) -> str:
    sign = MINUS if value < 0 else "+" if plus and value > 0 else ""
    whole, part = divmod(abs(value), 10**places)
    return f"{sign}${whole:,}.{part:0{places}d}"
