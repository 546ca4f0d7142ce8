"""User administration by platform managers: end sessions, disable users, make them managers.

Each function needs the platform organization's transaction and locks its row first, so that if two managers disable
each other at once, one remains. What must follow in organizations is recorded in that transaction, and
`follow_ups.work` does it after the commit.
"""

from uuid import UUID

from sqlalchemy import func, select

from dashboard.core import clock
from dashboard.core.db import db, lock
from dashboard.core.errors import Conflict, Forbidden, NotFound
from dashboard.domain import audit
from dashboard.domain.audit import Actor
from dashboard.domain.organizations import follow_ups, memberships
from dashboard.domain.people import email_tokens, personal_tokens, sessions, users
from dashboard.models import PLATFORM_ORG_ID, Organization, User


class OwnAccount(Conflict):
    """A manager acted on their own account. Someone with a stolen session must not lock the user out or create
    managers."""

    code = "own_account"


class LastManager(Conflict):
    code = "last_manager"


def end_sessions(user: User, *, reason: str, by: Actor) -> None:
    """Sign the user out everywhere. Raises Invalid."""
    row = locked(user.id, by=by)
    sessions.end_all(row.id)
    audit.record(row, "user.sessions_ended", by=by, org=PLATFORM_ORG_ID, reason=audit.checked_reason(reason))


def disable(user: User, *, reason: str, by: Actor) -> None:
    """Prevent the user from signing in: sessions, tokens and links end at once. Locks their teams.

    Raises OwnAccount, LastManager, LastOwner if a team would have no owner, Invalid.
    """
    row = locked(user.id, by=by)
    require_other(row, by)
    if row.disabled_at is not None:
        return
    require_other_manager(row)
    memberships.require_other_owners(row)
    row.disabled_at = clock.now()
    end_access(row)
    follow_ups.begin(row.id, "disabled", by=by)
    audit.record(row, "user.disabled", by=by, org=PLATFORM_ORG_ID, reason=audit.checked_reason(reason))


def enable(user: User, *, reason: str, by: Actor) -> None:
    """Allow the user to sign in again; what ended stays ended. Raises NotFound for an erased user, Invalid."""
    row = locked(user.id, by=by)
    if row.disabled_at is not None:
        row.disabled_at = None
        follow_ups.begin(row.id, "enabled", by=by)
        audit.record(row, "user.enabled", by=by, org=PLATFORM_ORG_ID, reason=audit.checked_reason(reason))


def give_role(user: User, *, reason: str, by: Actor) -> None:
    """Make the user a platform manager, who must sign in again. Raises OwnAccount, Conflict for a disabled user,
    Invalid."""
    row = locked(user.id, by=by)
    require_other(row, by)
    if row.disabled_at is not None:
        raise Conflict("This account is disabled: a platform manager must be able to sign in.")
    if not row.is_manager:
        _set_role(row, users.MANAGER, "user.made_manager", reason=reason, by=by)


def take_role(user: User, *, reason: str, by: Actor) -> None:
    """Remove the user's manager role; they must sign in again. Raises OwnAccount, LastManager, Invalid."""
    row = locked(user.id, by=by)
    require_other(row, by)
    require_other_manager(row)
    if row.is_manager:
        follow_ups.begin(row.id, "manager_removed", by=by)
        _set_role(row, users.STANDARD, "user.manager_removed", reason=reason, by=by)


def locked(user_id: UUID, *, by: Actor) -> User:
    """The current user row, after locking the platform's row. Raises NotFound for an erased user, Forbidden if the
    acting manager is no longer one."""
    lock(select(Organization).filter_by(id=PLATFORM_ORG_ID))
    if by.kind == "manager":
        actor: User | None = lock(select(User).filter_by(id=by.id))
        if actor is None or not actor.is_manager or not actor.is_active:
            raise Forbidden("You are no longer a platform manager.")
    row: User | None = lock(select(User).filter_by(id=user_id))
    if row is None or row.erased_at is not None:
        raise NotFound
    return row


def require_other_manager(row: User) -> None:
    """Raise LastManager if there is no other manager. The platform's row is locked."""
    others = select(func.count()).select_from(User)
    others = others.where(User.platform_role == users.MANAGER, User.disabled_at.is_(None), User.id != row.id)
    if row.is_manager and row.is_active and not db.session.scalar(others):
        raise LastManager("This is the last active platform manager. Make somebody else one first.")


def require_other(row: User, by: Actor) -> None:
    """Raise OwnAccount if the user acts on their own account."""
    if by.id == row.id:
        raise OwnAccount("This is your own account: another platform manager has to do this.")


def end_access(row: User) -> None:
    """End sessions, tokens and links. Needs a transaction."""
    sessions.end_all(row.id)
    email_tokens.end(row.id)
    personal_tokens.end_all(row.id)


def _set_role(row: User, role: str, action: str, *, reason: str, by: Actor) -> None:
    row.platform_role = role
    sessions.end_all(row.id)
    audit.record(row, action, by=by, org=PLATFORM_ORG_ID, reason=audit.checked_reason(reason))
