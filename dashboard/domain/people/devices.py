"""Browsers in which users signed in before. A known browser proves nothing; it only has its own limit at sign-in."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from dashboard.core import clock, crypto
from dashboard.core.db import db
from dashboard.models import KnownDevice

KEPT = timedelta(days=400)
"""As long as browsers keep a cookie."""
LONGEST_TOKEN = 100


def known(user_id: UUID, token: str) -> bool:
    query = select(KnownDevice.user_id).filter_by(user_id=user_id, token_hash=crypto.digest(token))
    return db.session.scalar(query) is not None


def remember(user_id: UUID, token: str) -> None:
    """Record that the user signed in with the browser that holds `token`. Needs a transaction."""
    now = clock.now()
    row = insert(KnownDevice).values(user_id=user_id, token_hash=crypto.digest(token), created_at=now, last_seen_at=now)
    again = row.on_conflict_do_update(index_elements=["user_id", "token_hash"], set_={"last_seen_at": now})
    db.session.execute(again)


def forget_all(user_id: UUID) -> None:
    """Needs a transaction."""
    db.session.execute(delete(KnownDevice).where(KnownDevice.user_id == user_id))


def purge() -> None:
    """Delete browsers that were not used to sign in for 400 days. Needs a transaction."""
    db.session.execute(delete(KnownDevice).where(KnownDevice.last_seen_at < clock.now() - KEPT))
