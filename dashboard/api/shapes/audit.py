"""Entries of the audit log."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from dashboard.domain.audit.trail import EntryView


class AuditActor(BaseModel):
    """`id` is null for a platform manager: customers see that the platform acted, but not which of its managers."""

    kind: str
    id: UUID | None
    name: str


class AuditObject(BaseModel):
    kind: str
    id: str


class AuditEntry(BaseModel):
    """`before` and `after` hold what changed, by name. `sentence` describes it for people; its wording may change."""

    id: UUID
    created_at: datetime
    actor: AuditActor
    action: str
    sentence: str
    object: AuditObject
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str | None
    ip: str | None
    request_id: str | None


class AuditList(BaseModel):
    data: list[AuditEntry]
    next_cursor: str | None


def audit_entry(view: EntryView) -> AuditEntry:
    entry = view.entry
    return AuditEntry(
        id=entry.id,
        created_at=entry.created_at,
        actor=AuditActor(kind=entry.actor_kind, id=view.actor_id, name=view.actor),
        action=entry.action,
        sentence=view.sentence,
        object=AuditObject(kind=entry.object_kind, id=entry.object_id),
        before=view.before,
        after=view.after,
        reason=entry.reason,
        ip=view.ip,
        request_id=entry.request_id,
    )
