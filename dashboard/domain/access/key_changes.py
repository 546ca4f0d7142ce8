"""Changes to an existing key: rotation, spend limit, operator scopes."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import false, or_, select, update

from dashboard.core import clock
from dashboard.core.db import db, lock
from dashboard.core.errors import Conflict, Forbidden, Invalid, NotFound
from dashboard.core.money import Micros
from dashboard.domain import audit
from dashboard.domain.access import key_rights, keys
from dashboard.domain.access.keys import MadeKey, ScopeTooWide
from dashboard.domain.access.permissions import OPERATOR_SCOPES, Caller
from dashboard.domain.audit import Actor
from dashboard.domain.funds.spend_limits import changes
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.models import ApiKey, Organization, SpendLimit

GRACES = {
    "now": timedelta(0),
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
}
"""How long a rotated key keeps working, by the name used in the form and the API."""
PLATFORMS = "This key was made by the platform, and only the platform may know it. Ask the platform for another one."
OTHERS = "Only the organization's people rotate its keys: who rotates a key gets to know it."

MOST_CALLS = 1_000_000
"""The largest limit of calls that a key can have."""


class KeyEnded(Conflict):
    code = "key_ended"


class KeyRotated(Conflict):
    code = "key_rotated"


def may_rotate(caller: Caller, key: ApiKey) -> bool:
    """The organization's users and, of managers from outside, only the key's creator, because the user who rotates a
    key sees its text.

    Only its manager may rotate a platform key: with its text, a customer could use up its idempotency keys.
    """
    made = key.created_by is not None and key.created_by == caller.actor.id
    return made and caller.operator if key.platforms else made or caller.role is not None


def require_may_rotate(caller: Caller, key: ApiKey) -> None:
    """Raise Forbidden unless the caller may rotate the key."""
    if not may_rotate(caller, key):
        raise Forbidden(PLATFORMS if key.platforms and caller.role else OTHERS)


def rotate(
    key: ApiKey, *, grace: str, by: Actor, made_by: UUID, grantable: frozenset[str], reason: str | None = None
) -> MadeKey:
    """Replace `key` by a new one with the same name, scopes, mode, expiry and cap. The old one keeps working for
    `grace`.

    The new one belongs to `made_by`, who sees its text. It may have the scopes that they may give (`grantable`); if the
    key is already theirs, also the scopes that an operator gave. Needs the organization's transaction; locks the
    organization. Raises KeyEnded, KeyRotated if another key already replaced it, and what `keys.make` raises.
    """
    if grace not in GRACES:
        raise Invalid("Choose when the old key ends.", field="grace")
    grantable = key_rights.held_now(key.org_id, grantable, by=by)
    row = _living(key)
    if db.session.scalar(select(ApiKey.id).filter_by(org_id=row.org_id, replaces_id=row.id, revoked_at=None)):
        raise KeyRotated("This key was rotated already. Rotate the key that took its place.")
    if row.platforms and by.kind == "user" and row.created_by != by.id:
        raise Forbidden(PLATFORMS)
    may = grantable | OPERATOR_SCOPES if row.created_by == made_by else grantable
    if wider := sorted(set(row.scopes) - may):
        raise ScopeTooWide(f"You may not rotate this key: only who may give the scope {wider[0]} can.")
    made = keys.put_in_place_of(row, created_by=made_by)
    end = clock.now() + GRACES[grace]
    row.expires_at = min(row.expires_at, end) if row.expires_at else end
    after = {"grace": grace, "name": row.name, "replaced_by": str(made.row.id)}
    audit.record(row, "key.rotated", by=by, after=after, reason=reason)
    return made


def set_cap(key: ApiKey, cap: Cap | None, *, by: Actor, reason: str | None = None) -> None:
    """Set what the key may charge, together with those that it replaces, that replace it or that share its cap; None
    removes the cap.

    It binds the key's member (`key_rights.bound_by`). A different amount keeps what was spent; a different window
    counts from now on. Needs the organization's transaction; locks the organization. Raises KeyEnded, except when a cap
    is removed: a revoked key still binds its member.
    """
    row = _living(key) if cap else _locked(key)
    old = changes.find(row.org_id, row.limit_id)
    was = _of(old)
    if was == cap and (old is None or old.imposed):
        return
    if old and cap and old.window == cap.window:
        old.amount, old.hard, old.imposed = cap.amount, cap.hard, True
    else:
        if old:
            old.ended_at = clock.now()
            db.session.flush()
        new = changes.begin(row.org_id, row.id, cap, mode=row.mode, imposed=True).id if cap else None
        shared = or_(ApiKey.id.in_(_chain(row)), ApiKey.limit_id == old.id if old else false())
        same = update(ApiKey).where(ApiKey.org_id == row.org_id, shared)
        db.session.execute(same.values(limit_id=new))
    audit.record(row, "key.cap_changed", by=by, before=_told(was), after=_told(cap), reason=reason)


def give_operator_scopes(key: ApiKey, scopes: Iterable[str], *, reason: str, by: Actor) -> None:
    """Give the key exactly these operator scopes; its other scopes stay. For platform managers.

    Needs the organization's transaction; locks the organization. Raises KeyEnded, Invalid.
    """
    wanted = set(scopes)
    if unknown := sorted(wanted - OPERATOR_SCOPES):
        raise Invalid(f"{unknown[0][:40]} is no operator scope.", field="scopes")
    reason = audit.checked_reason(reason)
    row = _living(key)
    before, after = sorted(row.scopes), sorted((set(row.scopes) - OPERATOR_SCOPES) | wanted)
    if not after:
        raise Invalid("The key would be left without any scope. Revoke it instead.", field="scopes")
    if before != after:
        row.scopes = after
        audit.record(
            row, "key.scopes_changed", by=by, before={"scopes": before}, after={"scopes": after}, reason=reason
        )


def set_call_limit(key: ApiKey, most: int | None, *, reason: str, by: Actor) -> None:
    """Set how many calls the key may make in the window of the throttle; None for as many as others. For platform
    managers. A key that replaces it inherits the limit.

    Needs the organization's transaction; locks the organization. Raises KeyEnded, Invalid.
    """
    if most is not None and not 1 <= most <= MOST_CALLS:
        raise Invalid(f"Enter 1 to {MOST_CALLS:,} calls.", field="call_limit")
    reason = audit.checked_reason(reason)
    row = _living(key)
    if row.call_limit != most:
        before, after = {"call_limit": row.call_limit}, {"call_limit": most}
        row.call_limit = most
        audit.record(row, "key.call_limit_changed", by=by, before=before, after=after, reason=reason)


def _locked(key: ApiKey) -> ApiKey:
    """The current key, with its organization locked."""
    lock(select(Organization).filter_by(id=key.org_id))
    row: ApiKey | None = lock(select(ApiKey).filter_by(org_id=key.org_id, id=key.id))
    if row is None:
        raise NotFound
    return row


def _living(key: ApiKey) -> ApiKey:
    """The same for an active key. Raises KeyEnded."""
    row = _locked(key)
    if row.revoked_at or (row.expires_at and row.expires_at <= clock.now()):
        raise KeyEnded("This key has ended. Nothing was changed.")
    return row


def _chain(row: ApiKey) -> list[UUID]:
    """The key with its predecessors and successors, if they are active."""
    links = db.session.execute(
        select(ApiKey.id, ApiKey.replaces_id).where(ApiKey.org_id == row.org_id, ApiKey.replaces_id.is_not(None))
    )
    beside: dict[UUID, list[UUID]] = {}
    for new, old in links:
        if old:
            beside.setdefault(new, []).append(old)
            beside.setdefault(old, []).append(new)
    rows, left = {row.id}, [row.id]
    while left:
        more = [one for one in beside.get(left.pop(), ()) if one not in rows]
        rows.update(more)
        left += more
    alive = db.session.scalars(select(ApiKey.id).where(ApiKey.org_id == row.org_id, keys.living()))
    return [key_id for key_id in alive if key_id in rows]


def _of(limit: SpendLimit | None) -> Cap | None:
    return Cap(Micros(limit.amount), limit.window, limit.hard) if limit else None


def _told(cap: Cap | None) -> dict[str, Any]:
    return {"cap_micros": cap.amount, "window": cap.window, "hard": cap.hard} if cap else {"cap_micros": None}
