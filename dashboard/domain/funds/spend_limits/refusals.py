"""The refusal of what exceeds a limit: which one, what is spent, when it starts again, who can raise it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from dashboard.core.errors import CofferError
from dashboard.core.money import shown
from dashboard.domain.funds.spend_limits.windows import end_of
from dashboard.models import PLATFORM_ORG_ID

KEY = "key"
_PER = {"day": "daily", "week": "weekly", "month": "monthly"}
_WHOSE = {"key": "key's", "member": "member's", "org": "organization's"}


class LimitReached(CofferError):
    """402 and not 429: the wait may be weeks, and clients retry a 429 automatically."""

    status, code = 402, "limit_reached"


class KeyCapExceeded(LimitReached):
    """The limit of a key, which is called its cap."""

    code = "key_cap_exceeded"


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that applies to a spender."""

    org_id: UUID
    id: UUID
    scope: str
    scope_id: str
    window: str
    amount: int
    hard: bool
    created_at: datetime


def refusal(limits: Sequence[Limit], spent: Mapping[Limit, int], amount: int, at: datetime) -> LimitReached | None:
    """The refusal of `amount` beyond what is `spent`, by the first hard limit without room; None if all have room."""
    over = next((limit for limit in limits if limit.hard and spent[limit] + amount > limit.amount), None)
    if over is None:
        return None
    kind = KeyCapExceeded if over.scope == KEY else LimitReached
    tested = [_figures(limit, spent[limit], at) for limit in limits]
    named = {name: value for name, value in _figures(over, spent[over], at).items() if name not in ("window", "hard")}
    left = max(over.amount - spent[over], 0)
    return kind(
        _sentence(over, spent[over], at), available_micros=left, required_micros=amount, **named, limits_tested=tested
    )


def _figures(limit: Limit, spent: int, at: datetime) -> dict[str, Any]:
    return {
        "limit_id": str(limit.id), "scope": limit.scope, "window": limit.window, "hard": limit.hard,
        "limit_micros": limit.amount, "spent_micros": spent,
        "resets_at": f"{end_of(limit.window, at):%Y-%m-%dT%H:%M:%SZ}",
    }  # fmt: skip


def _sentence(limit: Limit, spent: int, at: datetime) -> str:
    whose, per = _WHOSE.get(limit.scope), _PER[limit.window]
    what = f"The {whose} {per} limit" if whose else f"The {per} limit of the app {limit.scope_id}"
    who = "The platform" if limit.org_id == PLATFORM_ORG_ID else "An owner or admin"
    return (
        f"{what} has no room for this: {shown(spent)} of {shown(limit.amount)} is spent. It starts again on "
        f"{end_of(limit.window, at):%Y-%m-%d at %H:%M UTC}. {who} can raise it. Nothing was changed."
    )
