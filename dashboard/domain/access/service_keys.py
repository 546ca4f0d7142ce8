"""Service keys: the platform's own credentials, for the backend that it bills with. Each acts in every platform-funded
organization of its mode, and never in another one."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from dashboard.core.db import db
from dashboard.core.errors import Invalid
from dashboard.domain import audit
from dashboard.domain.access import keys
from dashboard.domain.access.keys import MadeKey
from dashboard.domain.access.permissions import SERVICE_SCOPES
from dashboard.domain.audit import Actor
from dashboard.domain.funds.spend_limits import Cap
from dashboard.models import PLATFORM_ORG_ID, Organization


def make(
    *,
    name: str,
    scopes: Iterable[str],
    mode: str,
    reason: str,
    by: Actor,
    expires_at: datetime | None = None,
    cap: Cap | None = None,
    key_id: UUID | None = None,
) -> MadeKey:
    """Create a service key. For managers and commands. Needs the platform organization's transaction.

    Its `cap` counts what it charges in all organizations together. `key_id` is for a form that may be sent twice.
    Raises what `keys.make` raises.
    """
    wanted = list(scopes)
    if odd := sorted(set(wanted) - SERVICE_SCOPES):
        raise Invalid(
            f"A service key cannot have {odd[0][:40]}, only {', '.join(sorted(SERVICE_SCOPES))}.", field="scopes"
        )
    return keys.make(
        db.session.get_one(Organization, PLATFORM_ORG_ID), name=name, scopes=wanted, mode=mode, by=by,
        grantable=SERVICE_SCOPES, made_by=by.id, expires_at=expires_at, cap=cap, key_id=key_id, service=True,
        reason=audit.checked_reason(reason),
    )  # fmt: skip
