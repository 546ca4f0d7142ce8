"""Passwords from leaked collections, which attackers try first. They are rejected without asking an external service.

The list holds the first bytes of the SHA-256 of each password, in order: 96 kB for 16,000. `breached_passwords.md`
names its source.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable
from functools import cache
from pathlib import Path

LIST = Path(__file__).with_name("breached_passwords.bin")
WIDTH = 6
"""Bytes per entry: an unlisted password is mistaken for a listed one about once in 20 billion."""


def listed(password: str) -> bool:
    """Ignores case and outer spaces."""
    entries, wanted = _entries(), _mark(password)
    place = bisect_left(entries, wanted)
    return place < len(entries) and entries[place] == wanted


def packed(passwords: Iterable[str], *, shortest: int) -> bytes:
    """The file for a list of passwords. Leaves out those that are too short to be accepted anyway."""
    return b"".join(sorted({_mark(one) for one in passwords if len(one.strip()) >= shortest}))


@cache
def _entries() -> list[bytes]:
    content = LIST.read_bytes()
    return [content[start : start + WIDTH] for start in range(0, len(content), WIDTH)]


def _mark(password: str) -> bytes:
    return hashlib.sha256(password.strip().casefold().encode()).digest()[:WIDTH]
