"""Which organizations a user belongs to: the most recent ones, a page by name, and a page for programs.

A user may belong to thousands: every page shows a few, and `/orgs` has the others. Closed ones are excluded.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, select, tuple_

from dashboard.core.db import db
from dashboard.domain.organizations.memberships import OrgMembership, never_left
from dashboard.models import Membership, Organization, User

SWITCHER = 12
"""How many organizations a page's switcher shows."""
PAGE = 48
MOST_WORDS = 5


def recent(user_id: UUID, *, limit: int = SWITCHER) -> list[OrgMembership]:
    """The organizations the user was in most recently, teams first, then by name. Reads about `limit` rows in the order
    of an index."""
    latest = _belonging(user_id).order_by(
        Membership.user_id, Membership.last_seen_at.desc().nulls_last(), Membership.org_id
    )
    rows = _entries(latest.limit(limit))
    return sorted(rows, key=lambda entry: (entry.org.kind != "team", entry.org.name, entry.org.id))


def listed(user_id: UUID, *, q: str = "", after: UUID | None = None, limit: int = PAGE) -> list[OrgMembership]:
    """Teams first, then by name: those whose name contains all words of `q`, starting after the organization
    `after`."""
    place = tuple_(Organization.kind != "team", Organization.name, Organization.id)
    words = [Organization.name.icontains(word, autoescape=True) for word in q.split()[:MOST_WORDS]]
    query = _belonging(user_id).where(*words)
    if after is not None:
        last = db.session.get(Organization, after)
        if last is not None:
            query = query.where(place > (last.kind != "team", last.name, last.id))
    return _entries(query.order_by(*place.clauses).limit(limit))


def page(
    user_id: UUID, *conditions: ColumnElement[bool], token_of: datetime, after: UUID | None, limit: int
) -> list[OrgMembership]:
    """Newest first, for a personal token created at `token_of`. `conditions` on Organization and Membership."""
    query = _belonging(user_id).where(never_left(token_of), *conditions).order_by(Membership.org_id.desc()).limit(limit)
    return _entries(query.where(Membership.org_id < after) if after else query)


def landing(user: User) -> Organization | None:
    """Where a sign-in leads: to the organization last opened, or else to a team rather than the personal one."""
    last = _entries(_belonging(user.id).where(Membership.org_id == user.last_org_id)) if user.last_org_id else []
    entries = last or listed(user.id, limit=1)
    return entries[0].org if entries else None


def _belonging(user_id: UUID) -> Select[Organization, str]:
    theirs = and_(Membership.user_id == user_id, Membership.removed_at.is_(None), Organization.closed_at.is_(None))
    joined = select(Organization, Membership.role).join(Membership, Membership.org_id == Organization.id)
    return joined.where(theirs)


def _entries(query: Select[Organization, str]) -> list[OrgMembership]:
    return [OrgMembership(org, role) for org, role in db.session.execute(query)]
