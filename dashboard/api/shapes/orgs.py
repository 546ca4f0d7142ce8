"""Organizations."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from dashboard.models import Organization


class Org(BaseModel):
    id: UUID
    name: str
    slug: str
    kind: str
    funding: str
    timezone: str
    role: str | None = None
    suspended_at: datetime | None
    closed_at: datetime | None
    created_at: datetime


class OrgList(BaseModel):
    data: list[Org]
    next_cursor: str | None


def org(row: Organization, role: str | None = None) -> Org:
    values: dict[str, Any] = {
        "id": row.id, "name": row.name, "slug": row.slug, "kind": row.kind, "funding": row.funding,
        "timezone": row.timezone, "suspended_at": row.suspended_at, "closed_at": row.closed_at,
        "created_at": row.created_at,
    }  # fmt: skip
    return Org(**values, role=role) if role else Org(**values)
