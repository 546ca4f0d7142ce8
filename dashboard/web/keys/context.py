"""Shared by the pages of keys: whose keys are shown, and the state of a key."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from dashboard.config import settings
from dashboard.core import clock
from dashboard.core.errors import NotFound
from dashboard.domain.access import keys
from dashboard.domain.access.permissions import Verb
from dashboard.domain.funds import spend_limits
from dashboard.domain.funds.spend_limits import LimitUsage
from dashboard.models import ApiKey, User
from dashboard.web.guards import Visit

UNUSED = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key as the pages show it. `replaced_by` is the key that replaced it."""

    key: ApiKey
    maker: str
    ender: str
    state: str
    tone: str
    unused: bool
    cap: LimitUsage | None
    replaced_by: UUID | None

    @property
    def works(self) -> bool:
        return self.state in ("Active", "Replaced")


def own(visit: Visit) -> UUID | None:
    """The only user whose keys the pages show; None for users who manage all."""
    return None if visit.may(Verb.MANAGE_KEYS) else visit.by.id


def find(visit: Visit, key_id: UUID) -> ApiKey:
    key = keys.find(visit.org.id, key_id)
    if key is None or (own(visit) and key.created_by != own(visit)):
        raise NotFound
    return key


def rows(visit: Visit, items: list[ApiKey]) -> list[KeyView]:
    return views(visit.org.id, items, for_manager=visit.caller.operator)


def views(org_id: UUID, items: list[ApiKey], *, for_manager: bool) -> list[KeyView]:
    """Keys of the organization as pages show them. Customers do not see which platform manager made one."""
    people = keys.makers(items)
    usages = spend_limits.usages(org_id, [key.limit_id for key in items])
    successors = keys.successors(org_id, [key.id for key in items])
    return [
        KeyView(
            key,
            _name(key.created_by, people, for_manager) or "A command",
            _name(key.revoked_by, people, for_manager),
            *_state(key, successors),
            usages.get(key.limit_id),
            successors.get(key.id),
        )
        for key in items
    ]


def row(visit: Visit, key: ApiKey) -> KeyView:
    return rows(visit, [key])[0]


def _name(person_id: UUID | None, people: dict[UUID, User], for_manager: bool) -> str:
    person = people.get(person_id) if person_id else None
    if person is None:
        return ""
    return "Platform manager" if person.is_manager and not for_manager else person.name


def _state(key: ApiKey, successors: dict[UUID, UUID]) -> tuple[str, str, bool]:
    """Text, tone, and whether the key has not been used for long."""
    now = clock.now()
    if key.revoked_at:
        return "Revoked", "bad", False
    if key.expires_at and key.expires_at <= now:
        return "Expired", "", False
    if key.id in successors:
        return "Replaced", "warn", False
    return "Active", "ok", (key.last_used_at or key.created_at) < now - UNUSED


def whole_number(text: str) -> int | None:
    """None for an empty text; 0, which no limit may be, for one that is no number."""
    text = text.strip().replace(",", "")
    if not text:
        return None
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def call_rate(key: ApiKey) -> str:
    """How often the key may call, in words."""
    chosen = settings().api
    return f"{key.call_limit or chosen.throttle_requests:,} in any {chosen.throttle_seconds} seconds"
