"""Reads the audit log: pages of entries, one entry, or all of them for a file. Writes nothing."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select

from dashboard.core import cursors, ids, lists
from dashboard.core.db import db
from dashboard.core.errors import NotFound
from dashboard.domain.audit import names, words
from dashboard.domain.audit.words import Difference
from dashboard.models import AuditEntry

VISIT = "organization.visited"
ACTOR_KINDS = ("manager", "system")
"""Actors that are selected by kind and not individually."""


@dataclass(frozen=True, slots=True)
class AuditFilters(lists.Times):
    """A filter that is None matches everything. `object` is the complete id of an object, an entry or a request.
    `named`: the kinds of actors that may be told apart; False hides which platform manager it was."""

    org_id: UUID | None = None
    actor_id: UUID | None = None
    actor_kind: str | None = None
    group: str | None = None
    action: str | None = None
    object: str | None = None
    without_visits: bool = False
    named: bool = True

    @classmethod
    def parse(cls, values: Mapping[str, str], *, org_id: UUID | None = None, named: bool = True) -> "AuditFilters":
        """Parse `actor` (an id or a kind) or `actor_id`, `group`, `action`, `object`, `from`, `to`, `visits`
        (`hide`) and, for the platform, `org`. Raises Invalid with the field."""
        typed = lists.Typed(values)
        kind = actor if (actor := typed.get("actor")) in ACTOR_KINDS else None
        return cls(
            org_id=org_id or typed.id("org"),
            actor_id=None if kind else typed.id("actor") or typed.id("actor_id"),
            actor_kind=kind,
            group=typed.one_of("group", words.GROUPS),
            action=typed.text("action"),
            object=typed.text("object"),
            without_visits=typed.one_of("visits", ("hide",)) is not None,
            named=named,
            **typed.times(),
        )


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry as its reader may see it: customers do not see which platform manager acted, from where, or what a
    payment provider said about the platform's account."""

    entry: AuditEntry
    actor_id: UUID | None
    actor: str
    object: str
    sentence: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    ip: str | None
    differences: list[Difference]
    """What changed; empty if the sentence says it all."""


def page(
    filters: AuditFilters, *, cursor: str | None = None, limit: int = lists.PAGE_ROWS, window: int = lists.WINDOW
) -> lists.Page[AuditEntry]:
    """Newest first. Without `filters.org_id`, entries of all organizations, only for the platform.

    The cost does not depend on the number of entries: it uses an index on the organization, its actor and the time, and
    reads at most `window` entries if a filter has no index. Raises Invalid for a malformed cursor.
    """
    scope = ("audit", filters)
    before = cursors.decode_id(cursor, *scope)
    held = _held(filters) if before is None else [*_held(filters), AuditEntry.id < before]
    sifted, edge = _sifted(filters), None
    if sifted:
        nth = select(AuditEntry.id).where(*held).order_by(AuditEntry.id.desc()).offset(window - 1).limit(1)
        edge = db.session.scalar(nth)
        if edge is not None:
            held = [*held, AuditEntry.id >= edge]
    query = select(AuditEntry).where(*held, *sifted, *_exactly(filters))
    result = lists.page(query, AuditEntry.id, cursor, *scope, limit=limit)
    if edge is None or result.next_cursor:
        return result
    return replace(result, next_cursor=cursors.encode(edge.bytes, *scope), searched_all=False)


def every(filters: AuditFilters) -> Iterator[list[AuditEntry]]:
    """All matching entries, newest first, in blocks, read page by page as they are consumed."""
    return lists.every(lambda cursor: page(filters, cursor=cursor, limit=lists.FILE_ROWS))


def was_here(org_id: UUID, actor_id: UUID | None, *, since: datetime) -> bool:
    """Whether the audit log says that this platform manager viewed the organization."""
    theirs = select(AuditEntry.id).filter_by(org_id=org_id, actor_id=actor_id, action=VISIT)
    row = theirs.where(*lists.made_between(AuditEntry.id, since, None)).order_by(AuditEntry.id.desc()).limit(1)
    return db.session.scalar(row) is not None


