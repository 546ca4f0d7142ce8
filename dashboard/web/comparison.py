"""How a period compares with the one before it, in words."""

from dataclasses import dataclass

from dashboard.core.money import money
from dashboard.domain.funds.reports.costs import Range
from dashboard.web.formats import percent

BEFORE = {"month": "same days of last month", "last-month": "month before"}


@dataclass(frozen=True, slots=True)
class Change:
    """How a period compares with the one before: `▲ 3%` with its tone, and the text after it."""

    mark: str
    words: str
    up: bool


def before_words(range: Range) -> str:
    return BEFORE.get(range.key, f"previous {range.days} days" if range.days > 1 else "day before")


def compared(now: int, before: int, period: str) -> Change:
    """A higher cost is marked as bad. If the period before had no cost, there is no percentage."""
    if before <= 0:
        return Change("", f"Nothing in the {period}" if now else f"Nothing in the {period} either", up=False)
    if now == before:
        return Change("", f"The same as in the {period}", up=False)
    arrow = "▲" if now > before else "▼"
    size = "over 999%" if now > before * 10 else percent(abs(now - before), before)
    return Change(f"{arrow} {size}", f"vs. {period} ({money(before)})", up=now > before)
