"""Mails that the product owes, as their reader gets them. Needs an app context."""

import re

from sqlalchemy import select

from dashboard.core.db import db
from dashboard.domain.messages import outbox
from dashboard.models import OutboxEmail


def mails(event: str = "", *, to: str = "") -> list[OutboxEmail]:
    """Newest last."""
    query = select(OutboxEmail).order_by(OutboxEmail.id)
    query = query.filter_by(event=event) if event else query
    return list(db.session.scalars(query.filter_by(to_address=to) if to else query))


def link_in(event: str, *, to: str = "") -> str:
    """The path that the newest such mail leads to."""
    letter = outbox.rendered(mails(event, to=to)[-1])
    found = re.search(r"(/[a-z-]+/[A-Za-z0-9_-]{43})$", letter.text, re.M)
    assert found, letter.text
    assert f'{found[1]}"' in letter.html
    return found[1]
