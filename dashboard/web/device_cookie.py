"""The cookie by which a browser is known in which a user signed in before. It grants nothing: such a browser only has
its own limit at sign-in."""

from uuid import UUID

from flask import Response, request

from dashboard.config import settings
from dashboard.core import crypto
from dashboard.core.db import transaction
from dashboard.domain.people import devices


def given() -> str:
    """Its token; empty if nobody signed in here before."""
    return request.cookies.get(_name(), "")[: devices.LONGEST_TOKEN]


def remember(response: Response, user_id: UUID) -> None:
    """Remember this browser as one of the user's."""
    token = given() or crypto.token()
    with transaction():
        devices.remember(user_id, token)
    response.set_cookie(
        _name(), token, max_age=devices.KEPT,
        path="/", secure=settings().production, httponly=True, samesite="Lax",
    )  # fmt: skip


def _name() -> str:
    return "__Host-coffer-device" if settings().production else "coffer-device"
