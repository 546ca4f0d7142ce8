"""The rights behind a key: what its creator may give now, and whether its holder lost a right that it depends on."""

from uuid import UUID

from sqlalchemy import and_, case, select

from dashboard.core.db import db
from dashboard.core.errors import NotFound
from dashboard.domain import org_status
from dashboard.domain.access.permissions import ENDING_SCOPES, LEADS, OPERATOR_SCOPES, given_by
from dashboard.domain.audit import Actor
from dashboard.models import ApiKey, Membership, SpendLimit, User, UserFollowUp

TIMES_A_MONTH = {"day": 31, "week": 5}
"""How often a window of a limit begins in a month, at most."""


def held_now(org_id: UUID, grantable: frozenset[str], *, by: Actor) -> frozenset[str]:
    """The part of `grantable` that the actor may still give, with the organization locked: their role, in it and on the
    platform, may have changed since the request began. A command may give all. Raises NotFound for a user who no longer
    belongs to it or is disabled, OrgSuspended."""
    if by.kind == "system":
        return grantable
    # Conflicts with a transaction that disables the user or removes the manager role, so that one waits for the other.
    # As there, the user is locked before the organization.
    user = db.session.get_one(User, by.id, populate_existing=True, with_for_update={"read": True})
    org_status.locked(org_id)
    if not user.is_active or (by.kind == "manager" and not user.is_manager):
        raise NotFound
    if by.kind == "manager":
        return grantable
    role = db.session.scalar(select(Membership.role).filter_by(org_id=org_id, user_id=by.id, removed_at=None))
    if role is None:
        raise NotFound
    return grantable & (given_by(role) | (OPERATOR_SCOPES if user.is_manager else frozenset()))


def bound_by(org_id: UUID, user_id: UUID) -> SpendLimit | None:
    """The cap that binds the user here: the lowest of those that owners or admins set on the user's keys.

    It applies to the user's new keys and personal tokens, even after they revoked the key. It does not bind users who
    may change caps themselves, and ends when it is removed.
    """
    tightest = SpendLimit.amount * case(TIMES_A_MONTH, value=SpendLimit.window, else_=1)
    query = (
        select(SpendLimit)
        .join(ApiKey, and_(ApiKey.org_id == SpendLimit.org_id, ApiKey.limit_id == SpendLimit.id))
        .join(Membership, and_(Membership.org_id == ApiKey.org_id, Membership.user_id == ApiKey.created_by))
        .where(SpendLimit.org_id == org_id, SpendLimit.imposed, SpendLimit.hard)
        .where(SpendLimit.ended_at.is_(None))
        .where(ApiKey.created_by == user_id, Membership.removed_at.is_(None), Membership.role.not_in(LEADS))
        .order_by(tightest, SpendLimit.id)
        .limit(1)
    )
    return db.session.scalar(query)


def lost(key: ApiKey) -> bool:
    """Whether the key ends because its holder lost a right. It is revoked shortly afterwards (`follow_ups`), and must
    not work until then."""
    if key.service:  # it is the platform's, and outlives its maker
        return False
    holder = key.holder
    if holder is None:
        return False
    if key.platforms and not (holder.is_active and holder.is_manager):
        return True
    if not ENDING_SCOPES.intersection(key.scopes):
        return False
    noted = select(UserFollowUp.id).filter_by(user_id=holder.id, org_id=key.org_id)
    return not holder.is_active or db.session.scalar(noted.where(UserFollowUp.act != "enabled").limit(1)) is not None
