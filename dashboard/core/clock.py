"""The only clock. All code that needs the time asks here, so that tests and the demo can move it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime
from functools import cache
from zoneinfo import available_timezones

_moved: ContextVar[datetime | None] = ContextVar("moved_clock", default=None)


def now() -> datetime:
    """The current time: UTC and timezone-aware."""
    return _moved.get() or datetime.now(UTC)


def today() -> date:
    """The current UTC day. Days, months and billing periods are UTC everywhere."""
    return now().date()


@cache
def time_zones() -> frozenset[str]:
    """The names of all time zones. Finding them reads a thousand files, so the result is cached."""
    return frozenset(available_timezones())


def time_zone(text: str) -> str | None:
    """The zone of this name, or of this place in any case, such as `stockholm`; None if there is no such zone, or more
    than one."""
    if text in time_zones():
        return text
    wanted = text.strip().replace(" ", "_").casefold()
    found = {zone for zone in time_zones() if wanted in (zone.casefold(), zone.rpartition("/")[2].casefold())}
    return found.pop() if len(found) == 1 else None


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Hold the clock at `moment` (timezone-aware) within the block."""
    token = _moved.set(moment.astimezone(UTC))
    try:
        yield
    finally:
        _moved.reset(token)


def in_words(moment: datetime) -> str:
    """For e-mails and files, whose reader's time zone is unknown: `20 November 2026, 09:40 UTC`."""
    at = moment.astimezone(UTC)
    return f"{at.day} {at:%B %Y, %H:%M} UTC"
