"""What tests of usage say about an organization's events, and that its books agree."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from dashboard.core.db import db
from dashboard.core.errors import CofferError
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds.spend_limits import LimitId, Spender
from dashboard.domain.platform import verify
from dashboard.domain.usage import recording
from dashboard.domain.usage.recording import Recorded, Usage
from dashboard.models import Organization, Transaction, UsageCounter, UsageEvent, UsagePosition
from tests.factories import wallet_of


def usage(units: int, key: str, metric_key: str = "tokens", *, at: datetime | None = None, app: str = "") -> Usage:
    return Usage(metric_key, units, key, f"{metric_key} {units}".encode(), occurred_at=at, app=app)


def record(org: Organization, *usages: Usage, key: LimitId | None = None) -> list[Any]:
    results, balance = recording.record(org, usages, mode="test", by=SYSTEM, api_key_id=None, spender=Spender(key=key))
    db.session.expire_all()
    assert balance == wallet_of(org).balance
    return [words(one) for one in results]


def words(result: Recorded | CofferError) -> Any:
    if isinstance(result, CofferError):
        return result.code
    return ("again", result.event.cost) if result.duplicate else result.event.cost


def charged(org: Organization) -> int:
    return -int(db.session.scalar(select(func.coalesce(func.sum(Transaction.amount), 0)).filter_by(
        org_id=org.id).where(Transaction.origin.in_(("usage", "void")))) or 0)  # fmt: skip


def require_sums(org: Organization) -> None:
    """Events, charges, positions and counters say the same, and every invariant holds."""
    events = db.session.scalars(select(UsageEvent).filter_by(org_id=org.id)).all()
    still = [one for one in events if one.voided_at is None]
    cost = sum((one.cost or 0) - (one.credited or 0) for one in events)
    priced = [one for one in still if one.state == "charged"]
    positions = db.session.scalars(select(UsagePosition).filter_by(org_id=org.id)).all()
    counted = db.session.scalars(select(UsageCounter).filter_by(org_id=org.id, dimension="all")).all()
    assert cost == charged(org) == sum(one.cost for one in positions) == sum(one.cost for one in counted)
    assert sum(one.units for one in priced) == sum(one.units for one in positions)
    assert sum(one.units for one in still) == sum(one.units for one in counted)
    assert len(still) == sum(one.events for one in counted)
    assert verify.broken() == []
