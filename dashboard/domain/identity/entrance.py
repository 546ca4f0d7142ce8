"""Sign-up and sign-in. These flows open their own transactions. Call them outside a transaction.

Passwords are hashed outside any transaction, because that takes as long as many charges.
"""

import structlog
from sqlalchemy import select

from dashboard.config import settings
from dashboard.core import ids
from dashboard.core.db import lock, transaction
from dashboard.core.errors import Invalid, Unavailable
from dashboard.domain import audit
from dashboard.domain.audit import SYSTEM
from dashboard.domain.identity import (
    devices,
    letters,
    limits,
    organizations,
    passwords,
    permissions,
    proofs,
    second_factor,
    users,
)
from dashboard.domain.identity.limits import Try
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

    def __init__(self, detail: str = "The e-mail address or the password is wrong.") -> None:
        super().__init__(detail)


class _Pretended(Exception):
    pass


def sign_in(email: str, password: str, *, ip: str, device: str = "") -> User:
    """The user with these credentials. Raises BadCredentials, TooManyRequests.

    Failures are counted per account and place, per place, and per account over all places. A `device` in which the user
    signed in before is counted separately instead, so that exhausting the other limits does not lock the user out.
    """
    account = email[: users.LONGEST_EMAIL].strip().lower()
    user = users.by_email(email)
    tried: list[Try] = [
        (limits.SIGN_IN_IP, (ip,)),
        (limits.SIGN_IN_ACCOUNT, (account, ip)),
        (limits.SIGN_IN_STRANGERS, (account,)),
    ]
    known = devices.known(user.id if user else ids.new(), device)
    if known:
        tried = [(limits.SIGN_IN_DEVICE, (account, device))]
    verified = user.password_hash if user else None
    # Counted before the check, and given back if the password is right, so that many simultaneous guesses cannot get
    # through together.
    with limits.counted(*tried, refusal=LIMITED):
        right = passwords.matches(verified, password, known=known)
    if user is None or verified is None or not right or not user.is_active or _unverified(user):
        log.warning("sign-in refused", user=str(user.id) if user else None)
        _note_refusal(user)
        raise BadCredentials
    renewed = _renewed(verified, password, known=known)
    with transaction(PLATFORM_ORG_ID):
        limits.give_all_back(tried)
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
    by = permissions.actor_of(user)
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
    tried: list[Try] = [(limits.CONFIRM, (str(user.id),)), (limits.CONFIRM_DAY, (str(user.id),))]
    with limits.counted(*tried):
        right = passwords.matches(user.password_hash, password, known=True)
    if not right:
        log.warning("confirmation refused", user=str(user.id))
        raise BadCredentials("This is not your password.")
    if code is not None and second_factor.on(user):
        second_factor.check(user, code)
    with transaction():
        limits.give_all_back(tried)


def sign_up(
    *, name: str, email: str, password: str, ip: str, mode: str, timezone: str = "", proven: bool = False
) -> User:
    """Create a standard user with a personal organization, and queue the confirmation e-mail. Raises Invalid (with the
    field), EmailTaken, TooManyRequests.

    If addresses are verified, the sign-up credits wait for that. Pages there use `ask_to_join`, which does not reveal
    that an address is taken. `proven`: a link that was sent to the address led here, which verifies it.
    """
    name, email, password_hash = _judged(name, email, password, ip=ip)
    grant_in = mode if proven or not settings().verifies_addresses else None
    user = _add_standard(name, email, password_hash, verified=proven, grant_in=grant_in, timezone=timezone)
    log.info("signed up", user=str(user.id))
    return user


def ask_to_join(*, name: str, email: str, password: str, ip: str, timezone: str = "") -> None:
    """Sign up without revealing whether the address is taken: the work and the response are the same, and only the
    e-mail differs.

    A new user gets the link that confirms the address; a user who already has an account gets a hint to sign in. Raises
    Invalid (with the field), TooManyRequests.
    """
    name, email, password_hash = _judged(name, email, password, ip=ip)
    owner = users.by_email(email)
    home = organizations.home_of(owner.id if owner else ids.new())
    try:
        _add_standard(name, email, password_hash, verified=False, timezone=timezone, pretend=owner is not None)
    except users.EmailTaken:  # by a simultaneous sign-up
        return
    except _Pretended:
        log.info("signed up with a taken address")
    if owner is not None:
        with transaction(home):
            if limits.exceeded(limits.LINK_ADDRESS, "taken", email) is None and owner.is_active:
                letters.tell(owner, "address_taken", home=home)


def create_user(*, email: str, password: str, mode: str, name: str = "", manager: bool = False) -> User:
    """Create a user by command: the address counts as verified. A manager has no personal organization. Raises
    Invalid."""
    email = users.checked_email(email)
    name = name or email.partition("@")[0]
    passwords.check(password, email=email)
    password_hash = passwords.hashed(password)
    if not manager:
        return _add_standard(name, email, password_hash, verified=True, grant_in=mode)
    with transaction(PLATFORM_ORG_ID):
        user = users.add(email=email, name=name, password_hash=password_hash, verified=True, manager=True)
        audit.record(user, "user.made", by=SYSTEM, org=PLATFORM_ORG_ID, after={"platform_role": user.platform_role})
    return user


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


def _judged(name: str, email: str, password: str, *, ip: str) -> tuple[str, str, str]:
    """The name, the address and the password's hash, after validation."""
    name, email = users.checked_name(name), users.checked_email(email)
    passwords.check(password, email=email)
    with limits.counted((limits.SIGN_UP_IP, (ip,))):
        return name, email, passwords.hashed(password)


def _add_standard(
    name: str, email: str, password_hash: str, *, verified: bool, grant_in: str | None = None, timezone: str = "",
    pretend: bool = False,
) -> User:  # fmt: skip
    """Sign-up credits are granted in the mode `grant_in`, if any. `pretend` does the work for an address that has no
    account, and rolls it back: raises _Pretended."""
    org_id = ids.new()
    with transaction(org_id):
        user = users.add(
            email=f"{org_id}@pretended.test" if pretend else email,
            name=name, password_hash=password_hash, verified=verified, timezone=timezone,
        )  # fmt: skip
        org = organizations.make_personal(user, org_id=org_id, by=permissions.actor_of(user))
        if grant_in:
            organizations.welcome(org, user, mode=grant_in, micros=settings().initial_micros)
        if pretend:
            raise _Pretended
        if not verified:
            limits.exceeded(limits.LINK_ADDRESS, proofs.VERIFY, email)  # it counts this link, and takes the same time
            letters.tell(user, "verify", home=org_id, token=proofs.issue(user, proofs.VERIFY, to=email))
    return user
