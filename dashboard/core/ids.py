"""Row ids: UUIDv7 (RFC 9562 section 5.7), generated here so that they follow our clock and work on PostgreSQL 15."""

import os
import secrets
import struct
import threading
from datetime import datetime
from itertools import accumulate
from uuid import UUID

from dashboard.core import clock

_STEP, _LARGEST_STEP = struct.Struct("Q"), 2**48 - 1


class _Sequence:
    """The ids of this process, ordered even within a millisecond (RFC 9562 section 6.2, method 2)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._milliseconds, self._bits = -1, 0

    def next(self, count: int) -> list[UUID]:
        # A random step keeps the next id unguessable. Half the range is free: room for 2^25 steps.
        steps = [(step & _LARGEST_STEP) + 1 for (step,) in _STEP.iter_unpack(os.urandom(_STEP.size * count))]
        with self._lock:  # includes the clock, because another thread could get ahead between reading it and this point
            milliseconds = _milliseconds(clock.now())
            if milliseconds != self._milliseconds:
                self._milliseconds, self._bits = milliseconds, secrets.randbits(73)
            made = list(accumulate(steps, initial=self._bits))[1:]
            self._bits = made[-1]
        return [_compose(milliseconds, bits) for bits in made]


_sequence = _Sequence()


def _after_fork() -> None:
    global _sequence  # the parent's lock may be held by a thread that does not exist in the child
    _sequence = _Sequence()


os.register_at_fork(after_in_child=_after_fork)


def new() -> UUID:
    """A new id: 48 bits of milliseconds, then 74 random bits.

    Ids sort by millisecond, and within a millisecond in the order in which this process generated them. If the clock is
    set back, new ids follow it.
    """
    return _sequence.next(1)[0]


def many(count: int) -> list[UUID]:
    """So many new ids, in order; much cheaper than one at a time."""
    return _sequence.next(count) if count else []


def lowest(moment: datetime) -> UUID:
    """The smallest id of that millisecond: the bound for "created at or after `moment`"."""
    return _compose(_milliseconds(moment), 0)


def parse(text: str) -> UUID | None:
    """The id in `text`, or None if it is not an id."""
    try:
        return UUID(text) if len(text) in (32, 36) else None  # UUID() would accept any number of hyphens and braces
    except ValueError:
        return None


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000) & (2**48 - 1)


def _compose(milliseconds: int, bits: int) -> UUID:
    return UUID(int=milliseconds << 80 | 0x7 << 76 | (bits >> 62) << 64 | 0b10 << 62 | bits & (2**62 - 1))
