"""An organization's status (active, suspended, closed) and what each status allows."""

from enum import StrEnum
from uuid import UUID

from sqlalchemy import select

from dashboard.core.db import db, lock
from dashboard.core.errors import Forbidden, NotFound
from dashboard.models import Organization


class OrgAction(StrEnum):
    """Actions that an organization's status may block."""

    READ = "read"
    SPEND = "spend"
    BUY = "buy"
    MEMBERS = "members"


class OrgSuspended(Forbidden):
    code = "org_suspended"


def require_state(act: OrgAction, org: Organization, *, operator: bool = False) -> None:
    """Raises NotFound for a closed organization (operators may read it), OrgSuspended if a suspension blocks the
    action."""
    if org.closed_at is not None and not (operator and act is OrgAction.READ):
        raise NotFound
    if org.suspended_at is not None and act is not OrgAction.READ:
        raise OrgSuspended("This organization is suspended. Nothing was changed.")


def locked(org_id: UUID, act: OrgAction = OrgAction.MEMBERS) -> Organization:
    """The current organization, locked, if its status allows `act`. Every change of its members or settings starts
    here. Needs its transaction. Raises NotFound for a closed one, OrgSuspended."""
    current = lock(select(Organization).filter_by(id=org_id))
    if current is None:
        raise NotFound
    require_state(act, current)
    return current


def hold_open(org_id: UUID) -> None:
    """Keep the organization from being closed until the open transaction ends, for operations that add money to it.

    Raises NotFound for a closed one.
    """
    query = select(Organization.closed_at).filter_by(id=org_id).with_for_update(read=True, key_share=True)
    if db.session.execute(query).one().closed_at is not None:
        raise NotFound
