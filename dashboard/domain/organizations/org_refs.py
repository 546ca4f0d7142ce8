"""How a program names an organization: by its id, or as `ext:<external key>`, by the operator's own id for it; and
what it searches by.

Only a confirmed external key names one. Never the platform's own organization.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, and_, false, func, or_, select

from dashboard.core import ids
from dashboard.core.db import db
from dashboard.models import PLATFORM_ORG_ID, Membership, Organization, OrgDirectory, User

EXTERNAL = "ext:"


@dataclass(frozen=True, slots=True)
class OrgFilters:
    """What an organization has, exactly; None matches everything. `email` is that of a member, or for billing."""

    external_key: str | None = None
    email: str | None = None
    slug: str | None = None

    def conditions(self, *, billing: bool) -> Iterator[ColumnElement[bool]]:
        """Conditions on Organization. `billing`: whether the reader may know the email address for billing."""
        if any(text is not None and not text.isprintable() for text in (self.external_key, self.email, self.slug)):
            yield false()  # PostgreSQL refuses text with a NUL
            return
        if self.external_key is not None:
            yield Organization.id == _holder(self.external_key)
        if self.slug is not None:
            directory = select(OrgDirectory.org_id).where(OrgDirectory.slug == self.slug)
            yield Organization.id == directory.scalar_subquery()
        if self.email is not None:
            email = self.email.lower()
            members = select(Membership.org_id).join(User, User.id == Membership.user_id)
            has_member = Organization.id.in_(
                members.where(Membership.removed_at.is_(None), func.lower(User.email) == email)
            )
            yield or_(has_member, func.lower(Organization.billing_email) == email) if billing else has_member


def is_named(ref: str) -> ColumnElement[bool]:
    """Condition on Organization: `ref` names it."""
    org_id: UUID | ScalarSelect[UUID] | None = ids.parse(ref)
    if ref.startswith(EXTERNAL):
        org_id = _holder(ref.removeprefix(EXTERNAL))
    return and_(Organization.id == org_id, Organization.kind != "platform")


def names(ref: str, org_id: UUID) -> bool:
    """Whether `ref` names this organization."""
    if ref.startswith(EXTERNAL):
        holder: UUID | None = db.session.scalar(select(_holder(ref.removeprefix(EXTERNAL))))
        return holder == org_id
    return ids.parse(ref) == org_id != PLATFORM_ORG_ID


def find(ref: str) -> Organization | None:
    return db.session.scalar(select(Organization).where(is_named(ref)))


def _holder(key: str) -> ScalarSelect[UUID]:
    confirmed = OrgDirectory.external_key_confirmed_at.is_not(None)
    return select(OrgDirectory.org_id).where(OrgDirectory.external_key == key, confirmed).scalar_subquery()