def find(org_id: UUID | None, entry_id: UUID) -> AuditEntry:
    """An entry of the organization, or for the platform (None) of any. Raises NotFound."""
    whose = [] if org_id is None else [AuditEntry.org_id == org_id]
    entry = db.session.scalar(select(AuditEntry).where(AuditEntry.id == entry_id, *whose))
    if entry is None:
        raise NotFound("There is no such entry.")
    return entry


def entry_views(
    entries: Iterable[AuditEntry], *, for_manager: bool = False, without: Collection[str] = ()
) -> list[EntryView]:
    """The entries as text, in a few queries however many there are. `without`: names of values that are left out."""
    entries = list(entries)
    actors, objects = names.names_of(entries, for_manager=for_manager), names.objects_of(entries)
    people = names.people_in(entries, for_manager=for_manager)
    hidden = frozenset(without)
    return [_entry_view(entry, actors[entry.id], objects[entry.id], people, hidden, for_manager) for entry in entries]


def _entry_view(
    entry: AuditEntry, actor: str, what: str, people: dict[str, str], without: frozenset[str], for_manager: bool
) -> EntryView:
    hidden = entry.actor_kind == "manager" and not for_manager
    if entry.object_kind == "payment" and not for_manager:
        without |= {"problem"}
    before, after = (_left_out(values, without) for values in (entry.before, entry.after))
    sentence = words.sentence(entry.action, who=actor, what=what, before=before, after=after, people=people)
    changes = words.differences(before, after, people)
    told = all(one.before is None and one.after and one.after in sentence for one in changes)
    return EntryView(
        entry=entry,
        actor_id=None if hidden else entry.actor_id,
        actor=actor,
        object=what,
        sentence=sentence,
        before=before,
        after=after,
        ip=None if hidden else entry.ip,
        differences=[] if told else changes,
    )


def _left_out(values: dict[str, Any] | None, without: frozenset[str]) -> dict[str, Any] | None:
    return values and {name: value for name, value in values.items() if name not in without}


def _held(filters: AuditFilters) -> list[ColumnElement[bool]]:
    """Conditions that an index answers."""
    result = filters.id_range(AuditEntry)
    if filters.org_id:
        result.append(AuditEntry.org_id == filters.org_id)
        if filters.actor_id:
            result.append(AuditEntry.actor_id == filters.actor_id)
    return result


def _exactly(filters: AuditFilters) -> list[ColumnElement[bool]]:
    """The exact time, and whose entries may be selected; both exclude few of the entries that an index found."""
    result = filters.moments(AuditEntry)
    if filters.actor_id and not filters.named:
        result.append(AuditEntry.actor_kind != "manager")
    return result


def _sifted(filters: AuditFilters) -> list[ColumnElement[bool]]:
    """Conditions without an index."""
    conditions: list[ColumnElement[bool]] = []
    if filters.actor_id and not filters.org_id:
        conditions.append(AuditEntry.actor_id == filters.actor_id)
    if filters.actor_kind:
        conditions.append(AuditEntry.actor_kind == filters.actor_kind)
    if filters.group:
        conditions.append(AuditEntry.action.in_(words.actions_of(filters.group)))
    if filters.without_visits:
        conditions.append(AuditEntry.action != VISIT)
    if filters.action:
        conditions.append(AuditEntry.action == filters.action)
    if filters.object:
        conditions.append(_about(filters.object))
    return conditions


def _about(text: str) -> ColumnElement[bool]:
    tests = [AuditEntry.object_id == text, AuditEntry.request_id == text]
    own = ids.parse(text) if len(text) in (32, 36) else None
    return or_(*tests, AuditEntry.id == own) if own else or_(*tests)


def everyone(org_id: UUID) -> list[tuple[UUID, str]]:
    """All possible actors in the organization: current and former members and keys."""
    keys = [(key_id, f"Key {name}") for key_id, name in names.keys_of(org_id)]
    return names.people_of(org_id) + keys
