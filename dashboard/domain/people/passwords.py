"""Passwords: Argon2id, with a limit on simultaneous hashes so that sign-ins cannot starve other requests."""

import functools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from dashboard.config import settings
from dashboard.core import breached_passwords
from dashboard.core.errors import Invalid, Unavailable

SHORTEST = 8
LONGEST = 200
WAIT_SECONDS = 10
WAITING = 4
"""Out of 8 threads per process: the others serve pages, however many users sign in at once."""
KEPT = 1
"""Waiting places reserved for known users, so that a flood of strangers does not keep them out."""

# Gunicorn runs two processes, so each gets half of the cores.
_AT_ONCE = max(1, (os.cpu_count() or 2) // 2)
_slots = threading.BoundedSemaphore(_AT_ONCE)
_room = threading.BoundedSemaphore(_AT_ONCE + WAITING - KEPT)
_kept = threading.BoundedSemaphore(KEPT)


class WeakPassword(Invalid):
    code = "weak_password"


def check(password: str, *, email: str, field: str = "password") -> None:
    """Raise WeakPassword if the password is too weak. Length counts; there are no rules about kinds of characters."""
    if len(password) < SHORTEST:
        raise WeakPassword(f"Use at least {SHORTEST} characters.", field=field)
    if len(password) > LONGEST:
        raise WeakPassword(f"Use at most {LONGEST} characters.", field=field)
    if password.lower() in (email, email.partition("@")[0]) or len(set(password)) < 3:
        raise WeakPassword("This password is too easy to guess.", field=field)
    if breached_passwords.listed(password):
        raise WeakPassword(
            "This password is in lists of leaked ones, which are tried first. Choose another.", field=field
        )


def hashed(password: str, *, known: bool = False) -> str:
    """Hash a password. Takes tens of milliseconds: call it outside a transaction. `known`: for users who were
    identified by a session, a known browser or a link in an email. Raises Unavailable if too many wait."""
    with _slot(known=known):
        return _hasher(settings().password_hashing).hash(password)


def matches(password_hash: str | None, password: str, *, known: bool = False) -> bool:
    """Whether `password` is right. Without a hash (no such user), it does the same work and returns False. `known` as
    for `hashed`. Raises Unavailable if too many wait."""
    profile = settings().password_hashing
    if len(password) > LONGEST:
        password, password_hash = "", None
    with _slot(known=known):
        try:
            _hasher(profile).verify(password_hash or _nobodys(profile), password)
        except (VerificationError, InvalidHashError):
            return False
    return bool(password_hash)


def outdated(password_hash: str) -> bool:
    """Whether the hash was created with parameters other than today's."""
    return _hasher(settings().password_hashing).check_needs_rehash(password_hash)


@contextmanager
def _slot(*, known: bool) -> Iterator[None]:
    room = _place(known=known)
    try:
        if not _slots.acquire(timeout=WAIT_SECONDS):
            raise _busy()
        try:
            yield
        finally:
            _slots.release()
    finally:
        room.release()


def _place(*, known: bool) -> threading.BoundedSemaphore:
    for room in (_room, _kept) if known else (_room,):
        if room.acquire(blocking=False):
            return room
    raise _busy()


def _busy() -> Unavailable:
    return Unavailable("Too many people sign in at once. Try again.", code="busy", retry_after=2)


@functools.cache
def _hasher(profile: str) -> PasswordHasher:
    if profile == "cheap":
        return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


@functools.cache
def _nobodys(profile: str) -> str:
    return _hasher(profile).hash("nobody's password")
