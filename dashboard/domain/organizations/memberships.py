"""Memberships: which users belong to which organization, and in which role."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, case, func, select, update
from sqlalchemy.orm import aliased

from dashboard.core import clock
from dashboard.core.db import db, lock
from dashboard.core.errors import Conflict, Forbidden, Invalid, NotFound
from dashboard.domain import audit, org_status
from dashboard.domain.access.permissions import LEADS, ROLES
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.org_status import OrgAction
from dashboard.domain.organizations import key_handover, org_refs, organizations
from dashboard.domain.organizations.key_handover import Handover
from dashboard.models import Invite, Membership, Organization, OrgDirectory, User

SEEN_EVERY = timedelta(minutes=1)
LISTED = 500


class AlreadyMember(Conflict):
    code = "already_member"


class LastOwner(Conflict):
    """An organization always has an owner who can sign in."""

    code = "last_owner"


class RoleTooHigh(Forbidden):
    code = "role_too_high"


@dataclass(frozen=True, slots=True)
class OrgMembership:
    """An organization and the user's role in it; None for strangers."""

    org: Organization
    role: str | None
    seen_at: datetime | None = field(default=None, compare=False)


def by_slug(slug: str, user_id: UUID) -> OrgMembership | None:
    """The organization with this slug and the user's role, in one query; None if there is none."""
    if not slug.isprintable():  # PostgreSQL refuses text with a NUL
        return None
    query = _with_role(user_id).join(OrgDirectory, OrgDirectory.org_id == Organization.id)
    return _org_membership(db.session.execute(query.where(OrgDirectory.slug == slug)).first())


def named(org: str, user_id: UUID, *, token_of: datetime) -> OrgMembership | None:
    """The same for what a program calls it (`org_refs`), with a personal token created at `token_of`. A token stops
    working here permanently when its user's membership ends: joining again does not restore it."""
    query = _with_role(user_id, token_of=token_of)
    return _org_membership(db.session.execute(query.where(org_refs.is_named(org))).first())


def role_of(user_id: UUID, org_id: UUID) -> str | None:
    return db.session.scalar(select(Membership.role).filter_by(org_id=org_id, user_id=user_id, removed_at=None))


def of_org(org_id: UUID) -> list[Membership]:
    """Current members, owners first, then by name; each with its `user` loaded. Up to 500."""
    rank = case({role: place for place, role in enumerate(ROLES)}, value=Membership.role)
    query = (
        select(Membership, User)
        .join(User, User.id == Membership.user_id)
        .where(Membership.org_id == org_id, Membership.removed_at.is_(None))
        .order_by(rank, User.name, User.id)
        .limit(LISTED)
    )
    return [membership for membership, _ in db.session.execute(query)]


def people_with(org_id: UUID, roles: Collection[str], *, most: int = 2) -> list[tuple[str, str]]:
    """The names and roles of some who have one of `roles`, the highest first."""
    rank = case({role: place for place, role in enumerate(ROLES)}, value=Membership.role)
    query = (
        select(User.name, User.email, Membership.role)
        .join(User, User.id == Membership.user_id)
        .where(Membership.org_id == org_id, Membership.role.in_(roles), Membership.removed_at.is_(None))
        .where(User.disabled_at.is_(None))
        .order_by(rank, User.name, User.id)
        .limit(most)
    )
    return [(name or email, role) for name, email, role in db.session.execute(query)]


def page(org_id: UUID, *, after: UUID | None, limit: int) -> list[Membership]:
    """Current members, newest first; each with its `user` loaded."""
    query = (
        select(Membership, User)
        .join(User, User.id == Membership.user_id)
        .where(Membership.org_id == org_id, Membership.removed_at.is_(None))
        .order_by(Membership.id.desc())
        .limit(limit)
    )
    if after is not None:
        query = query.where(Membership.id < after)
    return [membership for membership, _ in db.session.execute(query)]


def all_of(user_id: UUID, *, teams: bool = False) -> list[Membership]:
    """The user's current memberships, in order of the organizations' ids; `teams` excludes the personal
    organization."""
    theirs = and_(Membership.user_id == user_id, Membership.removed_at.is_(None), Organization.closed_at.is_(None))
    query = select(Membership).join(Organization, Organization.id == Membership.org_id).where(theirs)
    query = query.where(Organization.kind == "team") if teams else query
    return list(db.session.scalars(query.order_by(Membership.org_id)))


