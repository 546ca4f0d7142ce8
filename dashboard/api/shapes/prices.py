"""Metrics, and the versions of their prices."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from dashboard.domain.usage.pricing.versions import Version
from dashboard.models import Metric as MetricRow
from dashboard.models import Price as PriceRow


class PriceTier(BaseModel):
    """Units up to and including `up_to` (null: all further ones)."""

    up_to: int | None
    amount_micros: int
    per_units: int


class PriceVersion(BaseModel):
    id: UUID
    kind: str
    amount_micros: int
    per_units: int
    tiers: list[PriceTier] | None = None
    free_units: int
    period: str
    min_micros: int | None = None
    max_micros: int | None = None
    effective_from: datetime


class MetricOffer(BaseModel):
    """A metric, and the price that is in force; without one, its usage is refused."""

    metric_key: str
    name: str
    unit: str
    archived: bool
    price: PriceVersion | None = None


class Metrics(BaseModel):
    data: list[MetricOffer]


class ListedPrice(PriceVersion):
    state: Literal["past", "in_force", "scheduled"]
    agreed: bool


class MetricPrices(BaseModel):
    """A metric and the versions of its price, newest first; without one in force, its usage is refused."""

    metric_key: str
    name: str
    unit: str
    versions: list[ListedPrice]


class PriceList(BaseModel):
    data: list[MetricPrices]


def metric(row: MetricRow, price: PriceRow | None) -> MetricOffer:
    optional = {"price": price_version(price)} if price else {}
    archived = row.archived_at is not None
    return MetricOffer(metric_key=row.key, name=row.name, unit=row.unit, archived=archived, **optional)


def metric_prices(row: MetricRow, versions: Sequence[Version]) -> MetricPrices:
    listed = [
        ListedPrice(**_version(one.price), state=one.state, agreed=one.price.org_id != row.org_id) for one in versions
    ]
    return MetricPrices(metric_key=row.key, name=row.name, unit=row.unit, versions=listed)


def price_version(row: PriceRow) -> PriceVersion:
    return PriceVersion(**_version(row))


def _version(row: PriceRow) -> dict[str, Any]:
    optional = {
        "tiers": [PriceTier(**tier) for tier in row.tiers] if row.tiers else None,
        "min_micros": row.min_micros, "max_micros": row.max_micros,
    }  # fmt: skip
    return {
        "id": row.id, "kind": row.kind, "amount_micros": row.amount_micros, "per_units": row.per_units,
        "free_units": row.free_units, "period": row.period, "effective_from": row.effective_from,
        **{name: value for name, value in optional.items() if value is not None},
    }  # fmt: skip
