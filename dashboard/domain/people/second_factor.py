"""Second factor: codes of an authenticator app (RFC 6238: six digits, 30 seconds, SHA-1) and recovery codes.

The app's secret is encrypted and bound to its user. Each code works once: an app's code is identified by its time step,
which only grows.
"""

import base64
import hmac
import secrets
from typing import Any
from uuid import UUID

import pyotp
import structlog
from sqlalchemy import delete, func, select, update

from dashboard.core import clock, crypto
from dashboard.core.db import db, lock, transaction
from dashboard.core.errors import Conflict, Invalid
from dashboard.domain import audit, rate_limits
from dashboard.domain.audit import Actor
from dashboard.domain.people import account_emails, sessions, users
from dashboard.domain.rate_limits import Try
from dashboard.models import PLATFORM_ORG_ID, RecoveryCode, User

ISSUER = "Coffer"
STEP_SECONDS = 30
DIGITS = 6
NEAR = (0, -1, 1)
"""Accepted time steps before and after the current one, because clocks differ and typing takes time."""
RECOVERY_CODES = 10
RECOVERY_BYTES = 10
LONGEST_CODE = 40

log = structlog.get_logger("coffer.identity")


class BadCode(Invalid):
    """The same error for a wrong code, a used one, and another user's code."""

    code = "bad_code"

    def __init__(self) -> None:
        super().__init__("This code is wrong, too old, or was used already.", field="code")


def on(user: User) -> bool:
    return user.totp_enabled_at is not None


def prepare(user: User) -> None:
    """Create a secret for an app; it has no effect until `enable`. Needs a transaction; locks the user, so that a page
    that was open for too long never replaces the secret in use. Raises Conflict."""
    lock(select(User).filter_by(id=user.id))
    if on(user):
        raise Conflict("The second factor is on already.")
    user.totp_secret = crypto.encrypt(pyotp.random_base32(), org_id=PLATFORM_ORG_ID, purpose=_purpose(user))


def secret_of(user: User) -> str:
    """The secret for the app, in base32. Shown before the second factor is switched on, and never afterwards. Raises
    Conflict."""
    if user.totp_secret is None:
        raise Conflict("No second-factor set-up was started.")
    return crypto.decrypt(user.totp_secret, org_id=PLATFORM_ORG_ID, purpose=_purpose(user))


def address(user: User) -> str:
    """The content of the QR code: the secret with the names under which the app lists it."""
    return pyotp.TOTP(secret_of(user)).provisioning_uri(name=user.email, issuer_name=ISSUER)


def enable(user: User, code: str, *, keep: UUID) -> list[str]:
    """Switch it on with a first code. Every session except `keep` ends, and the user is notified. Returns the recovery
    codes, which are shown once. Opens its own transactions. Raises BadCode, Conflict, TooManyRequests."""
    if on(user):
        raise Conflict("The second factor is on already.")
    judged = user.totp_secret
    _judge(user, code, recovery=False)
    home = users.personal_org_id(user.id)
    with transaction(home):
        lock(select(User).filter_by(id=user.id))
        # another page started the set-up again: the app would have the wrong secret
        if on(user) or user.totp_secret != judged:
            raise Conflict("Another set-up was started in the meantime. Nothing was turned on.")
        user.totp_enabled_at = clock.now()
        sessions.end_all(user.id, but=keep)
        _tell(user, home=home, action="user.second_factor_on", event="second_factor_on")
        return _renewed(user)


def check(user: User, code: str) -> None:
    """Check a code of the user's app, or a recovery code. Opens its own transactions. Raises BadCode, TooManyRequests;
    attempts are limited per account, because only someone who knows the password gets this far."""
    _judge(user, code, recovery=True)


def disable(user: User, *, by: Actor, home: UUID, keep: UUID | None = None, reason: str | None = None) -> None:
    """Switch it off, end every session except `keep`, and notify the user. Needs the transaction of `home`."""
    user.totp_secret = user.totp_enabled_at = user.totp_last_step = None
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    sessions.end_all(user.id, but=keep)
    _tell(user, home=home, action="user.second_factor_off", event="second_factor_off", by=by, reason=reason)


def renew_codes(user: User, *, home: UUID) -> list[str]:
    """Create new recovery codes, shown once; the old ones stop working. Needs the transaction of `home`. Raises
    Conflict."""
    if not on(user):
        raise Conflict("The second factor is off.")
    by = Actor("user", user.id)
    audit.record(user, "user.recovery_codes_made", by=by, org=home)
    return _renewed(user)


def codes_left(user: User) -> int:
    query = select(func.count()).select_from(RecoveryCode).filter_by(user_id=user.id, used_at=None)
    return int(db.session.scalar(query) or 0)


def _judge(user: User, code: str, *, recovery: bool) -> None:
    tries: list[Try] = [(rate_limits.CODE, (str(user.id),)), (rate_limits.CODE_DAY, (str(user.id),))]
    rate_limits.require(*tries)
    typed = "".join(code[:LONGEST_CODE].split()).replace("-", "").lower()
    step = _step_of(user, typed)
    home = users.personal_org_id(user.id)
    with transaction(home):
        right = _use_step(user, step) if step is not None else recovery and _use_recovery(user, typed, home=home)
        if right:
            for limit, subject in tries:
                rate_limits.give_back(limit, *subject)
    if not right:
        log.warning("code refused", user=str(user.id))
        raise BadCode


def _step_of(user: User, typed: str) -> int | None:
    """The time step of the code; None if it is not accepted now."""
    if len(typed) != DIGITS or not (typed.isascii() and typed.isdigit()):
        return None
    app = pyotp.TOTP(secret_of(user), digits=DIGITS, interval=STEP_SECONDS)
    now = int(clock.now().timestamp()) // STEP_SECONDS
    steps = [now + near for near in NEAR if hmac.compare_digest(app.generate_otp(now + near), typed)]
    return steps[0] if steps else None


def _use_step(user: User, step: int) -> bool:
    """Of two simultaneous requests with one code, one succeeds."""
    fresh = User.totp_last_step.is_(None) | (User.totp_last_step < step)
    used = update(User).where(User.id == user.id, fresh).values(totp_last_step=step).returning(User.id)
    return db.session.execute(used).first() is not None


def _use_recovery(user: User, typed: str, *, home: UUID) -> bool:
    mine = update(RecoveryCode).where(
        RecoveryCode.user_id == user.id, RecoveryCode.code_hash == crypto.digest(typed), RecoveryCode.used_at.is_(None)
    )
    if db.session.execute(mine.values(used_at=clock.now()).returning(RecoveryCode.id)).first() is None:
        return False
    left = codes_left(user)
    _tell(user, home=home, action="user.recovery_code_used", event="recovery_code_used", left=left)
    return True


def _renewed(user: User) -> list[str]:
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    made = [base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)]
    db.session.add_all([RecoveryCode(user_id=user.id, code_hash=crypto.digest(code)) for code in made])
    db.session.flush()
    return ["-".join(code[start : start + 4] for start in range(0, len(code), 4)) for code in made]


def _tell(
    user: User, *, home: UUID, action: str, event: str, by: Actor | None = None, reason: str | None = None, **more: Any
) -> None:
    audit.record(user, action, by=by or Actor("user", user.id), org=home, after=dict(more) or None, reason=reason)
    account_emails.send(user, event, home=home, **more)


def _purpose(user: User) -> str:
    return f"second factor {user.id}"
