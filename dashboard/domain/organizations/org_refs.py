"""How a program names an organization: by its id, or as `ext:<external key>`, by the operator's own id for it.

Only a confirmed external key names one. Never the platform's own organization.
"""

from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, and_, select

from dashboard.core import ids
from dashboard.core.db import db
from dashboard.models import PLATFORM_ORG_ID, Organization, OrgDirectory

EXTERNAL = "ext:"


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