def find(org_id: UUID, member_id: UUID) -> Membership | None:
    return db.session.scalar(select(Membership).filter_by(org_id=org_id, id=member_id, removed_at=None))


def of_person(org_id: UUID, user_id: UUID) -> Membership | None:
    return db.session.scalar(select(Membership).filter_by(org_id=org_id, user_id=user_id, removed_at=None))


def user_id_of(org_id: UUID, either: UUID) -> UUID:
    """The user of a current or former membership; an id that is none is returned as it is."""
    return db.session.scalar(select(Membership.user_id).filter_by(org_id=org_id, id=either)) or either


def seen(org_id: UUID, user_id: UUID) -> None:
    """Record that the user is in the organization. Needs its transaction; once a minute is enough."""
    now = clock.now()
    stale = Membership.last_seen_at.is_(None) | (Membership.last_seen_at < now - SEEN_EVERY)
    theirs = and_(Membership.org_id == org_id, Membership.user_id == user_id, Membership.removed_at.is_(None))
    db.session.execute(update(Membership).where(theirs, stale).values(last_seen_at=now))


def stale(entry: OrgMembership) -> bool:
    """Whether `seen` would write."""
    return entry.role is not None and (entry.seen_at is None or entry.seen_at < clock.now() - SEEN_EVERY)


def add(org: Organization, user: User, *, role: str, by: Actor) -> Membership:
    """Add a member. Needs the organization's transaction. Raises AlreadyMember, PersonalOrganization."""
    if role not in ROLES:
        raise ValueError(f"no such role: {role}")
    organizations.require_team(org)
    if role_of(user.id, org.id) is not None:
        raise AlreadyMember("This person belongs to the organization already.")
    membership = Membership(org_id=org.id, user_id=user.id, role=role)
    db.session.add(membership)
    db.session.flush()
    audit.record(
        membership, "member.joined" if by == Actor("user", user.id) else "member.added", by=by,
        after={"user": str(user.id), "role": role},
    )  # fmt: skip
    return membership


def change_role(member: Membership, *, role: str, by: Actor, end_keys: bool = False) -> Handover:
    """Change a member's role. Locks the organization. Keys that exceed what the new role may give are handed over.

    Returns what happened to them. Only owners give and take the owner role. Raises RoleTooHigh, LastOwner, Invalid.
    """
    if role not in ROLES:
        raise Invalid(f"Choose one of: {', '.join(ROLES)}.", field="role", code="not_a_choice")
    row = locked(member)
    _require_reach(row, role, by=by)
    if role == row.role:
        return Handover((), (), None)
    if row.role == "owner":
        _require_other_owner(row.org_id, row.user_id)
    before, row.role = row.role, role
    audit.record(
        row, "member.role_changed", by=by, before={"user": str(row.user_id), "role": before}, after={"role": role}
    )
    return key_handover.carry_out(key_handover.of_demoted(row, role, by=by, end_all=end_keys), by=by)


def remove(member: Membership, *, by: Actor, end_keys: bool = False) -> Handover:
    """End a membership at once; a user may also end their own. Locks the organization. The member's open invite ends
    too, and their keys are handed over, or revoked with `end_keys`. Returns what happened to the keys.

    In a suspended organization, this happens only when a user is erased. Raises RoleTooHigh for a role above the
    actor's own, LastOwner, OrgSuspended.
    """
    row = locked(member, OrgAction.READ if by == SYSTEM else OrgAction.MEMBERS)
    own = by.kind == "user" and by.id == row.user_id
    if not own:
        _require_reach(row, row.role, by=by)
    if row.role == "owner":
        _require_other_owner(row.org_id, row.user_id)
    row.removed_at = clock.now()
    audit.record(
        row, "member.left" if own else "member.removed", by=by, before={"user": str(row.user_id), "role": row.role}
    )
    handed = key_handover.carry_out(key_handover.of_leaver(row, by=by, end_all=end_keys), by=by)
    email = db.session.scalar(select(User.email).filter_by(id=row.user_id)) or ""
    theirs = and_(Invite.org_id == row.org_id, Invite.state == "pending", func.lower(Invite.email) == email.lower())
    ended = update(Invite).where(theirs).values(state="revoked", ended_at=clock.now()).returning(Invite.id, Invite.role)
    for invite_id, role in db.session.execute(ended).all():
        before = {"role": role}
        audit.record(audit.Ref("invite", invite_id), "invite.revoked", by=by, org=row.org_id, before=before)
    return handed


