"""Email tokens: links sent by email. A user who opens one can read the mailbox of that address. Only a token's digest
is stored."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, select, update
from sqlalchemy.orm import joinedload

from dashboard.core import clock, crypto
from dashboard.core.db import db
from dashboard.core.errors import Gone
from dashboard.models import EmailToken, User

VERIFY, RESET, CHANGE_FROM, CHANGE_TO = "verify", "reset", "change_from", "change_to"
LIVES = {
    VERIFY: timedelta(days=3),
    RESET: timedelta(hours=1),
    CHANGE_FROM: timedelta(days=1),
    CHANGE_TO: timedelta(days=1),
}
KEPT = timedelta(days=30)
LONGEST_TOKEN = 100


class DeadLink(Gone):
    code = "dead_link"

    def __init__(self) -> None:
        super().__init__("This link no longer works: it was used, a newer one was sent, or its time is over.")


def issue(user: User, purpose: str, *, to: str, change_id: UUID | None = None) -> str:
    """Create a link to the address `to` and return its token; older links with the same purpose stop working. Needs a
    transaction."""
    end(user.id, purpose)
    token, now = crypto.token(), clock.now()
    db.session.add(
        EmailToken(
            user_id=user.id, purpose=purpose, token_hash=crypto.digest(token), email=to, change_id=change_id,
            created_at=now, expires_at=now + LIVES[purpose],
        )
    )  # fmt: skip
    db.session.flush()
    return token


def find(token: str, *purposes: str) -> EmailToken:
    """The valid link of a token, with its user. Changes nothing, because programs that scan emails follow links.
    Raises DeadLink."""
    email_token: EmailToken | None = db.session.scalar(
        select(EmailToken)
        .join(User, User.id == EmailToken.user_id)
        .where(
            EmailToken.token_hash == crypto.digest(token[:LONGEST_TOKEN]),
            EmailToken.purpose.in_(purposes),
            living(),
            User.disabled_at.is_(None),
            (EmailToken.purpose == CHANGE_TO) | (func.lower(User.email) == func.lower(EmailToken.email)),
        )
        .options(joinedload(EmailToken.user)),
        execution_options={"populate_existing": True},
    )
    if email_token is None:
        raise DeadLink
    return email_token


def alive(user_id: UUID, purpose: str) -> bool:
    """Whether the user has a valid link with this purpose."""
    query = select(EmailToken.id).where(EmailToken.user_id == user_id, EmailToken.purpose == purpose, living())
    return db.session.scalar(query.limit(1)) is not None


def take(link: EmailToken) -> None:
    """Use the link. Needs a transaction; of two simultaneous uses, one succeeds. Raises DeadLink."""
    mine = update(EmailToken).where(EmailToken.id == link.id, living())
    if db.session.execute(mine.values(used_at=clock.now()).returning(EmailToken.id)).first() is None:
        raise DeadLink


def end(user_id: UUID, *purposes: str) -> None:
    """Invalidate the user's open links with these purposes, or all. Needs a transaction."""
    open_ = and_(EmailToken.user_id == user_id, EmailToken.used_at.is_(None))
    if purposes:
        open_ = and_(open_, EmailToken.purpose.in_(purposes))
    db.session.execute(update(EmailToken).where(open_).values(used_at=clock.now()))


def purge() -> None:
    """Delete links that expired 30 days ago. Needs a transaction."""
    db.session.execute(delete(EmailToken).where(EmailToken.expires_at < clock.now() - KEPT))


def living() -> ColumnElement[bool]:
    return and_(EmailToken.used_at.is_(None), EmailToken.expires_at > clock.now())
