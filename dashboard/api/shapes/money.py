"""Money next to its integer, and the mode."""

from typing import Literal

from dashboard.core.money import MICROS_PER_CENT, MINUS, exact

Mode = Literal["test", "live"]


def usd(micros: int) -> str:
    """`$10.00`, `-$3.11`, `$0.0006`: whole cents, or as many of six decimals as needed."""
    text = exact(micros).replace(MINUS, "-")
    return text[:-4] if micros % MICROS_PER_CENT == 0 else text.rstrip("0")


def mode(text: str) -> Mode:
    return "live" if text == "live" else "test"
