"""How long and how large a run is."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    name: str
    seconds: float
    """One measurement; three rounds of each."""
    wallets: int
    largest: int
    """Transactions of the largest organization; the smallest one has 10^4."""


SIZES = (Size("quick", 1, 2_000, 100_000), Size("default", 3, 10_000, 1_000_000), Size("full", 3, 10_000, 10_000_000))
ROUNDS = 3
SMALLEST = 10_000


def chosen() -> Size:
    """What BENCH names. Raises SystemExit for an unknown name."""
    wanted = os.environ.get("BENCH") or "default"
    for size in SIZES:
        if size.name == wanted:
            return size
    raise SystemExit(f"BENCH={wanted} is not one of {', '.join(size.name for size in SIZES)}")
