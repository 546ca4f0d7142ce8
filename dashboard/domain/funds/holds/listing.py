"""Reads holds: a list of them, one by its id or by its charge, and the steps of one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import Select, and_, or_, select

from dashboard.core import clock, lists
from dashboard.core.db import db
from dashboard.core.errors import NotFound
from dashboard.models import HOLD_STATES, Hold, HoldStep

STATE_AFTER = {
    "opened": "open", "extended": "open", "captured": "captured", "released": "released", "expired": "expired",
}  # fmt: skip
"""By the kind of a step, the state of the hold after it."""

NOBODY: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class HoldFilters:
    """`only_of`: if any, only holds that count to one of these users, or that one of these users or keys made."""

    state: str | None = None
    app: str | None = None
    member_id: UUID | None = None
    only_of: frozenset[UUID] = NOBODY

    @classmethod
    def parse(cls, values: Mapping[str, str], *, only_of: frozenset[UUID] = NOBODY) -> "HoldFilters":
        """Parse `state`, `app` and `member_id`. Raises Invalid with the field."""
        typed = lists.Typed(values)
        return cls(
            state=typed.one_of("state", HOLD_STATES),
            app=typed.text("app"),
            member_id=typed.id("member_id"),
            only_of=only_of,
        )

    def of_user(self, user_id: UUID) -> "HoldFilters":
        return replace(self, member_id=user_id)


def query(org_id: UUID, mode: str, filters: HoldFilters) -> Select[Hold]:
    """The organization's holds that match. An open hold past its time counts as expired, as it does for every step."""
    wanted = select(Hold).filter_by(org_id=org_id, mode=mode)
    if filters.state == "open":
        wanted = wanted.where(Hold.state == "open", Hold.expires_at > clock.now())
    elif filters.state == "expired":
        past = and_(Hold.state == "open", Hold.expires_at <= clock.now())
        wanted = wanted.where(or_(Hold.state == "expired", past))
    elif filters.state is not None:
        wanted = wanted.filter_by(state=filters.state)
    if filters.app is not None:
        wanted = wanted.filter_by(app=filters.app)
    if filters.member_id is not None:
        wanted = wanted.filter_by(member_id=filters.member_id)
    if filters.only_of:
        wanted = wanted.where(or_(Hold.member_id.in_(filters.only_of), Hold.actor_id.in_(filters.only_of)))
    return wanted


def state_of(hold: Hold) -> str:
    """Its state now: a hold past its time has expired, even before its amount is available again."""
    return "expired" if hold.state == "open" and hold.expires_at <= clock.now() else hold.state


def find(org_id: UUID, mode: str, hold_id: UUID, *, only_of: frozenset[UUID] = NOBODY) -> Hold:
    """Raises NotFound, also for a hold that the caller may not see."""
    row = db.session.scalar(query(org_id, mode, HoldFilters(only_of=only_of)).where(Hold.id == hold_id))
    if row is None:
        raise NotFound("There is no such hold.")
    return row


def captured_by(org_id: UUID, transaction_id: UUID) -> Hold | None:
    """The hold that the transaction captured."""
    return db.session.scalar(select(Hold).filter_by(org_id=org_id, transaction_id=transaction_id))


def steps(hold: Hold) -> list[HoldStep]:
    """What was done to it, oldest first."""
    wanted = select(HoldStep).filter_by(org_id=hold.org_id, hold_id=hold.id)
    return list(db.session.scalars(wanted.order_by(HoldStep.id)))
