"""Who did it, in words. The ledger keeps ids; names are joined when read, so that erasing a person keeps the books."""

from collections.abc import Iterable
from typing import Protocol
from uuid import UUID

from sqlalchemy import select, tuple_

from dashboard.core.db import db
from dashboard.models import ApiKey, User

PLATFORM = "Platform manager"
UNKNOWN = {"user": "A former user", "key": "A former key", "manager": PLATFORM, "system": "System"}


class Acted(Protocol):
    """Any row that says who made it."""

    @property
    def id(self) -> UUID: ...
    @property
    def org_id(self) -> UUID: ...
    @property
    def actor_kind(self) -> str: ...
    @property
    def actor_id(self) -> UUID | None: ...


def names_of(rows: Iterable[Acted], *, for_manager: bool = False) -> dict[UUID, str]:
    """The actor's name for each row, by the row's id, in at most two reads.

    Customers read 'Platform manager'; `for_manager` shows which one.
    """
    rows = list(rows)
    kinds = {"user", "manager"} if for_manager else {"user"}
    people = {row.actor_id for row in rows if row.actor_kind in kinds and row.actor_id}
    keys = {(row.org_id, row.actor_id) for row in rows if row.actor_kind == "key" and row.actor_id}
    named = _people(people) | _keys(keys)
    found = {}
    for row in rows:
        hidden = row.actor_kind == "manager" and not for_manager
        name = None if hidden or row.actor_id is None else named.get(row.actor_id)
        found[row.id] = name or UNKNOWN.get(row.actor_kind, row.actor_kind)
    return found


def _people(user_ids: set[UUID]) -> dict[UUID, str]:
    if not user_ids:
        return {}
    found = select(User).where(User.id.in_(user_ids))
    return {user.id: user.name for user in db.session.scalars(found)}


def _keys(pairs: set[tuple[UUID, UUID]]) -> dict[UUID, str]:
    if not pairs:
        return {}
    wanted = tuple_(ApiKey.org_id, ApiKey.id).in_(pairs)
    rows = db.session.execute(select(ApiKey.id, ApiKey.name, ApiKey.prefix).where(wanted))
    return {key_id: f"{name} ({prefix})" for key_id, name, prefix in rows}
