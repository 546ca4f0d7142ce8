"""Account emails: each says what happened, when and from where, and what to do if it was not the user."""

from typing import Any
from uuid import UUID

from dashboard.config.urls import base_url
from dashboard.core import clock, ids, logs
from dashboard.core.errors import Invalid
from dashboard.domain.messages import outbox
from dashboard.models import User


def send(user: User, event: str, *, home: UUID, to: str = "", token: str | None = None, **more: Any) -> None:
    """Queue the email `event` to the user, or to the address `to`. Needs the transaction of `home`, which is the
    user's `users.personal_org_id`. `token` is that of the link in it; `more` is passed to its templates."""
    context = {
        "name": user.name,
        "at": clock.in_words(clock.now()),
        "ip": logs.client_ip() or "",
        "base": _base(),
        **more,
    }
    outbox.send(home, key=f"{event}:{ids.new()}", event=event, to=to or user.email, context=context, secret=token)


def _base() -> str:
    """Empty if the URL of this installation is not configured: the email then shows only the path."""
    try:
        return base_url()
    except Invalid:
        return ""
