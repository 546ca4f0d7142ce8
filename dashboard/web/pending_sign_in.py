"""Pending two-factor sign-in: a user who just entered the right password here and must enter a code. Kept in the
session's row, never in the browser."""

from datetime import timedelta

from flask import session

from dashboard.core import clock, crypto, ids
from dashboard.domain.people import second_factor, users
from dashboard.models import User

KEY = "pending_sign_in"
LASTS = timedelta(minutes=10)


def keep(user: User) -> None:
    until = (clock.now() + LASTS).timestamp()
    session[KEY] = {"user": str(user.id), "until": until, "password": _mark(user)}


def user() -> User | None:
    """None if no sign-in is pending, if it was too long ago, or if the password has changed since."""
    kept = session.get(KEY)
    if not kept or kept["until"] < clock.now().timestamp():
        return None
    parsed = ids.parse(kept["user"])
    row = users.by_id(parsed) if parsed else None
    if row is None or not row.is_active or not second_factor.on(row) or kept["password"] != _mark(row):
        return None
    return row


def _mark(user: User) -> str:
    return crypto.digest(user.password_hash).hex()[:16]
