"""Numbers of units in words."""

HISSING = ("s", "x", "z", "ch", "sh")


def plural(unit: str) -> str:
    """The name of more than one: `tokens`, `pushes`; abbreviations such as `MB` stay."""
    last = unit.rpartition(" ")[2]
    if last.isupper() and len(last) > 1:
        return unit
    return unit + ("es" if unit.endswith(HISSING) else "s")


def counted(number: int, unit: str) -> str:
    """`1 token`, `1,204 tokens`."""
    return f"{number:,} {unit if number == 1 else plural(unit)}"
