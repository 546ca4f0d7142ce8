"""The one clock. Everything that needs the time asks here, so that tests and the demo can move it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime
from functools import cache
from zoneinfo import available_timezones

_moved: ContextVar[datetime | None] = ContextVar("moved_clock", default=None)


def now() -> datetime:
    """The moment, in UTC and aware."""
    return _moved.get() or datetime.now(UTC)


def today() -> date:
    """The UTC day: days, months and billing periods are UTC everywhere."""
    return now().date()


@cache
def time_zones() -> frozenset[str]:
    """The name of every time zone. Finding them reads a thousand files, so it is done once."""
    return frozenset(available_timezones())


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Hold the clock at `moment` (aware) within the block."""
    token = _moved.set(moment.astimezone(UTC))
    try:
        yield
    finally:
        _moved.reset(token)


def in_words(moment: datetime) -> str:
    """For mails and files, whose reader's zone is not known: `20 November 2026, 09:40 UTC`."""
    at = moment.astimezone(UTC)
    return f"{at.day} {at:%B %Y, %H:%M} UTC"
