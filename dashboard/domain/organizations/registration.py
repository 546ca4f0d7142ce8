"""Sign-up: creates a user together with their personal organization. These flows open their own transactions.

Call them outside a transaction. Passwords are hashed outside any transaction.
"""

import structlog

from dashboard.config import settings
from dashboard.core import ids
from dashboard.core.db import transaction
from dashboard.core.errors import check_each
from dashboard.domain import audit, rate_limits
from dashboard.domain.audit import SYSTEM
from dashboard.domain.organizations import organizations
from dashboard.domain.people import account_emails, email_tokens, passwords, sign_up_credits, users
from dashboard.models import PLATFORM_ORG_ID, User

log = structlog.get_logger("coffer.identity")


class _Pretended(Exception):
    pass


def sign_up(
    *, name: str, email: str, password: str, ip: str, mode: str, timezone: str = "", by_link: bool = False
) -> User:
    """Create a standard user with a personal organization, and queue the confirmation email. Raises Invalid (with the
    field), EmailTaken, TooManyRequests.

    If addresses are verified, the sign-up credits wait for that. Pages there use `ask_to_join`, which does not reveal
    that an address is taken. `by_link`: a link that was sent to the address led here, which verifies it.
    """
    name, email, password_hash = _judged(name, email, password, ip=ip)
    grant_in = mode if by_link or not settings().verifies_addresses else None
    user = _add_standard(name, email, password_hash, verified=by_link, grant_in=grant_in, timezone=timezone)
    log.info("signed up", user=str(user.id))
    return user


def ask_to_join(*, name: str, email: str, password: str, ip: str, timezone: str = "") -> None:
    """Sign up without revealing whether the address is taken: the work and the response are the same, and only the
    email differs.

    A new user gets the link that confirms the address; a user who already has an account gets a hint to sign in. Raises
    Invalid (with the field), TooManyRequests.
    """
    name, email, password_hash = _judged(name, email, password, ip=ip)
    owner = users.by_email(email)
    home = users.personal_org_id(owner.id if owner else ids.new())
    try:
        _add_standard(name, email, password_hash, verified=False, timezone=timezone, pretend=owner is not None)
    except users.EmailTaken:  # by a simultaneous sign-up
        return
    except _Pretended:
        log.info("signed up with a taken address")
    if owner is not None:
        with transaction(home):
            if rate_limits.exceeded(rate_limits.LINK_ADDRESS, "taken", email) is None and owner.is_active:
                account_emails.send(owner, "address_taken", home=home)


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


def _judged(name: str, email: str, password: str, *, ip: str) -> tuple[str, str, str]:
    """The name, the address and the password's hash, after validation."""
    check_each(
        lambda: users.checked_name(name), lambda: users.checked_email(email),
        lambda: passwords.check(password, email=email),
    )  # fmt: skip
    name, email = users.checked_name(name), users.checked_email(email)
    with rate_limits.counted((rate_limits.SIGN_UP_IP, (ip,))):
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
        org = organizations.make_personal(user, org_id=org_id, by=users.actor_of(user))
        if grant_in:
            sign_up_credits.grant(org.id, user, mode=grant_in, micros=settings().initial_micros)
        if pretend:
            raise _Pretended
        if not verified:
            rate_limits.exceeded(
                rate_limits.LINK_ADDRESS, email_tokens.VERIFY, email
            )  # it counts this link, and takes the same time
            account_emails.send(
                user, "verify", home=org_id, token=email_tokens.issue(user, email_tokens.VERIFY, to=email)
            )
    return user
