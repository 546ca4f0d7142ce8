"""Users as platform managers see them: support cases often start from an email address."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select

from dashboard.core import lists
from dashboard.core.db import db
from dashboard.domain.funds import wallets
from dashboard.domain.platform import search
from dashboard.models import AuditEntry, Membership, Organization, User, Wallet

ROLES = ("platform_manager", "standard", "disabled")
IN_LIST = 4
ON_PAGE = 100
"""How many of a user's organizations the list and the user's page show."""


@dataclass(frozen=True, slots=True)
class PersonFilters:
    """`role` is one of ROLES; an empty filter matches everything."""

    q: str | None = None
    role: str | None = None

    @classmethod
    def parse(cls, values: Mapping[str, str]) -> "PersonFilters":
        """Raises Invalid with its field."""
        typed = lists.Typed(values)
        return cls(typed.text("q", verb="Search for"), typed.one_of("role", ROLES))


@dataclass(frozen=True, slots=True)
class PersonRow:
    """An organization that a user belongs to."""

    org: Organization
    role: str
    wallet: Wallet


@dataclass(frozen=True, slots=True)
class Entries:
    """The first organizations of a user; `many` is the number of all of them."""

    shown: list[PersonRow] = field(default_factory=list)
    many: int = 0

    @property
    def left(self) -> int:
        return self.many - len(self.shown)


@dataclass(frozen=True, slots=True)
class Row:
    user: User
    entries: Entries


def page(filters: PersonFilters, *, mode: str, cursor: str | None = None) -> lists.Page[Row]:
    """Newest first. Raises Invalid for a malformed cursor."""
    query = select(User).where(search.users_matching(filters.q), *_narrowed(filters))
    users = lists.page(query, User.id, cursor, "platform users", filters)
    entries = entries_of([user.id for user in users.rows], mode=mode, most=IN_LIST)
    return users.of([Row(user, entries[user.id]) for user in users.rows])


def entries_of(user_ids: list[UUID], *, mode: str, most: int) -> dict[UUID, Entries]:
    """The first `most` organizations of each user, their own first, with the wallet of `mode`. A user may belong to
    thousands."""
    order = (Organization.kind != "personal", Organization.name, Organization.id)
    ranked = (
        select(
            Membership.user_id,
            Membership.role,
            Membership.org_id,
            func.row_number().over(partition_by=Membership.user_id, order_by=order).label("place"),
            func.count().over(partition_by=Membership.user_id).label("many"),
        )
        .join(Organization, Organization.id == Membership.org_id)
        .where(Membership.user_id.in_(user_ids), Membership.removed_at.is_(None))
        .subquery()
    )
    query = (
        select(ranked.c.user_id, ranked.c.role, ranked.c.many, Organization, Wallet)
        .join(Organization, Organization.id == ranked.c.org_id)
        .join(Wallet, and_(Wallet.org_id == Organization.id, *wallets.is_organizations(mode)))
        .where(ranked.c.place <= most)
        .order_by(ranked.c.place)
    )
    entries = {user_id: Entries() for user_id in user_ids}
    for user_id, role, many, org, wallet in db.session.execute(query):
        entries[user_id] = Entries([*entries[user_id].shown, PersonRow(org, role, wallet)], many)
    return entries


def names(entries: list[AuditEntry]) -> dict[UUID, str]:
    """Names of the users behind audit entries, by their ids. Managers see here which manager it was."""
    wanted = {entry.actor_id for entry in entries if entry.actor_id}
    rows = db.session.execute(select(User.id, User.name).where(User.id.in_(wanted))) if wanted else ()
    return {row[0]: row[1] for row in rows}


def _narrowed(filters: PersonFilters) -> list[ColumnElement[bool]]:
    if filters.role == "disabled":
        return [User.disabled_at.is_not(None)]
    return [User.platform_role == filters.role] if filters.role else []