def require_other_owners(user: User) -> None:
    """Require that every team of this user keeps an owner who can sign in.

    Needs a transaction, and locks the user's teams in order of id for the rest of it. Raises LastOwner, which names the
    teams. A personal organization ends with its user.
    """
    theirs = and_(Membership.user_id == user.id, Membership.removed_at.is_(None))
    # All their teams, not only those they own, because someone may be transferring one to them now.
    teams = select(Membership.org_id).where(theirs)
    live = and_(Organization.kind == "team", Organization.closed_at.is_(None))
    query = select(Organization).where(live, Organization.id.in_(teams)).order_by(Organization.id).with_for_update()
    rows = db.session.scalars(query).all()
    owned = set(db.session.scalars(select(Membership.org_id).where(theirs, Membership.role == "owner")))
    if alone := [org.name for org in rows if org.id in owned and not has_other_owner(org.id, user.id)]:
        names = ", ".join(alone[:5]) + (" and others" if len(alone) > 5 else "")
        raise LastOwner(f"They are the last active owner of {names}. Give each another owner first.")


def locked(member: Membership, act: OrgAction = OrgAction.MEMBERS) -> Membership:
    """The current membership, with its organization locked. Raises NotFound for one that ended, OrgSuspended."""
    org_status.locked(member.org_id, act)
    row = lock(select(Membership).filter_by(org_id=member.org_id, id=member.id, removed_at=None))
    if row is None:
        raise NotFound
    return row


def role_now(org_id: UUID, by: Actor) -> str:
    """The role of the actor, read again. Raises NotFound for a user who no longer belongs to it.

    A key of the organization acts as an admin: it never has more rights than its creator, and never the owner's role.
    """
    if by.kind in ("system", "key"):
        return "owner" if by.kind == "system" else "admin"
    role = role_of(by.id, org_id) if by.kind == "user" and by.id else None
    if role is None:
        raise NotFound
    return role


def _require_reach(row: Membership, role: str, *, by: Actor) -> None:
    """Require that the actor is an owner or admin now, and ranks no lower than the member's current and new role."""
    own = role_now(row.org_id, by)
    if own not in LEADS:
        raise Forbidden("Only owners and admins can do this.")
    if "owner" in (row.role, role) and own != "owner":
        raise RoleTooHigh("Only owners give and take the owner's role.")


def _require_other_owner(org_id: UUID, user_id: UUID) -> None:
    if not has_other_owner(org_id, user_id):
        raise LastOwner("This is the last active owner. Make somebody else an owner first.")


def has_other_owner(org_id: UUID, user_id: UUID) -> bool:
    """Whether there is another owner who can sign in."""
    query = (
        select(Membership.id)
        .join(User, User.id == Membership.user_id)
        .where(Membership.org_id == org_id, Membership.role == "owner", Membership.removed_at.is_(None))
        .where(Membership.user_id != user_id, User.disabled_at.is_(None))
    )
    return db.session.scalar(query.limit(1)) is not None


def _with_role(user_id: UUID, *, token_of: datetime | None = None) -> Select[Organization, str, datetime | None]:
    active = and_(Membership.org_id == Organization.id, Membership.user_id == user_id, Membership.removed_at.is_(None))
    if token_of:
        active = and_(active, never_left(token_of))
    return select(Organization, Membership.role, Membership.last_seen_at).outerjoin(Membership, active)


def never_left(since: datetime) -> ColumnElement[bool]:
    """Condition: no earlier membership of the same user in the organization ended since then."""
    earlier = aliased(Membership)
    ended = select(earlier.id).where(earlier.org_id == Membership.org_id, earlier.user_id == Membership.user_id)
    return ~ended.where(earlier.removed_at >= since).exists()


def _org_membership(row: Row[Organization, str, datetime | None] | None) -> OrgMembership | None:
    return OrgMembership(*row) if row else None
