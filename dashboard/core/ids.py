"""Row ids: UUIDv7 (RFC 9562 section 5.7), made here so that they follow our clock and work on PostgreSQL 15."""

import secrets
from datetime import datetime
from uuid import UUID

from dashboard.core import clock


def new() -> UUID:
    """A new id: 48 bits of milliseconds, then 74 random bits. Ids of later milliseconds sort later."""
    return _compose(clock.now(), secrets.randbits(74))


def lowest(moment: datetime) -> UUID:
    """The smallest id of that millisecond: the bound for 'made at or after `moment`'."""
    return _compose(moment, 0)


def parse(text: str) -> UUID | None:
    """The id in `text`, or None: what is not an id names nothing."""
    try:
        return UUID(text)
    except ValueError:
        return None


def _compose(moment: datetime, bits: int) -> UUID:
    milliseconds = int(moment.timestamp() * 1000) & (2**48 - 1)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | (bits >> 62) << 64 | 0b10 << 62 | bits & (2**62 - 1))
