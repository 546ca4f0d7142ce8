"""The audit log: who did what to which object, when, from where and why. Entries are written in the transaction of the
action itself."""

import re
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from dashboard.core import logs
from dashboard.core.db import db
from dashboard.core.errors import Invalid
from dashboard.domain.audit.kinds import KIND_OF, KINDS
from dashboard.models import AuditEntry

REASON_LIMIT = 500
# control characters; text direction overrides
_UNREADABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: `user`, `key`, `manager` or `system`. Only ids are stored; names are looked up when shown. `holder` is
    the user whose key it is now."""

    kind: str
    id: UUID | None = None
    holder: UUID | None = None

    @property
    def user_id(self) -> UUID | None:
        """The user to whom the action counts: who acts, or whose key does. None for managers and the system."""
        return self.id if self.kind == "user" else self.holder


SYSTEM = Actor("system")


def checked_reason(text: str) -> str:
    """The reason for an action as it is stored: one to `REASON_LIMIT` characters. Raises Invalid."""
    reason = text.replace("\r\n", "\n").strip()
    if not reason or len(reason) > REASON_LIMIT:
        raise Invalid(f"Give a reason of up to {REASON_LIMIT} characters.", field="reason")
    if _UNREADABLE.search(reason):
        raise Invalid("The reason contains a character that cannot be stored.", field="reason")
    return reason


class Identified(Protocol):
    """A row of a model in `KINDS`, or a `Ref`."""

    @property
    def id(self) -> UUID | str: ...


@dataclass(frozen=True, slots=True)
class Ref:
    """An object whose row is not loaded, by its kind in `KINDS`. The id of a page is its path."""

    kind: str
    id: UUID | str


def record(
    row: Identified,
    action: str,
    *,
    by: Actor,
    org: UUID | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str | None = None,
) -> AuditEntry:
    """Add an entry about `row` to the audit log of its organization. Needs that organization's open transaction.

    `action` is `<noun>.<participle>`, such as `key.revoked`. `org` is for an object that belongs to no organization, or
    that is recorded in another organization's log. `before` and `after` hold JSON values and never a secret. IP address
    and request id come from the log context, so that callers need not pass them.
    """
    kind = row.kind if isinstance(row, Ref) else KIND_OF[row.__class__]  # not type(): current_user is a proxy
    org_id = org or getattr(row, "org_id", None)
    if org_id is None or kind not in KINDS:
        raise LookupError(f"no such kind of object, or of no organization: {kind}")
    entry = AuditEntry(
        org_id=org_id,
        actor_kind=by.kind,
        actor_id=by.id,
        action=action,
        object_kind=kind,
        object_id=str(row.id),
        before=before,
        after=after,
        reason=reason,
        ip=logs.client_ip(),
        request_id=logs.request_id(),
    )
    db.session.add(entry)
    return entry
