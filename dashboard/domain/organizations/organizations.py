"""Organizations: creates them with their slug, owner and both dollar wallets, and finds them by slug or id."""

import re
import secrets
import unicodedata
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from dashboard.core import clock
from dashboard.core.db import db
from dashboard.core.errors import Conflict
from dashboard.domain import audit
from dashboard.domain.audit import Actor
from dashboard.domain.funds import wallets
from dashboard.models import FormerSlug, Membership, Organization, OrgDirectory, User

LONGEST_SLUG = 40
SLUG_TRIES = 8
SLUG_KEPT = timedelta(days=90)
"""How long nobody else gets a slug that an organization gave up, because emails and bookmarks contain it."""


class SlugTaken(Conflict):
    code = "slug_taken"


class PersonalOrganization(Conflict):
    code = "personal_organization"


def make_personal(user: User, *, org_id: UUID, by: Actor) -> Organization:
    """Create the user's personal organization. Needs the transaction of `org_id` (a new id)."""
    org = Organization(id=org_id, name=user.name, slug="", kind="personal", timezone=user.timezone)
    return _make(org, owner=user, by=by, slug=None)


def make_team(name: str, *, org_id: UUID, owner: User | None, by: Actor, slug: str | None = None) -> Organization:
    """Create a team's organization; one that a service key creates has no `owner` yet. Needs the transaction of
    `org_id` (a new id). Raises SlugTaken for a `slug` in use."""
    org = Organization(id=org_id, name=name, slug="", kind="team", timezone=owner.timezone if owner else "UTC")
    return _make(org, owner=owner, by=by, slug=slug)


def by_slug(slug: str) -> Organization | None:
    return db.session.scalar(
        select(Organization).join(OrgDirectory, OrgDirectory.org_id == Organization.id).where(OrgDirectory.slug == slug)
    )


def by_id(org_id: UUID) -> Organization | None:
    return db.session.get(Organization, org_id)


def require_team(org: Organization) -> None:
    """Raise PersonalOrganization if it is one: it belongs to one user and cannot be shared."""
    if org.kind != "team":
        raise PersonalOrganization(
            "This is a personal organization: it belongs to only one person. Create an organization for a team instead."
        )


def slug_of(name: str) -> str:
    """A readable slug for a name: lower-case ASCII letters and digits, joined by hyphens."""
    plain = unicodedata.normalize("NFKD", name[:200]).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:LONGEST_SLUG].strip("-") or "org"


def give_up_slug(slug: str, *, org_id: UUID) -> None:
    """Record that the organization no longer uses its slug. Needs its transaction."""
    row = insert(FormerSlug).values(slug=slug, org_id=org_id, given_up_at=clock.now())
    newer = {"org_id": row.excluded.org_id, "given_up_at": row.excluded.given_up_at}
    db.session.execute(row.on_conflict_do_update(index_elements=["slug"], set_=newer))


def require_unreserved(slug: str, *, org_id: UUID) -> None:
    """Raise SlugTaken if another organization recently gave up `slug`. Call it when the directory holds the slug for
    the organization: anyone giving it up at the same moment has done so by then."""
    if _reserved(slug, org_id):
        raise SlugTaken(f"The address {slug} is taken.")


def reserved_slugs(slugs: Iterable[str]) -> set[str]:
    """Those of the slugs that nobody can take now, because an organization gave them up recently."""
    recent = FormerSlug.given_up_at > clock.now() - SLUG_KEPT
    return set(db.session.scalars(select(FormerSlug.slug).where(FormerSlug.slug.in_(list(slugs)), recent)))


def _reserved(slug: str, org_id: UUID) -> bool:
    recent = FormerSlug.given_up_at > clock.now() - SLUG_KEPT
    others = select(FormerSlug.slug).where(FormerSlug.slug == slug, FormerSlug.org_id != org_id, recent)
    return db.session.scalar(others) is not None


def _make(org: Organization, *, owner: User | None, by: Actor, slug: str | None) -> Organization:
    org.slug = slug or slug_of(org.name)
    db.session.add(org)
    db.session.flush()
    _enter_directory(org, fixed=slug is not None)
    for mode in wallets.MODES:
        wallets.open_wallet(org.id, mode=mode)
    after = {"slug": org.slug, "kind": org.kind}
    if owner:
        db.session.add(Membership(org_id=org.id, user_id=owner.id, role="owner"))
        after["owner"] = str(owner.id)
    audit.record(org, "organization.made", by=by, after=after)
    db.session.flush()
    return org


def _enter_directory(org: Organization, *, fixed: bool) -> None:
    """Take a free slug. If two organizations want the same one at once, the second waits here and gets another."""
    wanted = org.slug
    for _ in range(SLUG_TRIES):
        entry = (
            insert(OrgDirectory).values(org_id=org.id, slug=org.slug).on_conflict_do_nothing(index_elements=["slug"])
        )
        free = not _reserved(org.slug, org.id)
        if free and db.session.execute(entry.returning(OrgDirectory.org_id)).first():
            require_unreserved(org.slug, org_id=org.id)
            return
        if fixed:
            break
        org.slug = f"{wanted}-{secrets.token_hex(2)}"
    raise SlugTaken(f"The address {wanted} is taken.")
