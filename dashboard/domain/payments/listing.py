"""Lists of payments: of one organization, or of all of them for the platform."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select, union

from dashboard.core import cursors, ids, lists
from dashboard.core.db import db
from dashboard.core.errors import Invalid, NotFound
from dashboard.domain.funds.transactions import Filters as Days
from dashboard.models import PAYMENT_STATES, Organization, Payment

PAGE_ROWS = 50
MOST_ROWS = 500
LONGEST_SEARCH, MOST_WORDS = 200, 6
OPEN = ("created", "unknown", "pending", "paid")
"""States from which a payment settles automatically."""

_PROVIDER_ID = re.compile(r"(dummy_)?(cs|pi|in)_[A-Za-z0-9_-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Filters:
    """An empty filter matches everything. `q`: the complete id of ours (payment or transaction) or of the provider, or
    words of what was sold. `days` are UTC."""

    state: str = ""
    q: str = ""
    days: Days = field(default_factory=Days)
    org_id: UUID | None = None

    @classmethod
    def parse(cls, values: Mapping[str, str]) -> "Filters":
        """Parse `state q from to` and, for the platform, `org`. Raises Invalid with the field."""
        state, q, org = (values.get(name, "").strip() for name in ("state", "q", "org"))
        if state and state not in PAYMENT_STATES:
            raise Invalid(f"Choose one of: {', '.join(PAYMENT_STATES)}.", field="state")
        if len(q) > LONGEST_SEARCH or "\x00" in q:
            raise Invalid(f"Search for at most {LONGEST_SEARCH} characters.", field="q")
        if org and ids.parse(org) is None:
            raise Invalid("This is not an organization's id.", field="org")
        days = Days.parse({name: values.get(name, "") for name in ("from", "to")})
        return cls(state, q, days, ids.parse(org) if org else None)


@dataclass(frozen=True, slots=True)
class Page:
    rows: list[Payment] = field(default_factory=list)
    next_cursor: str | None = None


def page(filters: Filters, *, mode: str, cursor: str | None = None, limit: int = PAGE_ROWS) -> Page:
    """Payments of a mode, newest first. Without `filters.org_id`, those of all organizations, only for the platform.

    The cost does not depend on their number: each filter has an index, except words, which search the newest 20,000.
    Raises Invalid for a malformed cursor.
    """
    scope = ("payments", mode, filters)
    query = select(Payment).where(Payment.mode == mode, *_narrowed(filters))
    if after := cursors.decode_id(cursor, *scope):
        query = query.where(Payment.id < after)
    rows = list(db.session.scalars(query.order_by(Payment.id.desc()).limit(limit + 1)))
    more = len(rows) > limit
    return Page(rows[:limit], cursors.encode(rows[limit - 1].id.bytes, *scope) if more else None)


def every(filters: Filters, *, mode: str) -> Iterator[Payment]:
    """All matching payments, newest first, read page by page as they are consumed."""
    cursor, more = None, True
    while more:
        found = page(filters, mode=mode, cursor=cursor, limit=MOST_ROWS)
        yield from found.rows
        cursor = found.next_cursor
        more = cursor is not None


def anywhere(payment_id: UUID) -> Payment:
    """A payment of any organization, for the platform. Raises NotFound."""
    query = select(Payment).filter_by(id=payment_id)
    payment = db.session.scalars(query, execution_options={"populate_existing": True}).one_or_none()
    if payment is None:
        raise NotFound("There is no such payment.")
    return payment


def orgs_of(rows: Iterable[Payment]) -> dict[UUID, Organization]:
    """The organizations of some payments, by their ids."""
    wanted = {row.org_id for row in rows}
    found = db.session.scalars(select(Organization).where(Organization.id.in_(wanted)))
    return {org.id: org for org in found}


def _narrowed(filters: Filters) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if filters.org_id:
        found.append(Payment.org_id == filters.org_id)
    if filters.state:
        found.append(Payment.state == filters.state)
    if filters.q:
        found.append(_searched(filters))
    since, until = filters.days.since, filters.days.until
    found += lists.made_between(Payment.id, since, until)
    if since:
        found.append(Payment.created_at >= since)
    if until:
        found.append(Payment.created_at < until)
    return found


def _searched(filters: Filters) -> ColumnElement[bool]:
    text = filters.q
    if own := ids.parse(text):
        return _any(Payment.id == own, Payment.transaction_id == own)
    if _PROVIDER_ID.fullmatch(text):
        return _any(Payment.session_id == text, Payment.intent_id == text, Payment.invoice_id == text)
    words = [Payment.name.icontains(word, autoescape=True) for word in text.split()[:MOST_WORDS]]
    whose = [Payment.org_id == filters.org_id] if filters.org_id else []
    return and_(lists.newest(Payment.id, *whose), *words)


def _any(*looks: ColumnElement[bool]) -> ColumnElement[bool]:
    """Each lookup uses its own index: a single OR next to the order by id could make PostgreSQL read the table from its
    end."""
    return Payment.id.in_(union(*(select(Payment.id).where(look) for look in looks)))
