"""Lists invites with their current state: a pending one may have expired, or its inviter may have lost the right to
invite."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Select, and_, func, or_, select

from dashboard.core import clock
from dashboard.core.db import db
from dashboard.domain.access.permissions import Caller, assignable
from dashboard.domain.audit import Actor
from dashboard.domain.organizations import memberships
from dashboard.models import ApiKey, Invite, Membership, Organization, User

LISTED = 500
LISTED_FOR = timedelta(days=14)
"""How long a declined invite stays in the list of those who sent it."""

EXPIRED = "expired"
STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class InviteView:
    """An invite and its current state: the row's `state`, or for a pending one `expired` or `stopped`.

    `inviter` is None if a program or a command sent it.
    """

    invite: Invite
    org: Organization
    inviter: User | None
    state: str

    @property
    def opens(self) -> bool:
        return self.state == "pending"

    @property
    def from_whom(self) -> str:
        return self.inviter.name if self.inviter else self.org.name


def view(invite: Invite) -> InviteView:
    """One invite with its current state."""
    query = _rows().where(Invite.org_id == invite.org_id, Invite.id == invite.id)
    return _view(db.session.execute(query, execution_options={"populate_existing": True}).one())


def listed(org_id: UUID) -> list[InviteView]:
    """Invites that wait for an answer, including those that no longer work, and recently declined ones; newest first,
    up to 500."""
    wanted = or_(
        Invite.state == "pending", and_(Invite.state == "declined", Invite.ended_at > clock.now() - LISTED_FOR)
    )
    query = _rows().where(Invite.org_id == org_id, wanted).order_by(Invite.sent_at.desc(), Invite.id.desc())
    return [_view(row) for row in db.session.execute(query.limit(LISTED))]


def page(org_id: UUID, *, after: UUID | None, limit: int) -> list[InviteView]:
    """All invites of the organization, in any state, newest first."""
    query = _rows().where(Invite.org_id == org_id).order_by(Invite.id.desc()).limit(limit)
    if after is not None:
        query = query.where(Invite.id < after)
    return [_view(row) for row in db.session.execute(query)]


def open_to(user: User) -> list[InviteView]:
    """The invites that a user can accept without the link from the email: their address is verified and the invite
    works."""
    if user.email_verified_at is None:
        return []
    query = _rows().where(
        Invite.state == "pending", func.lower(Invite.email) == user.email.lower(), Organization.closed_at.is_(None)
    )
    rows = [_view(row) for row in db.session.execute(query.order_by(Invite.id.desc()).limit(LISTED))]
    return [one for one in rows if one.opens]


def inviter_behind(key: ApiKey) -> UUID | None:
    """The user whose right an invite by this key depends on: its creator, if they may invite."""
    may = key.created_by and _may_give(memberships.role_of(key.created_by, key.org_id))
    return key.created_by if may else None


def _rows() -> Select[Invite, Organization, User, str]:
    entry = and_(
        Membership.org_id == Invite.org_id, Membership.user_id == Invite.invited_by, Membership.removed_at.is_(None)
    )
    return (
        select(Invite, Organization, User, Membership.role)
        .join(Organization, Organization.id == Invite.org_id)
        .outerjoin(User, User.id == Invite.invited_by)
        .outerjoin(Membership, entry)
    )


def _view(row: tuple[Invite, Organization, User | None, str | None]) -> InviteView:
    invite, org, inviter, role = row
    state = invite.state
    if state == "pending" and inviter is not None and (not inviter.is_active or invite.role not in _may_give(role)):
        state = STOPPED
    elif state == "pending" and invite.expires_at <= clock.now():
        state = EXPIRED
    return InviteView(invite, org, inviter, state)


def _may_give(role: str | None) -> tuple[str, ...]:
    return assignable(Caller(Actor("user"), role))
