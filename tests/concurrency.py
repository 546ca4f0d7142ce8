"""Many at once: the same work in parallel, each in an app context of its own."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, BoundedSemaphore

from flask import Flask
from sqlalchemy import event

from dashboard.core.db import db
from dashboard.core.errors import CofferError
from dashboard.domain.people import passwords

WORKERS = 12


def at_once(app: Flask, many: int, work: Callable[[int], str], *, workers: int = WORKERS) -> Counter[str]:
    """Run `work` with 0, 1, ... in parallel; count what they say, a refusal by its code."""

    def one(number: int) -> str:
        with app.app_context():
            try:
                return work(number)
            except CofferError as refusal:
                return refusal.code

    with ThreadPoolExecutor(workers) as pool:
        return Counter(pool.map(one, range(many)))


def head_on(app: Flask, *works: Callable[[], str]) -> list[str]:
    """Run each of `works` once, all from the same instant; what they said, in their order."""
    start = Barrier(len(works))

    def one(work: Callable[[], str]) -> str:
        with app.app_context():
            start.wait(timeout=10)
            try:
                return work()
            except CofferError as refusal:
                return refusal.code

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(one, works))


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is sent to the database inside the block."""
    sent: list[str] = []

    def note(*args: object) -> None:
        sent.append(str(args[2]))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def somebody_waits() -> bool:
    """Whether a transaction waits for another one's lock."""
    return bool(db.session.scalar(db.text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


@contextmanager
def taken(*rooms: BoundedSemaphore) -> Iterator[None]:
    """As if other people waited at every place."""
    held = [room for room in rooms for _ in range(passwords._AT_ONCE + passwords.WAITING) if room.acquire(False)]
    try:
        yield
    finally:
        for room in held:
            room.release()
