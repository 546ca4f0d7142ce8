"""JSON read strictly: UTF-8, no NaN or infinity, no name twice in an object, no depth that exhausts the stack."""

import json
import math
from collections.abc import Callable
from typing import Any


class RepeatedName(ValueError):
    """An object has a name twice: it could mean one thing here and another elsewhere."""

    def __init__(self, name: str) -> None:
        super().__init__("a name appears twice")
        self.name = name


def finite(digits: str) -> float:
    """Raises ValueError for a number that no float can hold."""
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(digits)
    return number


def no_constant(name: str) -> Any:
    raise ValueError(name)


def parse(
    raw: bytes,
    *,
    integer: Callable[[str], Any] = int,
    fraction: Callable[[str], Any] = finite,
    constant: Callable[[str], Any] = no_constant,
) -> Any:
    """The value in `raw`; what becomes of integers, other numbers and NaN is the caller's choice. Raises ValueError."""
    try:
        return json.loads(
            raw.decode(), parse_int=integer, parse_float=fraction, parse_constant=constant, object_pairs_hook=_object
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise RepeatedName(name)
        made[name] = value
    return made
