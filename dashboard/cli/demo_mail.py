"""The demo's emails in every state. No server accepts them here, so the answers are written directly."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.models import OutboxEmail

ENDS = (
    ("sent", None),
    ("sent", None),
    ("parked", "The mail server answered 550 5.1.1 No such mailbox"),
    ("failed", "The mail server answered 451 4.7.1 Greylisted, try again later"),
)
"""The results of the oldest emails; the others wait for a server."""


def tell_ends(org_id: UUID) -> None:
    with transaction(org=org_id):
        oldest = select(OutboxEmail).filter_by(org_id=org_id).order_by(OutboxEmail.id).limit(len(ENDS))
        for row, (state, reason) in zip(db.session.scalars(oldest), ENDS, strict=False):
            row.state, row.error, row.attempts = state, reason, 1
            row.sent_at = row.created_at if state == "sent" else None
            row.next_attempt_at = clock.now() + timedelta(hours=1) if state == "failed" else None
