"""The names of actors and objects. Rows store ids; names are looked up when shown, so that erasing a user leaves the
ledger unchanged."""

from collections.abc import Iterable
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Select, and_, or_, select, tuple_

from dashboard.core import ids
from dashboard.core.db import db
from dashboard.domain.audit.kinds import KINDS, Kind
from dashboard.models import PLATFORM_ORG_ID, ApiKey, AuditEntry, Membership, Organization, User
from dashboard.models.base import OrgOwned

PLATFORM = "Platform manager"
UNKNOWN = {
    "user": "A former user",
    "key": "A former key",
    "manager": PLATFORM,
    "system": "System",
    "end_user": "An end user",
}
MOST_CHOICES = 200
PAGES = {
    "audit": "audit log", "external-key": "external key", "grant": "grant form", "keys": "API keys",
    "overdraft": "overdraft form", "remove": "removal form", "transactions.csv": "file of transactions",
}  # fmt: skip
"""What a page is called if its path does not say it."""


class OfOrg(Protocol):
    """Anything that names its organization."""

    @property
    def org_id(self) -> UUID: ...


class Acted(Protocol):
    """Any row that names its actor."""

    @property
    def id(self) -> UUID: ...
    @property
    def org_id(self) -> UUID: ...
    @property
    def actor_kind(self) -> str: ...
    @property
    def actor_id(self) -> UUID | None: ...


def names_of(rows: Iterable[Acted], *, for_manager: bool = False) -> dict[UUID, str]:
    """The actor's name for each row, by the row's id, in at most two queries.

    Customers see "Platform manager"; `for_manager` shows which one.
    """
    rows = list(rows)
    kinds = {"user", "manager"} if for_manager else {"user"}
    people = {row.actor_id for row in rows if row.actor_kind in kinds and row.actor_id}
    keys = {(row.org_id, row.actor_id) for row in rows if row.actor_kind == "key" and row.actor_id}
    named = _people(people) | _keys(keys)
    items = {}
    for row in rows:
        hidden = row.actor_kind == "manager" and not for_manager
        name = None if hidden or row.actor_id is None else named.get(row.actor_id)
        items[row.id] = name or UNKNOWN.get(row.actor_kind, row.actor_kind)
    return items


def objects_of(entries: Iterable[AuditEntry]) -> dict[UUID, str]:
    """The object's name for each entry, by the entry's id, in at most one query per kind of object."""
    entries = list(entries)
    wanted: dict[str, set[tuple[UUID, UUID]]] = {}
    for entry in entries:
        if object_id := ids.parse(entry.object_id):
            wanted.setdefault(entry.object_kind, set()).add((entry.org_id, object_id))
    named = {
        (kind, object_id): str(name)
        for kind, pairs in wanted.items()
        if kind in KINDS and KINDS[kind].name is not None
        for object_id, name in db.session.execute(_read(KINDS[kind], pairs))
    }
    return {entry.id: _named(entry, named) for entry in entries}


def people_in(entries: Iterable[AuditEntry], *, for_manager: bool = False) -> dict[str, str]:
    """Names for the user ids among the values of some entries. Customers see no platform manager's name."""
    values = [value for entry in entries for one in (entry.before, entry.after) for value in (one or {}).values()]
    wanted = {
        parsed for value in values if isinstance(value, str) and len(value) == 36 and (parsed := ids.parse(value))
    }
    if not wanted:
        return {}
    rows = db.session.execute(select(User.id, User.name, User.platform_role).where(User.id.in_(wanted)))
    return {str(user_id): name for user_id, name, role in rows if for_manager or role == "standard"}


def page_of(path: str) -> str:
    """A page or a call by its path, in words: `payments`, `removal form`. The ids in it are left out."""
    parts = [part for part in path.split("/") if part and ids.parse(part) is None]
    start = 2 if parts[:1] == ["o"] else parts.index("orgs") + 1 if "orgs" in parts else int(parts[:1] == ["admin"])
    return ", ".join(PAGES.get(part, part.replace("-", " ")) for part in parts[start:]) or "overview"


def people_of(org_id: UUID) -> list[tuple[UUID, str]]:
    """All current and former members of the organization: (id, name), at most 200."""
    rows = db.session.execute(
        select(User.id, User.name, User.email)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.org_id == org_id)
        .distinct()
        .order_by(User.name)
        .limit(MOST_CHOICES)
    )
    return [(user_id, name or email) for user_id, name, email in rows]


def keys_of(org_id: UUID) -> list[tuple[UUID, str]]:
    """The organization's keys, including revoked ones: (id, name), at most 200."""
    rows = db.session.execute(
        select(ApiKey.id, ApiKey.name, ApiKey.prefix)
        .filter_by(org_id=org_id)
        .order_by(ApiKey.name, ApiKey.id)
        .limit(MOST_CHOICES)
    )
    return [(key_id, f"{name} ({prefix})") for key_id, name, prefix in rows]


def orgs_of(rows: Iterable[OfOrg]) -> dict[UUID, Organization]:
    """The organizations of some rows, by their ids."""
    wanted = {row.org_id for row in rows}
    return {org.id: org for org in db.session.scalars(select(Organization).where(Organization.id.in_(wanted)))}


def _named(entry: AuditEntry, named: dict[tuple[str, UUID], str]) -> str:
    """The current name, or else the name at that time; never only an id."""
    object_id = ids.parse(entry.object_id)
    if object_id and (name := named.get((entry.object_kind, object_id))):
        return name
    if entry.object_kind == "page":
        return page_of(entry.object_id)
    for values in (entry.after, entry.before):
        if values and isinstance(name := values.get("name"), str) and name:
            return name
    return KINDS[entry.object_kind].noun if entry.object_kind in KINDS else entry.object_kind.replace("_", " ")


def _people(user_ids: set[UUID]) -> dict[UUID, str]:
    if not user_ids:
        return {}
    query = select(User).where(User.id.in_(user_ids))
    return {user.id: user.name for user in db.session.scalars(query)}


def _keys(pairs: set[tuple[UUID, UUID]]) -> dict[UUID, str]:
    """Names of organizations' keys, and of service keys, which act in organizations that are not theirs."""
    if not pairs:
        return {}
    services = {(PLATFORM_ORG_ID, key_id) for _, key_id in pairs}
    wanted = tuple_(ApiKey.org_id, ApiKey.id)
    own = or_(wanted.in_(pairs), and_(ApiKey.service, wanted.in_(services)))
    rows = db.session.execute(select(ApiKey.id, ApiKey.name, ApiKey.prefix, ApiKey.service).where(own))
    return {
        key_id: f"{name} (service key)" if service else f"{name} ({prefix})" for key_id, name, prefix, service in rows
    }


def _read(kind: Kind, pairs: set[tuple[UUID, UUID]]) -> Select[UUID, Any]:
    """Names by id. `pairs`: the entry's organization and the row's id."""
    model: Any = kind.model
    if issubclass(model, OrgOwned):
        wanted = tuple_(model.org_id, model.id).in_(pairs)
    else:
        wanted = model.id.in_({object_id for _, object_id in pairs})
    return select(model.id, kind.name).where(wanted)
