"""Browser sessions as rows: only the token's digest is stored, and ending a session takes effect at once everywhere."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import joinedload

from dashboard.core import clock, crypto
from dashboard.core.db import db
from dashboard.domain import audit
from dashboard.domain.audit import Actor
from dashboard.domain.people import users
from dashboard.models import PLATFORM_ORG_ID, User, UserSession

IDLE = timedelta(hours=12)
ABSOLUTE = timedelta(days=7)
SEEN_EVERY = timedelta(minutes=1)
REAUTHENTICATED = timedelta(minutes=30)
KEPT = timedelta(days=30)
LONGEST_USER_AGENT = 300


@dataclass(frozen=True, slots=True)
class Started:
    """A new session. `token` is only for the cookie and cannot be read again."""

    row: UserSession
    token: str


def find(token: str) -> UserSession | None:
    """The valid session of a cookie, with its user: not ended, not idle for 12 hours, not older than 7 days."""
    now = clock.now()
    return db.session.scalar(
        select(UserSession)
        .where(
            UserSession.token_hash == crypto.digest(token),
            UserSession.revoked_at.is_(None),
            UserSession.expires_at > now,
            UserSession.last_seen_at > now - IDLE,
        )
        .options(joinedload(UserSession.user)),
        execution_options={"populate_existing": True},
    )


def start(
    *,
    user_id: UUID | None,
    csrf_token: str | None,
    state: dict[str, Any],
    ip: str | None = None,
    user_agent: str | None = None,
) -> Started:
    """Create a session; `user_id` None is for an anonymous form. Needs a transaction."""
    now = clock.now()
    token = crypto.token()
    row = UserSession(
        token_hash=crypto.digest(token),
        csrf_token=csrf_token,
        user_id=user_id,
        state=state,
        ip=ip,
        user_agent=(user_agent or "")[:LONGEST_USER_AGENT] or None,
        last_seen_at=now,
        expires_at=now + ABSOLUTE,
        reauthenticated_at=now if user_id else None,
    )
    db.session.add(row)
    db.session.flush()
    if user_id:
        users.seen(user_id, at_most_every=SEEN_EVERY)
    return Started(row, token)


def store(row: UserSession, *, csrf_token: str | None, state: dict[str, Any]) -> None:
    """Store what the request changed. Needs a transaction."""
    row.csrf_token = csrf_token
    row.state = state


def stale(row: UserSession) -> bool:
    """Whether `seen` would write: once a minute is enough."""
    return row.user_id is not None and row.last_seen_at < clock.now() - SEEN_EVERY


def seen(row: UserSession) -> None:
    """Record activity of a signed-in user. Needs a transaction; of two simultaneous requests, one writes."""
    now = clock.now()
    changed = db.session.execute(
        update(UserSession)
        .where(UserSession.id == row.id, UserSession.last_seen_at < now - SEEN_EVERY)
        .values(last_seen_at=now)
        .returning(UserSession.id)
    ).first()
    if changed and row.user_id:
        users.seen(row.user_id, at_most_every=SEEN_EVERY)


def end(row: UserSession) -> None:
    """End the session of a cookie. A user's session remains as a row with its end; others are deleted.

    Needs a transaction; for a user's session the platform's, whose audit log records it.
    """
    if row.user is None:
        db.session.delete(row)
    else:
        row.revoked_at = clock.now()
        by = users.actor_of(row.user)
        audit.record(row, "session.ended", by=by, org=PLATFORM_ORG_ID)


def living(user_id: UUID, *, limit: int = 50) -> list[UserSession]:
    """The user's current sessions, last used first."""
    now = clock.now()
    query = select(UserSession).where(
        UserSession.user_id == user_id,
        UserSession.revoked_at.is_(None),
        UserSession.expires_at > now,
        UserSession.last_seen_at > now - IDLE,
    )
    return list(db.session.scalars(query.order_by(UserSession.last_seen_at.desc(), UserSession.id).limit(limit)))


def end_one(user_id: UUID, session_id: UUID, *, by: Actor) -> bool:
    """End one session of the user. Returns False if they have no such session. Needs the platform's transaction."""
    theirs = update(UserSession).where(
        UserSession.id == session_id, UserSession.user_id == user_id, UserSession.revoked_at.is_(None)
    )
    if db.session.execute(theirs.values(revoked_at=clock.now()).returning(UserSession.id)).first() is None:
        return False
    audit.record(audit.Ref("session", session_id), "session.revoked", by=by, org=PLATFORM_ORG_ID)
    return True


def end_others(user: User, *, but: UUID, by: Actor) -> None:
    """End the user's sessions except the one with the id `but`, as a separate action. Needs the platform's
    transaction."""
    end_all(user.id, but=but)
    audit.record(user, "user.signed_out", by=by, org=PLATFORM_ORG_ID)


def end_all(user_id: UUID, *, but: UUID | None = None) -> None:
    """End the user's sessions except the one with the id `but`. Needs a transaction."""
    theirs = update(UserSession).where(UserSession.user_id == user_id, UserSession.revoked_at.is_(None))
    if but is not None:
        theirs = theirs.where(UserSession.id != but)
    db.session.execute(theirs.values(revoked_at=clock.now()))


def reauthenticated(row: UserSession) -> bool:
    """Whether the password was entered within the last 30 minutes."""
    return row.reauthenticated_at is not None and row.reauthenticated_at > clock.now() - REAUTHENTICATED


def confirm(row: UserSession) -> None:
    """Record that the password was entered again. Needs a transaction."""
    row.reauthenticated_at = clock.now()


def purge() -> None:
    """Delete anonymous sessions when they have expired, and users' sessions 30 days later. Needs a transaction."""
    now = clock.now()
    gone = or_(
        UserSession.expires_at < now - KEPT,
        UserSession.user_id.is_(None) & (UserSession.last_seen_at < now - IDLE),
    )
    db.session.execute(delete(UserSession).where(gone))
