"""The versions of a metric's price, and what it cost in the last 30 days, for price lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import func, select

from dashboard.core import clock
from dashboard.core.db import db
from dashboard.domain.usage import metrics
from dashboard.models import PLATFORM_ORG_ID, Metric, Organization, Price, UsageCounter, Wallet

DAYS = 30

State = Literal["past", "in_force", "scheduled"]


@dataclass(frozen=True, slots=True)
class Used:
    """Units, cost in micros and number of events in the last 30 UTC days, today included."""

    units: int = 0
    cost: int = 0
    events: int = 0


@dataclass(frozen=True, slots=True)
class MetricView:
    """A metric with the price that counts now, the one that follows, and its recent use. `own`: the organization has a
    price of its own, in place of the platform's."""

    metric: Metric
    price: Price | None
    following: Price | None
    used: Used
    own: bool = False


@dataclass(frozen=True, slots=True)
class Version:
    price: Price
    state: State


def overview(org: Organization, mode: str, *, archived: bool = False) -> list[MetricView]:
    """The metrics of an organization, or of the platform: first those without a price, last those archived."""
    rows = [row for row in metrics.listed(metrics.owner_of(org)) if archived or row.archived_at is None]
    prices = metrics.prices_of(org, [row.key for row in rows])
    used = _used(org, mode)
    views = [_view(org, row, prices[row.key], used.get(row.key, Used())) for row in rows]
    return sorted(views, key=lambda one: (one.metric.archived_at is not None, one.price is not None, one.metric.key))


def view(org: Organization, metric: Metric, mode: str) -> MetricView:
    return _view(
        org, metric, metrics.prices_of(org, [metric.key])[metric.key], _used(org, mode).get(metric.key, Used())
    )


def of_metric(org: Organization, key: str) -> list[Version]:
    """The versions that count for the organization, newest first."""
    prices = metrics.prices_of(org, [key])[key]
    now = metrics.price_at(prices, clock.now())
    return [Version(row, _state(row, now)) for row in prices]


def own_prices(key: str) -> list[tuple[Organization, Price]]:
    """The platform-funded organizations that pay a price of their own for a metric of the platform, by name; each with
    its newest version."""
    query = select(Organization, Price).join(Price, Price.org_id == Organization.id)
    query = query.where(Price.metric_key == key, Organization.funding == "platform", Organization.id != PLATFORM_ORG_ID)
    rows = db.session.execute(query.order_by(Organization.name, Price.effective_from)).all()
    return list({org.id: (org, price) for org, price in rows}.values())


def counted_for(org: Organization, mode: str, query: Any) -> Any:
    """A query of `UsageCounter` in the dollar wallets of one mode: the organization's, or if it is the platform, those
    of all that use its metrics."""
    query = query.join(Wallet, (Wallet.org_id == UsageCounter.org_id) & (Wallet.id == UsageCounter.wallet_id))
    query = query.where(Wallet.mode == mode, UsageCounter.dimension == "all")
    if org.id != PLATFORM_ORG_ID:
        return query.where(UsageCounter.org_id == org.id)
    return query.join(Organization, Organization.id == UsageCounter.org_id).where(Organization.funding == "platform")


def _used(org: Organization, mode: str) -> dict[str, Used]:
    sums = [func.sum(column) for column in (UsageCounter.units, UsageCounter.cost, UsageCounter.events)]
    query = counted_for(org, mode, select(UsageCounter.metric_key, *sums))
    since = clock.today() - timedelta(days=DAYS - 1)
    rows = db.session.execute(query.where(UsageCounter.day >= since).group_by(UsageCounter.metric_key))
    return {key: Used(int(units), int(cost), int(events)) for key, units, cost, events in rows}


def _view(org: Organization, metric: Metric, prices: Sequence[Price], used: Used) -> MetricView:
    now = clock.now()
    price = metrics.price_at(prices, now)
    following = next((row for row in reversed(prices) if row.effective_from > now), None)
    return MetricView(metric, price, following, used, own=bool(price and price.org_id != metric.org_id))


def _state(row: Price, in_force: Price | None) -> State:
    if row is in_force:
        return "in_force"
    return "scheduled" if in_force is None or row.effective_from > in_force.effective_from else "past"
