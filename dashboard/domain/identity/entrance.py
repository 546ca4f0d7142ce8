"""Signing up and signing in. These flows open their own transactions: call them where none is open.

A password is hashed outside of any, since that takes as long as many charges.
"""

import structlog

from dashboard.config import settings
from dashboard.core import ids
from dashboard.core.db import transaction
from dashboard.core.errors import Invalid, TooManyRequests
from dashboard.domain import audit
from dashboard.domain.audit import SYSTEM
from dashboard.domain.identity import limits, organizations, passwords, permissions, users
from dashboard.domain.identity.limits import Limit
from dashboard.models import PLATFORM_ORG_ID, User

log = structlog.get_logger("coffer.identity")


class BadCredentials(Invalid):
    """The same for an unknown address, a wrong password and a disabled person."""

    code = "bad_credentials"

    def __init__(self, detail: str = "The e-mail address or the password is wrong.") -> None:
        super().__init__(detail)


def sign_in(email: str, password: str, *, ip: str) -> User:
    """The person with these credentials. Raises BadCredentials, TooManyRequests.

    Failures are counted per address and account and per address alone, so that nobody can lock someone else out.
    """
    account = email[: users.LONGEST_EMAIL].strip().lower()
    tried: list[tuple[Limit, tuple[str, ...]]] = [
        (limits.SIGN_IN_ACCOUNT, (account, ip)),
        (limits.SIGN_IN_IP, (ip,)),
    ]
    # Counted before the look, and given back when right: many guesses at once cannot slip through together.
    _count(*tried)
    user = users.by_email(email)
    right = passwords.matches(user.password_hash if user else None, password)
    if user is None or not right or not user.is_active:
        log.warning("sign-in refused", user=str(user.id) if user else None)
        raise BadCredentials
    renewed = passwords.hashed(password) if passwords.outdated(user.password_hash) else None
    with transaction():
        for limit, subject in tried:
            limits.give_back(limit, *subject)
        if renewed:
            user.password_hash = renewed
    log.info("signed in", user=str(user.id))
    return user


def confirm(user: User, password: str) -> None:
    """That it is still this person who sits there. Raises BadCredentials, TooManyRequests."""
    tried: tuple[Limit, tuple[str, ...]] = (limits.CONFIRM, (str(user.id),))
    _count(tried)
    if not passwords.matches(user.password_hash, password):
        log.warning("confirmation refused", user=str(user.id))
        raise BadCredentials("This is not your password.")
    with transaction():
        limits.give_back(tried[0], *tried[1])


def sign_up(*, name: str, email: str, password: str, ip: str) -> User:
    """A new standard user with a personal organization. Raises Invalid (with its field), TooManyRequests.

    In production nobody has proved the address yet, so there the initial credits are not given.
    """
    name, email = users.checked_name(name), users.checked_email(email)
    passwords.check(password, email=email)
    _count((limits.SIGN_UP_IP, (ip,)))
    user = _add_standard(name, email, passwords.hashed(password), verified=False, grant=not settings().production)
    log.info("signed up", user=str(user.id))
    return user


def create_user(*, email: str, password: str, name: str = "", manager: bool = False) -> User:
    """By command: the address counts as verified. A manager has no organization of their own. Raises Invalid."""
    email = users.checked_email(email)
    name = name or email.partition("@")[0]
    passwords.check(password, email=email)
    password_hash = passwords.hashed(password)
    if not manager:
        return _add_standard(name, email, password_hash, verified=True, grant=True)
    with transaction(PLATFORM_ORG_ID):
        user = users.add(email=email, name=name, password_hash=password_hash, verified=True, manager=True)
        audit.record(
            PLATFORM_ORG_ID,
            by=SYSTEM,
            action="user.made",
            object_kind="user",
            object_id=user.id,
            after={"platform_role": user.platform_role},
        )
    return user


def _add_standard(name: str, email: str, password_hash: str, *, verified: bool, grant: bool) -> User:
    org_id = ids.new()
    with transaction(org_id):
        user = users.add(email=email, name=name, password_hash=password_hash, verified=verified)
        org = organizations.make_personal(user, org_id=org_id, by=permissions.actor_of(user))
        if grant:
            organizations.welcome(org, user, mode=settings().mode, micros=settings().initial_micros)
    return user


def _count(*tries: tuple[Limit, tuple[str, ...]]) -> None:
    with transaction():
        waits = [limits.exceeded(limit, *subject) for limit, subject in tries]
    if wait := max((wait for wait in waits if wait is not None), default=None):
        raise TooManyRequests("Too many tries. Wait a little and try again.", retry_after=wait)
