"""Passes on the API keys of a member who leaves an organization or gets a lower role, so that production programs keep
working.

Keys that can admit others or have an operator scope are revoked together with the right behind them. The others pass to
an owner or admin, unless all of them are to be revoked.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from dashboard.core.db import db
from dashboard.domain import audit
from dashboard.domain.access import keys
from dashboard.domain.access.permissions import ENDING_SCOPES, LEADS, OPERATOR_SCOPES, given_by
from dashboard.domain.audit import Actor
from dashboard.models import ApiKey, Membership, User


@dataclass(frozen=True, slots=True)
class Handover:
    """What happens to keys: `passing` ones pass to `heir`, `ending` ones are revoked."""

    passing: tuple[ApiKey, ...]
    ending: tuple[ApiKey, ...]
    heir: User | None

    @property
    def keys(self) -> tuple[ApiKey, ...]:
        return self.passing + self.ending


def of_leaver(member: Membership, *, by: Actor, end_all: bool = False) -> Handover:
    """What happens to the member's keys when `by` removes them or they leave."""
    return _split(keys_of(member), member, by=by, end_all=end_all)


def of_demoted(member: Membership, role: str, *, by: Actor, end_all: bool = False) -> Handover:
    """What happens to those of the member's keys that exceed what `role` may give, when `by` assigns that role.

    Scopes that a platform manager gave do not depend on the role: a key with nothing else beyond the role stays.
    """
    beyond = [key for key in keys_of(member) if set(key.scopes) - OPERATOR_SCOPES - given_by(role)]
    return _split(beyond, member, by=by, end_all=end_all)


def carry_out(handover: Handover, *, by: Actor) -> Handover:
    """Carry it out. Needs the organization's transaction, in which it is locked."""
    for key in handover.ending:
        keys.revoke(key, by=by)
    for key in handover.passing:
        assert handover.heir is not None  # nothing passes to nobody
        before, key.created_by = key.created_by, handover.heir.id
        audit.record(
            key, "key.handed_over", by=by, before={"holder": str(before)}, after={"holder": str(handover.heir.id)},
        )  # fmt: skip
    return handover


def keys_of(member: Membership) -> list[ApiKey]:
    """The organization's active keys that belong to this member. A key that the platform created is not the
    organization's."""
    query = select(ApiKey).filter_by(org_id=member.org_id, created_by=member.user_id, issued_by="org")
    return list(db.session.scalars(query.where(keys.living()).order_by(ApiKey.id)))


def _split(rows: list[ApiKey], member: Membership, *, by: Actor, end_all: bool) -> Handover:
    heir = _heir(member, by) if rows and not end_all else None
    ends = {key.id for key in rows if heir is None or ENDING_SCOPES.intersection(key.scopes)}
    return Handover(
        tuple(key for key in rows if key.id not in ends), tuple(key for key in rows if key.id in ends), heir
    )


def _heir(member: Membership, by: Actor) -> User | None:
    """The user who removes or demotes the member. If the member leaves, or nobody of the organization does it, the
    longest-serving owner. None if no other owner can sign in."""
    acting = by.id if by.kind == "user" else _holder(member.org_id, by) if by.kind == "key" else None
    others = (
        select(User)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.org_id == member.org_id, Membership.removed_at.is_(None))
        .where(User.id != member.user_id, User.disabled_at.is_(None))
        .order_by(Membership.id)
        .limit(1)
    )
    row = db.session.scalar(others.where(User.id == acting, Membership.role.in_(LEADS))) if acting else None
    return row or db.session.scalar(others.where(Membership.role == "owner"))


def _holder(org_id: UUID, by: Actor) -> UUID | None:
    return db.session.scalar(select(ApiKey.created_by).filter_by(org_id=org_id, id=by.id))
