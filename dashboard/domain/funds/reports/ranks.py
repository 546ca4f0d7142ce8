"""Which keys a chart shows by name, and in which colours."""

from collections.abc import Mapping, Sequence

from dashboard.models import OTHER_APPS

NAMED_SERIES = 4


def named(totals: Mapping[str, int], *, always: str | None = None) -> list[str]:
    """The keys that are shown by name, largest first, with `always` if it is one of them."""
    known = [key for key in totals if key != OTHER_APPS and (totals[key] or key == always)]
    large = sorted(known, key=lambda key: (-totals[key], key))
    if always is None or always not in large[NAMED_SERIES:]:
        return large[:NAMED_SERIES]
    return [*large[: NAMED_SERIES - 1], always]


def colours(keys: Sequence[str], longer: Mapping[str, int]) -> dict[str, int]:
    """Colours by rank in the totals of a longer time, so that a different range does not change colours. Keys that rank
    lower there get the remaining ones."""
    found = {key: rank for rank, key in enumerate(named(longer), start=1) if key in keys}
    free = [colour for colour in range(1, NAMED_SERIES + 1) if colour not in found.values()]
    return found | {key: free.pop(0) for key in keys if key not in found}
