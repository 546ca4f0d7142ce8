"""Service keys: the platform's own credentials, for the backend that it bills with. Each acts in every platform-funded
organization of its mode, and never in another one."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from dashboard.core.db import db
from dashboard.core.errors import Invalid, NotFound
from dashboard.domain import audit
from dashboard.domain.access import keys
from dashboard.domain.access.keys import MadeKey
from dashboard.domain.access.permissions import SERVICE_SCOPES
from dashboard.domain.audit import Actor
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.models import PLATFORM_ORG_ID, ApiKey, Organization


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


def listing() -> list[ApiKey]:
    """Active ones first, then revoked ones, each newest first; up to 500."""
    query = select(ApiKey).filter_by(org_id=PLATFORM_ORG_ID, service=True)
    return list(db.session.scalars(query.order_by(ApiKey.revoked_at.is_not(None), ApiKey.id.desc()).limit(keys.LISTED)))


def find(key_id: UUID) -> ApiKey:
    """Raises NotFound."""
    row = db.session.scalar(select(ApiKey).filter_by(org_id=PLATFORM_ORG_ID, id=key_id, service=True))
    if row is None:
        raise NotFound
    return row
