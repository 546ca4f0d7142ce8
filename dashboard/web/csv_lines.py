"""Lines of a CSV file that is safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime

from dashboard.core.money import MINUS, exact

MOST_ROWS = 100_000
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def line(values: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(values)
    return buffer.getvalue()


def text(value: str | None) -> str:
    """A spreadsheet must not take a description for a formula."""
    value = value or ""
    return f"'{value}" if value.startswith(FORMULA) else value


def number(micros: int) -> str:
    """An exact amount as a plain number; its currency has a column of its own."""
    return exact(micros).replace(MINUS, "-").replace("$", "").replace(",", "")


def moment(at: datetime | None) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z") if at else ""
