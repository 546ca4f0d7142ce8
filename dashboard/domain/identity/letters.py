"""Mails to a person about their own account. Each says what happened, when and from where, and what to do if it was
not them."""

from typing import Any
from uuid import UUID

from dashboard.config.urls import base_url
from dashboard.core import clock, ids, logs
from dashboard.core.errors import Invalid
from dashboard.domain.messages import outbox
from dashboard.models import User


def tell(user: User, event: str, *, home: UUID, to: str = "", token: str | None = None, **more: Any) -> None:
    """Owe the mail `event` to the person, or to the address `to`. Needs the transaction of `home`, which is
    `organizations.home_of` them. The `token` is that of the link in it; `more` goes to its templates as it is."""
    context = {
        "name": user.name,
        "at": clock.in_words(clock.now()),
        "ip": logs.client_ip() or "",
        "base": _base(),
        **more,
    }
    outbox.send(home, key=f"{event}:{ids.new()}", event=event, to=to or user.email, context=context, secret=token)


def _base() -> str:
    """Empty where nobody has said how this installation is reached: the mail then shows the path alone."""
    try:
        return base_url()
    except Invalid:
        return ""
