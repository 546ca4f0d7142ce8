"""Keeps users in control of their account: confirms the address, and resets and changes the password.

These flows open their own transactions. Call them outside a transaction. Passwords are hashed outside any transaction.
"""

from uuid import UUID

import structlog
from sqlalchemy import select

from dashboard.config import settings
from dashboard.core import clock, ids
from dashboard.core.db import db, lock, transaction
from dashboard.core.errors import Invalid
from dashboard.domain import audit, rate_limits
from dashboard.domain.audit import Actor
from dashboard.domain.people import (
    account_emails,
    authentication,
    devices,
    email_tokens,
    passwords,
    personal_tokens,
    sessions,
    sign_up_credits,
    users,
)
from dashboard.models import PLATFORM_ORG_ID, User

log = structlog.get_logger("coffer.identity")


def ask_verification(email: str, *, ip: str) -> None:
    """Send the confirmation link again. Does the same work and returns nothing, whether or not the user exists.

    Raises TooManyRequests for too many requests from one place; beyond the limit of an address, nothing is sent.
    """
    _ask(email, email_tokens.VERIFY, ip=ip)


def ask_reset(email: str, *, ip: str) -> None:
    """Send a link that sets a new password. Does the same work and returns nothing, whether or not the user exists."""
    _ask(email, email_tokens.RESET, ip=ip)


def verify(token: str, *, mode: str) -> User:
    """Verify the user's address, because they opened the link. Raises DeadLink."""
    link = email_tokens.find(token, email_tokens.VERIFY)
    home = users.personal_org_id(link.user_id)
    with transaction(home):
        email_tokens.take(link)
        user = _locked(link.user_id)
        mark_verified(user, home=home, mode=mode)
    return user


def reset(token: str, password: str, *, mode: str) -> User:
    """Set a new password with the link from an email. Every session, personal token and other link ends, since someone
    else may have created them, and the user is notified. Raises DeadLink, WeakPassword, Unavailable."""
    link = email_tokens.find(token, email_tokens.RESET)
    passwords.check(password, email=link.email)
    password_hash = passwords.hashed(password, known=True)
    home = users.personal_org_id(link.user_id)
    with transaction(home):
        email_tokens.take(link)
        user = _locked(link.user_id)
        _set_password(user, password_hash, home=home, action="user.password_reset")
        personal_tokens.end_all(user.id)
        mark_verified(user, home=home, mode=mode)  # a user who reads the email owns the address
    return user


def change_password(user: User, *, old: str, new: str, keep: UUID, code: str = "") -> None:
    """Set a new password for a user who knows the old one, and has the second factor if it is on. Every session except
    `keep` and every open link ends, and the user is notified. Raises BadCredentials, BadCode, WeakPassword,
    TooManyRequests, Unavailable."""
    passwords.check(new, email=user.email, field="new_password")
    if new == old:
        raise Invalid("This is your current password.", field="new_password")
    verified = user.password_hash
    authentication.confirm(user, old, code=code)
    password_hash = passwords.hashed(new, known=True)
    home = users.personal_org_id(user.id)
    with transaction(home):
        authentication.still_theirs(user, verified)
        _set_password(_locked(user.id), password_hash, home=home, action="user.password_changed", keep=keep)


def confirm_by_link(user: User, *, mode: str) -> None:
    """Verify the user's address, because a link in another email to that address led here."""
    if user.email_verified_at is None:
        home = users.personal_org_id(user.id)
        with transaction(home):
            mark_verified(_locked(user.id), home=home, mode=mode)


def mark_verified(user: User, *, home: UUID, mode: str) -> None:
    """Mark the address as verified. Grants sign-up credits that waited for this, in `mode`. Needs the transaction of
    `home`."""
    if user.email_verified_at is not None:
        return
    user.email_verified_at = clock.now()
    audit.record(user, "user.verified", by=Actor("user", user.id), org=home)
    if home != PLATFORM_ORG_ID and settings().verifies_addresses:
        sign_up_credits.grant(home, user, mode=mode, micros=settings().initial_micros)


def _ask(email: str, purpose: str, *, ip: str) -> None:
    address = users.checked_email(email)
    rate_limits.require((rate_limits.LINK_IP, (ip,)))
    user = users.by_email(address)
    home = users.personal_org_id(user.id if user else ids.new())
    wanted = user is not None and user.is_active and not (purpose == email_tokens.VERIFY and user.email_verified_at)
    with transaction(home):
        within = rate_limits.exceeded(rate_limits.LINK_ADDRESS, purpose, address) is None
        # Strangers can use up an address's emails, but one link an hour is always available to the user.
        without = (
            not email_tokens.alive(user.id if user else ids.new(), email_tokens.RESET) and purpose == email_tokens.RESET
        )
        # The response time must not reveal who has an account, so the same work is done for a placeholder and rolled
        # back.
        undone = db.session.begin_nested()
        nobody = User(id=ids.new(), email=f"{ids.new()}@pretended.test", name="Nobody", password_hash="")
        db.session.add(nobody)
        db.session.flush()
        if user is not None and wanted and (within or without):
            undone.rollback()
            _send(user, purpose, home=home)
        else:
            _send(nobody, purpose, home=home)
            undone.rollback()


def _send(user: User, purpose: str, *, home: UUID) -> None:
    account_emails.send(user, purpose, home=home, token=email_tokens.issue(user, purpose, to=user.email))


def _set_password(user: User, password_hash: str, *, home: UUID, action: str, keep: UUID | None = None) -> None:
    user.password_hash, user.password_changed_at = password_hash, clock.now()
    sessions.end_all(user.id, but=keep)
    email_tokens.end(user.id)
    devices.forget_all(user.id)
    audit.record(user, action, by=Actor("user", user.id), org=home)
    account_emails.send(user, "password_changed", home=home)
    log.info("password changed", user=str(user.id))


def _locked(user_id: UUID) -> User:
    user: User | None = lock(select(User).filter_by(id=user_id))
    if user is None or not user.is_active:
        raise email_tokens.DeadLink
    return user
