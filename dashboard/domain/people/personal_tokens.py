"""Personal tokens as their owners see them: listed, found, revoked. `keys` creates and authenticates them."""

from uuid import UUID

from sqlalchemy import select, update

from dashboard.core import clock
from dashboard.core.db import db
from dashboard.domain import audit
from dashboard.domain.audit import Actor
from dashboard.models import PLATFORM_ORG_ID, PersonalToken

LISTED = 200


def of_user(user_id: UUID) -> list[PersonalToken]:
    """Active ones first, then revoked ones, each newest first; up to 200."""
    query = select(PersonalToken).filter_by(user_id=user_id)
    newest = query.order_by(PersonalToken.revoked_at.is_not(None), PersonalToken.id.desc())
    return list(db.session.scalars(newest.limit(LISTED)))


def find(user_id: UUID, token_id: UUID) -> PersonalToken | None:
    return db.session.scalar(select(PersonalToken).filter_by(user_id=user_id, id=token_id))


def end_all(user_id: UUID) -> None:
    """End the user's tokens, within an action that has its own audit entry. Needs a transaction."""
    theirs = update(PersonalToken).where(PersonalToken.user_id == user_id, PersonalToken.revoked_at.is_(None))
    db.session.execute(theirs.values(revoked_at=clock.now()))


def revoke(row: PersonalToken, *, by: Actor) -> PersonalToken:
    """Revoke a token at once. Needs the platform organization's transaction, in which it is audited."""
    if row.revoked_at is None:
        row.revoked_at = clock.now()
        audit.record(
            row, "token.revoked", by=by, org=PLATFORM_ORG_ID, before={"user": str(row.user_id), "name": row.name},
        )  # fmt: skip
    return row
