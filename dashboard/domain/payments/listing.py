"""Lists of payments: of one organization, or of all of them for the platform."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select, union

from dashboard.core import ids, lists
from dashboard.core.db import db
from dashboard.core.errors import NotFound
from dashboard.models import PAYMENT_STATES, Payment

MOST_WORDS = 6

_PROVIDER_ID = re.compile(r"(dummy_)?(cs|pi|in)_[A-Za-z0-9_-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class PaymentFilters(lists.Times):
    """A filter that is None matches everything. `q`: the complete id of ours (payment or transaction) or of the
    provider, or words of what was sold."""

    state: str | None = None
    q: str | None = None
    org_id: UUID | None = None

    @classmethod
    def parse(cls, values: Mapping[str, str], *, org_id: UUID | None = None) -> "PaymentFilters":
        """Parse `state q from to` and, for the platform, `org`. Raises Invalid with the field."""
        typed = lists.Typed(values)
        return cls(
            state=typed.one_of("state", PAYMENT_STATES),
            q=typed.text("q", verb="Search for"),
            org_id=org_id or typed.id("org", "an organization's id"),
            **typed.times(),
        )


def page(
    filters: PaymentFilters, *, mode: str, cursor: str | None = None, limit: int = lists.PAGE_ROWS
) -> lists.Page[Payment]:
    """Payments of a mode, newest first. Without `filters.org_id`, those of all organizations, only for the platform.

    The cost does not depend on their number: each filter has an index, except words, which search the newest 20,000.
    Raises Invalid for a malformed cursor.
    """
    query = select(Payment).where(Payment.mode == mode, *_narrowed(filters))
    return lists.page(query, Payment.id, cursor, "payments", mode, filters, limit=limit)


def every(filters: PaymentFilters, *, mode: str) -> Iterator[list[Payment]]:
    """All matching payments, newest first, in blocks, read page by page as they are consumed."""
    return lists.every(lambda cursor: page(filters, mode=mode, cursor=cursor, limit=lists.FILE_ROWS))


def last_bought(org_id: UUID, mode: str) -> UUID | None:
    """The product of the organization's newest credited payment."""
    query = select(Payment.product_id).filter_by(org_id=org_id, mode=mode, state="credited")
    return db.session.scalar(query.order_by(Payment.id.desc()).limit(1))


def anywhere(payment_id: UUID) -> Payment:
    """A payment of any organization, for the platform. Raises NotFound."""
    query = select(Payment).filter_by(id=payment_id)
    payment = db.session.scalars(query, execution_options={"populate_existing": True}).one_or_none()
    if payment is None:
        raise NotFound("There is no such payment.")
    return payment


def _narrowed(filters: PaymentFilters) -> list[ColumnElement[bool]]:
    conditions = [*filters.id_range(Payment), *filters.moments(Payment)]
    if filters.org_id:
        conditions.append(Payment.org_id == filters.org_id)
    if filters.state:
        conditions.append(Payment.state == filters.state)
    if filters.q:
        conditions.append(_searched(filters.q, filters.org_id))
    return conditions


def _searched(text: str, org_id: UUID | None) -> ColumnElement[bool]:
    if own := ids.parse(text):
        return _any(Payment.id == own, Payment.transaction_id == own)
    if _PROVIDER_ID.fullmatch(text):
        return _any(Payment.session_id == text, Payment.intent_id == text, Payment.invoice_id == text)
    words = [Payment.name.icontains(word, autoescape=True) for word in text.split()[:MOST_WORDS]]
    whose = [Payment.org_id == org_id] if org_id else []
    return and_(lists.newest(Payment.id, *whose), *words)


def _any(*looks: ColumnElement[bool]) -> ColumnElement[bool]:
    """Each lookup uses its own index: a single OR next to the order by id could make PostgreSQL read the table from its
    end."""
    return Payment.id.in_(union(*(select(Payment.id).where(look) for look in looks)))
