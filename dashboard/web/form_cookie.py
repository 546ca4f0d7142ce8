"""The token of a form for a user who is not signed in, kept in the browser: signed, and useless for anything else.

Opening the sign-in page a thousand times therefore creates no rows.
"""

from datetime import timedelta

from flask import current_app
from itsdangerous import BadData, URLSafeSerializer

from dashboard.core import clock

LASTS = timedelta(hours=12)
MARK = "form."
_SALT = "coffer-form-token"


def holds(cookie: str) -> bool:
    """Whether the cookie is one of these, and not the token of a session."""
    return cookie.startswith(MARK)


def seal(csrf_token: str) -> str:
    """The cookie for a form's token."""
    return MARK + _serializer().dumps([csrf_token, int(clock.now().timestamp())])


def read(cookie: str) -> str | None:
    """The form's token; None if the cookie is not ours or is older than 12 hours."""
    try:
        csrf_token, made = _serializer().loads(cookie[len(MARK) :])
    except (BadData, ValueError, TypeError):
        return None
    return str(csrf_token) if clock.now().timestamp() < made + LASTS.total_seconds() else None


def _serializer() -> URLSafeSerializer:
    secret = current_app.secret_key
    assert secret
    return URLSafeSerializer(secret, salt=_SALT)
