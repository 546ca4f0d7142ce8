"""Lines of a CSV file that is safe to open in a spreadsheet."""

import csv
import io
import re
from collections.abc import Iterable
from datetime import UTC, datetime

from dashboard.core.money import MINUS, exact

# The characters after which a spreadsheet may start a cell, including separators of some spreadsheets, blanks, and
# quotes after such a separator: `;""=1` is a cell that contains `=1`.
_FORMULA = re.compile(r"(^\s*+|;[\s\"]*+|[\t\r\n](?:[^\S\t\r\n]|\")*+)(?=[=+\-@＝＋－＠])")


def line(values: Iterable[str]) -> str:
    """Quote every value, so that none ends at a separator that a spreadsheet chose itself."""
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerow(values)
    return buffer.getvalue()


def text(value: str | None) -> str:
    """`value` with `'` before anything that a spreadsheet could take for the beginning of a formula."""
    return _FORMULA.sub(r"\1'", value or "")


def number(micros: int) -> str:
    """An exact amount as a plain number; its currency has its own column."""
    return exact(micros).replace(MINUS, "-").replace("$", "").replace(",", "")


def moment(at: datetime | None) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z") if at else ""
