"""How the cost of a usage event comes about: its price version, the position before and after it, and each step."""

from dataclasses import dataclass

from sqlalchemy import select

from dashboard.core import ids
from dashboard.core.db import db
from dashboard.domain.usage.charging import voids
from dashboard.domain.usage.pricing.formula import Formula, Part
from dashboard.models import PLATFORM_ORG_ID, Metric, Price, Transaction, UsageEvent


@dataclass(frozen=True, slots=True)
class Explained:
    """`parts` add up to the event's cost: the units after position `before` up to `after`. `metric` is None if there is
    none of that name any more. `is_void`: the transaction gave back what the event cost."""

    event: UsageEvent
    price: Price
    metric: Metric | None
    before: int
    after: int
    parts: list[Part]
    is_void: bool


def of_transaction(row: Transaction) -> Explained | None:
    """The event that the transaction charged, or gave back; None if it did neither."""
    is_void = row.origin == voids.ORIGIN
    query = select(UsageEvent).filter_by(org_id=row.org_id)
    query = query.filter_by(id=ids.parse(row.key)) if is_void else query.filter_by(transaction_id=row.id)
    event = db.session.scalar(query.order_by(UsageEvent.id).limit(1))
    if event is None or event.units_after is None:
        return None
    owners = (row.org_id, PLATFORM_ORG_ID)
    price = db.session.scalars(select(Price).where(Price.org_id.in_(owners), Price.id == event.price_id)).one()
    metrics = select(Metric).where(Metric.key == event.metric_key, Metric.org_id.in_(owners)).limit(1)
    after = event.units_after
    before = after - event.units
    parts = Formula.of(price).parts(before, after)
    return Explained(event, price, db.session.scalars(metrics).first(), before, after, parts, is_void)
