"""What must follow in organizations after a user was disabled, enabled, erased, or lost the manager role.

The action commits in the platform's transaction, with one row per organization concerned. Each row is processed in a
transaction of its organization, which deletes it. If the process is killed, the scheduled task does the rest, and
nothing happens twice. Until then, `keys.authenticate` rejects the keys that are to be revoked.
"""

import logging
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select, union
from sqlalchemy.exc import DBAPIError

from dashboard.core.db import db, lock, transaction
from dashboard.domain import audit
from dashboard.domain.access import keys
from dashboard.domain.access.permissions import ENDING_SCOPES, OPERATOR_SCOPES
from dashboard.domain.audit import Actor
from dashboard.domain.organizations import memberships
from dashboard.models import ApiKey, Membership, Organization, UserFollowUp

JOB = "dashboard.jobs.people.follow_up"
AT_ONCE = 100
ENDED_SCOPES = {"disabled": ENDING_SCOPES, "erased": ENDING_SCOPES, "manager_removed": OPERATOR_SCOPES}
"""Keys with these scopes are revoked by the action. If the user does not belong to the organization, all keys that they
created are."""
TOLD = frozenset({"disabled", "enabled"})
"""The audit actions that the organization's members see."""

log = logging.getLogger(__name__)


def begin(user_id: UUID, act: str, *, by: Actor) -> None:
    """Record what must follow in every organization that the user belongs to or has an active key in. Needs the
    action's transaction."""
    belongs = (
        select(Membership.org_id)
        .join(Organization, Organization.id == Membership.org_id)
        .where(Membership.user_id == user_id, Membership.removed_at.is_(None), Organization.closed_at.is_(None))
    )
    holds = select(ApiKey.org_id).where(ApiKey.created_by == user_id, ~ApiKey.service, keys.living())
    wanted = union(belongs, holds).subquery()
    db.session.add_all(
        UserFollowUp(user_id=user_id, org_id=org_id, act=act, actor_kind=by.kind, actor_id=by.id)
        for org_id in db.session.scalars(select(wanted.c.org_id).order_by(wanted.c.org_id))
    )


def due() -> Sequence[UUID]:
    """Users with unfinished follow-ups."""
    return db.session.scalars(select(UserFollowUp.user_id).distinct().limit(AT_ONCE)).all()


def work(user_id: UUID) -> None:
    """Process what is recorded for the user, oldest first. Opens a transaction per organization. An organization that
    cannot be changed now is left for the next time."""
    noted = select(UserFollowUp.id, UserFollowUp.org_id).filter_by(user_id=user_id).order_by(UserFollowUp.id)
    for row_id, org_id in db.session.execute(noted).all():
        try:
            _follow(row_id, org_id)
        except DBAPIError:
            log.exception("a follow-up is left for later", extra={"user": str(user_id), "org": str(org_id)})


def _follow(row_id: UUID, org_id: UUID) -> None:
    with transaction(org_id):
        lock(select(Organization).filter_by(id=org_id))  # before looking for keys that are being created at this moment
        row = db.session.scalar(delete(UserFollowUp).filter_by(id=row_id).returning(UserFollowUp))
        if row is None:  # another process did it
            return
        by, member = Actor(row.actor_kind, row.actor_id), memberships.of_person(org_id, row.user_id)
        if row.act in ENDED_SCOPES:
            theirs = select(ApiKey).filter_by(org_id=org_id, created_by=row.user_id, service=False)
            theirs = theirs.where(keys.living())
            for key in db.session.scalars(theirs.order_by(ApiKey.id)).all():
                if member is None or ENDED_SCOPES[row.act].intersection(key.scopes):
                    keys.revoke(key, by=by)
        if member is not None and row.act in TOLD:
            # The reason is between the platform and the user.
            audit.record(member, "member.disabled" if row.act == "disabled" else "member.enabled", by=by)
