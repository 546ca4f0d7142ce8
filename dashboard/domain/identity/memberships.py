"""Who belongs to which organization, in which role."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Row, Select, and_, select

from dashboard.core.db import db
from dashboard.core.errors import Conflict
from dashboard.domain import audit
from dashboard.domain.audit import Actor
from dashboard.domain.identity.permissions import ROLES
from dashboard.models import Membership, Organization, OrgDirectory, User


class AlreadyMember(Conflict):
    code = "already_member"


@dataclass(frozen=True, slots=True)
class Entry:
    """An organization and the role someone has in it; None for strangers."""

    org: Organization
    role: str | None


def entry_by_slug(slug: str, user_id: UUID) -> Entry | None:
    """The organization of a page's address with the person's role, in one query; None where there is none."""
    if not slug.isprintable():  # PostgreSQL refuses text with a NUL
        return None
    query = _with_role(user_id).join(OrgDirectory, OrgDirectory.org_id == Organization.id)
    return _entry(db.session.execute(query.where(OrgDirectory.slug == slug)).first())


def entry_by_id(org_id: UUID, user_id: UUID) -> Entry | None:
    """The same for programs, which know the id."""
    return _entry(db.session.execute(_with_role(user_id).where(Organization.id == org_id)).first())


def role_of(user_id: UUID, org_id: UUID) -> str | None:
    return db.session.scalar(select(Membership.role).filter_by(org_id=org_id, user_id=user_id, removed_at=None))


def orgs_of(user_id: UUID) -> list[Entry]:
    """The organizations a person may open: teams first, then by name. Closed ones are gone."""
    query = (
        select(Organization, Membership.role)
        .join(Membership, Membership.org_id == Organization.id)
        .where(Membership.user_id == user_id, Membership.removed_at.is_(None), Organization.closed_at.is_(None))
        .order_by(Organization.kind != "team", Organization.name, Organization.id)
    )
    return [Entry(org, role) for org, role in db.session.execute(query)]


def landing(user: User) -> Organization | None:
    """Where a sign-in leads: the organization last opened, else a team's before the personal one."""
    entries = orgs_of(user.id)
    last = (entry.org for entry in entries if entry.org.id == user.last_org_id)
    return next(last, entries[0].org if entries else None)


def add(org: Organization, user: User, *, role: str, by: Actor) -> Membership:
    """Let a person in. Needs the organization's transaction. Raises AlreadyMember."""
    if role not in ROLES:
        raise ValueError(f"no such role: {role}")
    if role_of(user.id, org.id) is not None:
        raise AlreadyMember("This person belongs to the organization already.")
    membership = Membership(org_id=org.id, user_id=user.id, role=role)
    db.session.add(membership)
    db.session.flush()
    audit.record(
        org.id,
        by=by,
        action="member.added",
        object_kind="membership",
        object_id=membership.id,
        after={"user": str(user.id), "role": role},
    )
    return membership


def _with_role(user_id: UUID) -> Select[Organization, str]:
    active = and_(Membership.org_id == Organization.id, Membership.user_id == user_id, Membership.removed_at.is_(None))
    return select(Organization, Membership.role).outerjoin(Membership, active)


def _entry(row: Row[Organization, str] | None) -> Entry | None:
    return Entry(row[0], row[1]) if row else None
