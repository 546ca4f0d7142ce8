"""Prices and units in words."""

from typing import Any

from dashboard.core.units import counted
from dashboard.models import Price
from dashboard.web.price_words import price_words
from tests.each import each

TIERS = [{"up_to": 10_000, "amount_micros": 800, "per_units": 1}, {"up_to": None, "amount_micros": 600, "per_units": 1}]


@each(
    ("unit", "price", "words"),
    [
        ("push", {"amount_micros": 600}, "$0.0006 per push"),
        ("email", {"amount_micros": 0}, "$0.00 per email"),
        (
            "token", {"amount_micros": 150_000, "per_units": 1_000_000, "free_units": 1_000_000, "period": "month"},
            "$0.15 per 1M tokens, first 1M free each month",
        ),
        (
            "push", {"amount_micros": 25_000_000, "per_units": 1_500, "free_units": 250},
            "$25.00 per 1,500 pushes, first 250 free",
        ),
        (
            "MB", {"kind": "package", "amount_micros": 5_000_001, "per_units": 1_000},
            "$5.000001 for every started 1,000 MB",
        ),
        (
            "cent", {"kind": "per_event", "amount_micros": 20_000, "per_units": 100, "min_micros": 200_000,
             "max_micros": 5_000_000},
            "$0.02 per 100 cents, at least $0.20 and at most $5.00, each event on its own",
        ),
        (
            "MB", {"kind": "graduated", "tiers": TIERS, "period": "month"},
            "$0.0008 per MB up to 10,000, then $0.0006 per MB, counted from zero each month",
        ),
    ],
)  # fmt: skip
def test_a_price_reads_as_a_sentence(unit: str, price: dict[str, Any], words: str) -> None:
    blank = {"kind": "flat", "amount_micros": 0, "per_units": 1, "tiers": None, "free_units": 0, "period": "none"}
    assert price_words(Price(**blank | price), unit) == words


def test_units_are_counted_in_words() -> None:
    cases = {
        (1, "token"): "1 token", (1_204, "token"): "1,204 tokens", (720, "MB"): "720 MB", (2, "push"): "2 pushes",
        (3, "GPU second"): "3 GPU seconds", (0, "box"): "0 boxes", (2, "class"): "2 classes",
    }  # fmt: skip
    assert {given: counted(*given) for given in cases} == cases
