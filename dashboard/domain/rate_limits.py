"""Rate limits for attempts. Counted in PostgreSQL, so they are correct across processes and without Redis."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

from sqlalchemy import TextClause, delete, text

from dashboard.core import clock, crypto, logs
from dashboard.core.db import db, transaction
from dashboard.core.errors import TooManyRequests, Unavailable
from dashboard.models import RateBucket

KEPT = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` times in any `seconds`, as approximated by two fixed windows."""

    name: str
    most: int
    seconds: int


Try = tuple[Limit, tuple[str, ...]]
"""A limit and the subject it is counted for."""

SIGN_IN_ACCOUNT = Limit("sign-in-account", 10, 15 * 60)
SIGN_IN_STRANGERS = Limit("sign-in-strangers", 20, 24 * 60 * 60)
SIGN_IN_DEVICE = Limit("sign-in-device", 10, 15 * 60)
SIGN_IN_IP = Limit("sign-in-ip", 100, 15 * 60)
EMAIL_CHANGE = Limit("email-change", 5, 24 * 60 * 60)
CODE = Limit("code", 10, 15 * 60)
CODE_DAY = Limit("code-day", 50, 24 * 60 * 60)
CONFIRM = Limit("confirm", 10, 15 * 60)
CONFIRM_DAY = Limit("confirm-day", 20, 24 * 60 * 60)
SIGN_UP_IP = Limit("sign-up-ip", 60, 60 * 60)
INVITE_INVITER = Limit("invite-inviter", 300, 24 * 60 * 60)
INVITE_ORG = Limit("invite-org", 1_000, 24 * 60 * 60)
INVITE_ADDRESS = Limit("invite-address", 6, 24 * 60 * 60)
INVITE_PAIR = Limit("invite-pair", 6, 24 * 60 * 60)
INVITE_FIRST = Limit("invite-first", 1, 24 * 60 * 60)
INVITE_ANYWHERE = Limit("invite-anywhere", 20, 24 * 60 * 60)
INVITE_NEW = Limit("invite-new", 50, 24 * 60 * 60)
NEW_ORG = Limit("new-org", 1_000, 24 * 60 * 60)
NEW_KEY = Limit("new-key", 200, 24 * 60 * 60)
NEW_END_USER = Limit("new-end-user", 10_000, 24 * 60 * 60)
INVITE_GUESS = Limit("invite-guess", 100, 15 * 60)
PROMOTION = Limit("promotion", 10, 15 * 60)
PROMOTION_DAY = Limit("promotion-day", 50, 24 * 60 * 60)
CHECKOUT_ORG = Limit("checkout-org", 60, 60)
CHECKOUT_PERSON = Limit("checkout-person", 120, 60)
PAYMENT_CHECK = Limit("payment-check", 30, 60)
CHECKOUT_NOTED = Limit("checkout-noted", 1, 60 * 60)
LINK_IP = Limit("link-ip", 30, 60 * 60)
LINK_ADDRESS = Limit("link-address", 5, 6 * 60 * 60)

# The count stops just above the limit, so that further attempts do not extend the wait.
_TAKE = text("""
INSERT INTO rate_buckets AS b (key, window_start, count) VALUES (:key, :start, 1)
ON CONFLICT (key, window_start) DO UPDATE SET count = least(b.count + 1, :most + 1)
RETURNING count AS tries,
  coalesce((SELECT count FROM rate_buckets WHERE key = :key AND window_start = :previous), 0) AS before
""")
_LOOK = text("""
SELECT coalesce(sum(count) FILTER (WHERE window_start = :start), 0) AS tries,
  coalesce(sum(count) FILTER (WHERE window_start = :previous), 0) AS before
FROM rate_buckets WHERE key = :key AND window_start IN (:start, :previous)
""")
_GIVE_BACK = text("UPDATE rate_buckets SET count = greatest(count - 1, 0) WHERE key = :key AND window_start = :start")


def exceeded(limit: Limit, *subject: str) -> int | None:
    """Count one attempt of `subject` (stored as a digest). Returns None within the limit, else after how many seconds
    the next attempt will be.

    Needs a transaction that must commit for the attempt to count: raise an error after it, not in it.
    """
    return _wait(limit, subject, _TAKE, most=limit.most)


def spent(limit: Limit, *subject: str) -> int | None:
    """The seconds to wait if one more attempt would exceed the limit; counts nothing. For limits that count only
    failures."""
    return _wait(limit, subject, _LOOK, more=1)


TOO_MANY = "Too many tries. Wait a little and try again."


def require(*tries: Try, refusal: str = TOO_MANY) -> None:
    """Count the attempts, and raise an error if one exceeds its limit: before the check, so that many simultaneous ones
    cannot get through together. Opens its own transaction. Raises TooManyRequests.

    Put the limit of a place first: if it is exceeded, the rest is not counted, and no new subject creates a row.
    """
    with transaction():
        waits = (exceeded(limit, *subject) for limit, subject in tries)
        wait = next((wait for wait in waits if wait is not None), None)
    if wait:
        raise TooManyRequests(refusal, retry_after=wait)


@contextmanager
def counted(*tries: Try, refusal: str = TOO_MANY) -> Iterator[None]:
    """Call `require` before the work in the block. If we are too busy to do that work, the attempts are given back,
    because our overload must not lock anyone out. Opens its own transactions. Raises TooManyRequests, and Unavailable
    from the work."""
    require(*tries, refusal=refusal)
    try:
        yield
    except Unavailable:
        with transaction():
            give_all_back(tries)
        raise


def give_all_back(tries: Iterable[Try]) -> None:
    """Give back these attempts. Needs a transaction."""
    for limit, subject in tries:
        give_back(limit, *subject)


def give_back(limit: Limit, *subject: str) -> None:
    """Give back one `exceeded` of this window, because the attempt succeeded. Needs a transaction."""
    now = clock.now().timestamp()
    db.session.execute(_GIVE_BACK, {"key": _key(limit, subject), "start": _moment(now - now % limit.seconds)})


def _wait(limit: Limit, subject: tuple[str, ...], query: TextClause, *, more: int = 0, **values: int) -> int | None:
    now = clock.now().timestamp()
    start = now - now % limit.seconds
    windows = {"start": _moment(start), "previous": _moment(start - limit.seconds)}
    row = db.session.execute(query, {"key": _key(limit, subject), **windows, **values}).one()
    elapsed, tries, before = (now - start) / limit.seconds, int(row.tries), int(row.before)
    if tries + more + before * (1 - elapsed) <= limit.most:
        return None
    return max(1, ceil((_room_at(limit.most, tries, before) - elapsed) * limit.seconds))


def _room_at(most: int, tries: int, before: int) -> float:
    """When one more attempt is within the limit, in windows since the start of this one: in this window, as the weight
    of the window before falls; else in the next one, as the weight of this one falls."""
    if before and tries < most:
        return 1 - (most - tries - 1) / before
    return 2 - min(1.0, (most - 1) / tries)


def purge() -> None:
    """Delete windows that no limit uses any more. Needs a transaction."""
    db.session.execute(delete(RateBucket).where(RateBucket.window_start < clock.now() - KEPT))


def _key(limit: Limit, subject: tuple[str, ...]) -> str:
    return f"{limit.name}:{crypto.digest(chr(0).join(map(logs.network_of, subject))).hex()[:32]}"


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
