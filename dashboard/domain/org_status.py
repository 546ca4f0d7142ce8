"""An organization's status (active, suspended, closed) and what each status allows."""

from enum import StrEnum

from dashboard.core.errors import Forbidden, NotFound
from dashboard.models import Organization


class Act(StrEnum):
    """Actions that an organization's status may block."""

    READ = "read"
    SPEND = "spend"
    BUY = "buy"
    MEMBERS = "members"


class OrgSuspended(Forbidden):
    code = "org_suspended"


def require_state(act: Act, org: Organization, *, operator: bool = False) -> None:
    """Raises NotFound for a closed organization (operators may read it), OrgSuspended if a suspension blocks the
    action."""
    if org.closed_at is not None and not (operator and act is Act.READ):
        raise NotFound
    if org.suspended_at is not None and act is not Act.READ:
        raise OrgSuspended("This organization is suspended. Nothing was changed.")
