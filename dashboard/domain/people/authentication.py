"""Sign-up and sign-in. These flows open their own transactions. Call them outside a transaction.

Passwords are hashed outside any transaction, because that takes as long as many charges.
"""

import structlog
from sqlalchemy import select

from dashboard.config import settings
from dashboard.core import ids
from dashboard.core.db import lock, transaction
from dashboard.core.errors import Invalid, Unavailable
from dashboard.domain import audit, rate_limits
from dashboard.domain.audit import SYSTEM
from dashboard.domain.people import (
    devices,
    passwords,
    second_factor,
    users,
)
from dashboard.domain.rate_limits import Try
from dashboard.models import PLATFORM_ORG_ID, User

LIMITED = (
    "Too many tries. Wait a little, sign in from a browser that you have used before, or set a new password by mail."
)
UNKNOWN = "unknown"
"""The actor of a failed sign-in if there is no such account."""

log = structlog.get_logger("coffer.identity")


class BadCredentials(Invalid):
    """The same error for an unknown address, a wrong password and a disabled user."""

    code = "bad_credentials"

    def __init__(self, detail: str = "The email address or the password is wrong.") -> None:
        super().__init__(detail)


def sign_in(email: str, password: str, *, ip: str, device: str = "") -> User:
    """The user with these credentials. Raises BadCredentials, TooManyRequests.

    Failures are counted per account and place, per place, and per account over all places. A `device` in which the user
    signed in before is counted separately instead, so that exhausting the other limits does not lock the user out.
    """
    account = email[: users.LONGEST_EMAIL].strip().lower()
    user = users.by_email(email)
    tried: list[Try] = [
        (rate_limits.SIGN_IN_IP, (ip,)),
        (rate_limits.SIGN_IN_ACCOUNT, (account, ip)),
        (rate_limits.SIGN_IN_STRANGERS, (account,)),
    ]
    known = devices.known(user.id if user else ids.new(), device)
    if known:
        tried = [(rate_limits.SIGN_IN_DEVICE, (account, device))]
    verified = user.password_hash if user else None
    # Counted before the check, and given back if the password is right, so that many simultaneous guesses cannot get
    # through together.
    with rate_limits.counted(*tried, refusal=LIMITED):
        right = passwords.matches(verified, password, known=known)
    if user is None or verified is None or not right or not user.is_active or _unverified(user):
        log.warning("sign-in refused", user=str(user.id) if user else None)
        _note_refusal(user)
        raise BadCredentials
    renewed = _renewed(verified, password, known=known)
    with transaction(PLATFORM_ORG_ID):
        rate_limits.give_all_back(tried)
        still_theirs(user, verified)
        if renewed:
            user.password_hash = renewed
        if not second_factor.on(user):
            _note_entry(user)
    return user


def still_theirs(user: User, verified: str) -> None:
    """Check that the hash that matched the password is still the user's: a password set since then, by a link or in
    another browser, takes precedence. Locks the user until the transaction ends. Raises BadCredentials."""
    current = lock(select(User).filter_by(id=user.id))
    if current is None or current.password_hash != verified or not current.is_active:
        raise BadCredentials


def second_step(user: User, code: str) -> None:
    """Check the code of a user who has a second factor, after `sign_in`. Raises BadCode, TooManyRequests."""
    second_factor.check(user, code)
    with transaction(PLATFORM_ORG_ID):
        _note_entry(user)


def _note_entry(user: User) -> None:
    by = users.actor_of(user)
    audit.record(user, "session.opened", by=by, org=PLATFORM_ORG_ID)
    log.info("signed in", user=str(user.id))


def _note_refusal(user: User | None) -> None:
    """Recorded only within the rate limits, so that nobody can fill the audit log. Does the same work for an unknown
    account."""
    known = str(user.id) if user else UNKNOWN
    with transaction(PLATFORM_ORG_ID):
        audit.record(audit.Ref("user", known), "session.refused", by=SYSTEM, org=PLATFORM_ORG_ID)


def confirm(user: User, password: str, *, code: str | None = None) -> None:
    """Confirm that it is still this user, with the password and, if a second factor is on, a `code`. Raises
    BadCredentials, BadCode, TooManyRequests."""
    tried: list[Try] = [(rate_limits.CONFIRM, (str(user.id),)), (rate_limits.CONFIRM_DAY, (str(user.id),))]
    with rate_limits.counted(*tried):
        right = passwords.matches(user.password_hash, password, known=True)
    if not right:
        log.warning("confirmation refused", user=str(user.id))
        raise BadCredentials("This is not your password.")
    if code is not None and second_factor.on(user):
        second_factor.check(user, code)
    with transaction():
        rate_limits.give_all_back(tried)


def _renewed(verified: str, password: str, *, known: bool) -> str | None:
    """A new hash if today's parameters differ. If too many requests wait, it can wait too, until the next sign-in."""
    if not passwords.outdated(verified):
        return None
    try:
        return passwords.hashed(password, known=known)
    except Unavailable:
        return None


def _unverified(user: User) -> bool:
    """If addresses are verified, an unconfirmed user cannot sign in. Otherwise, a sign-up followed by a sign-in would
    reveal whether an address was free."""
    return settings().verifies_addresses and user.email_verified_at is None
