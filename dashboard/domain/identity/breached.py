"""Passwords that everybody who guesses tries first, from leaked collections: they are refused, without asking anybody.

The list holds the first bytes of the SHA-256 of each, in order: 96 kB for 16,000. `breached.md` says where it is from.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable
from functools import cache
from pathlib import Path

LIST = Path(__file__).with_name("breached.bin")
WIDTH = 6
"""Bytes of each entry: a password that is not listed is taken for a listed one once in some 20 billion."""


def listed(password: str) -> bool:
    """Case does not matter, nor do spaces around it."""
    entries, wanted = _entries(), _mark(password)
    place = bisect_left(entries, wanted)
    return place < len(entries) and entries[place] == wanted


def packed(passwords: Iterable[str], *, shortest: int) -> bytes:
    """The file for a list of passwords; those that are refused as too short anyway are left out."""
    return b"".join(sorted({_mark(one) for one in passwords if len(one.strip()) >= shortest}))


@cache
def _entries() -> list[bytes]:
    content = LIST.read_bytes()
    return [content[start : start + WIDTH] for start in range(0, len(content), WIDTH)]


def _mark(password: str) -> bytes:
    return hashlib.sha256(password.strip().casefold().encode()).digest()[:WIDTH]
