"""Spend limits in words, and what somebody can spend now."""

from dashboard.core.money import Micros
from dashboard.domain.access import limits
from dashboard.domain.access.permissions import may_spend
from dashboard.domain.funds.spend_limits import Spender
from dashboard.domain.funds.spend_limits.spendable import Spendable, spendable
from dashboard.models import ApiKey
from dashboard.web.guards import Visit

PER = {"day": "daily", "week": "weekly", "month": "monthly"}
_OF = {"org": "of the organization", "member": "of the member", "app": "of the app", "key": "of the key"}

Room = tuple[Micros, str]
"""What can be spent, and the name of what bounds it."""


def spendable_by(visit: Visit) -> Room | None:
    """What the visitor can spend with their own token; None if their role may spend nothing."""
    user_id, role = visit.by.id, visit.caller.role
    if not may_spend(role) or user_id is None:
        return None
    return _room(visit, limits.spender_of_member(visit.org.id, user_id, role))


def spendable_with(visit: Visit, key: ApiKey) -> Room | None:
    """What a key can spend; None if it charges nothing, or in the other mode."""
    if key.mode != visit.mode or not {"wallet:charge", "usage:write", "holds:write"}.intersection(key.scopes):
        return None
    return _room(visit, limits.spender_of_key(key))


def _room(visit: Visit, spender: Spender) -> Room:
    result = spendable(visit.org, spender, visit.wallet)
    return result.micros, _bound(result)


def _bound(result: Spendable) -> str:
    if result.limit is not None:
        return f"the {PER[result.limit.window]} limit {_OF[result.limit.scope]}"
    return "open holds" if result.bounded_by == "hold" else "the balance"
