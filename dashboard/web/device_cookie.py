"""The cookie by which a browser is known in which somebody signed in before. It opens nothing: at sign-in such a
browser has a limit of its own."""

from uuid import UUID

from flask import Response, request

from dashboard.config import settings
from dashboard.core import crypto
from dashboard.core.db import transaction
from dashboard.domain.identity import devices


def given() -> str:
    """Its token; empty when nobody signed in here before."""
    return request.cookies.get(_name(), "")[: devices.LONGEST_TOKEN]


def remember(response: Response, user_id: UUID) -> None:
    """From now on this browser is one of the person's."""
    token = given() or crypto.token()
    with transaction():
        devices.remember(user_id, token)
    response.set_cookie(
        _name(), token, max_age=devices.KEPT,
        path="/", secure=settings().production, httponly=True, samesite="Lax",
    )  # fmt: skip


def _name() -> str:
    return "__Host-coffer-device" if settings().production else "coffer-device"
