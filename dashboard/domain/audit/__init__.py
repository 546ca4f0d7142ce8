"""Who did what to which object, when, from where and why. Entries are written in the act's own transaction."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from dashboard.core import logs
from dashboard.core.db import db
from dashboard.core.errors import Invalid
from dashboard.models import AuditEntry

REASON_LIMIT = 500
_UNREADABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # controls; turned writing


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: `user`, `key`, `manager` or `system`. Only the id is kept; names are joined when read."""

    kind: str
    id: UUID | None = None


SYSTEM = Actor("system")


def checked_reason(text: str) -> str:
    """Why somebody acted, as it is kept: one to `REASON_LIMIT` characters. Raises Invalid."""
    reason = text.replace("\r\n", "\n").strip()
    if not reason or len(reason) > REASON_LIMIT:
        raise Invalid(f"Give a reason of up to {REASON_LIMIT} characters.", field="reason")
    if _UNREADABLE.search(reason):
        raise Invalid("The reason holds a character that cannot be kept.", field="reason")
    return reason


def record(
    org_id: UUID,
    *,
    by: Actor,
    action: str,
    object_kind: str,
    object_id: UUID | str,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str | None = None,
) -> AuditEntry:
    """Add an entry to the trail of the organization that the act touches; needs its open transaction.

    `action` is `<noun>.<participle>`, such as `key.revoked`. `before` and `after` hold JSON values and never a secret.
    Address and request id come from the log context, so that verbs need not carry them.
    """
    entry = AuditEntry(
        org_id=org_id,
        actor_kind=by.kind,
        actor_id=by.id,
        action=action,
        object_kind=object_kind,
        object_id=str(object_id),
        before=before,
        after=after,
        reason=reason,
        ip=logs.client_ip(),
        request_id=logs.request_id(),
    )
    db.session.add(entry)
    return entry
