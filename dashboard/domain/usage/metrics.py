"""Metrics and the versions of their prices. Operators write the platform's, a self-funded organization its own."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from dashboard.core import clock
from dashboard.core.db import db
from dashboard.core.errors import Conflict, Invalid, NotFound
from dashboard.core.money import LARGEST
from dashboard.domain import audit
from dashboard.domain.audit import Actor
from dashboard.models import PERIODS, PLATFORM_ORG_ID, PRICE_KINDS, WHEN_UNPRICED, Metric, Organization, Price

LONGEST_NAME = 80
MOST_TIERS = 20
LARGEST_UNITS = 10**15
_KEY = re.compile(r"[a-z][a-z0-9_.-]{0,62}", re.ASCII)


class MetricExists(Conflict):
    code = "metric_exists"


class PriceExists(Conflict):
    code = "price_exists"


def owner_of(org: Organization) -> UUID:
    """Whose metrics the organization uses: the platform's, or its own if it is self-funded."""
    return org.id if org.funding == "own" else PLATFORM_ORG_ID


def create(
    owner_id: UUID, *, key: str, name: str, unit: str, when_unpriced: str = "refuse", by: Actor
) -> Metric:  # fmt: skip
    """A metric without a price: until it has one, usage of it is refused, or parked (`when_unpriced`). Needs the
    owner's transaction. Raises Invalid, MetricExists."""
    if not _KEY.fullmatch(key):
        raise Invalid("Use 1 to 63 lowercase letters, digits and . _ -, and begin with a letter.", field="metric_key")
    for field, text in (("name", name), ("unit", unit)):
        if not text.strip() or len(text) > LONGEST_NAME:
            raise Invalid(f"Enter 1 to {LONGEST_NAME} characters.", field=field)
    if when_unpriced not in WHEN_UNPRICED:
        raise Invalid(f"Choose one of {', '.join(WHEN_UNPRICED)}.", field="when_unpriced")
    row = Metric(org_id=owner_id, key=key, name=name.strip(), unit=unit.strip(), when_unpriced=when_unpriced)
    db.session.add(row)
    try:
        db.session.flush()
    except IntegrityError:  # only the key must be unique
        raise MetricExists(f"There is a metric {key} already.") from None
    audit.record(row, "metric.created", by=by, after={"key": key, "name": row.name, "unit": row.unit})
    return row


def find(owner_id: UUID, key: str) -> Metric | None:
    return db.session.scalar(select(Metric).filter_by(org_id=owner_id, key=key))


def listed(owner_id: UUID) -> list[Metric]:
    """All metrics of an owner, by key."""
    return list(db.session.scalars(select(Metric).filter_by(org_id=owner_id).order_by(Metric.key)))


def set_price(
    owner_id: UUID, metric: Metric, *, kind: str = "flat", amount_micros: int = 0, per_units: int = 1,
    tiers: list[dict[str, Any]] | None = None, free_units: int = 0, period: str = "none",
    effective_from: datetime | None = None, by: Actor,
) -> Price:  # fmt: skip
    """A new version of the metric's price, from `effective_from` (now, or later) on.

    `owner_id` is the metric's owner, or an organization that pays this price instead. Needs its transaction. Raises
    Invalid, PriceExists.
    """
    now = clock.now()
    since = effective_from or now
    if since < now:
        raise Invalid("A price cannot begin in the past: what was used is charged.", field="effective_from")
    _check(kind, amount_micros, per_units, tiers, free_units, period)
    row = Price(
        org_id=owner_id, metric_key=metric.key, kind=kind, amount_micros=amount_micros, per_units=per_units,
        tiers=tiers if kind == "graduated" else None, free_units=free_units, period=period, effective_from=since,
    )  # fmt: skip
    db.session.add(row)
    try:
        db.session.flush()
    except IntegrityError:  # only the moment must be unique
        raise PriceExists("Another price begins at this moment.") from None
    audit.record(row, "price.set", by=by, after=described(row))
    return row


def described(row: Price) -> dict[str, Any]:
    """The price as the audit log and the API show it."""
    return {
        "metric_key": row.metric_key, "kind": row.kind, "amount_micros": row.amount_micros, "per_units": row.per_units,
        "tiers": row.tiers, "free_units": row.free_units, "period": row.period,
        "effective_from": row.effective_from.isoformat(),
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known(Mapping[str, list[Price]]):
    """Those metrics that exist: their price versions, newest first, what one unit is called, and whose usage is parked
    while there is no price."""

    prices: dict[str, list[Price]]
    units: dict[str, str]
    parking: frozenset[str]

    def __getitem__(self, key: str) -> list[Price]:
        return self.prices[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.prices)

    def __len__(self) -> int:
        return len(self.prices)


def known(org: Organization, keys: Collection[str], *, archived: bool = False) -> Known:
    """Those of the metrics that the organization can use; also what it used earlier, if `archived`."""
    query = select(Metric.key, Metric.unit, Metric.when_unpriced).where(
        Metric.org_id == owner_of(org), Metric.key.in_(keys)
    )
    rows = db.session.execute(query if archived else query.where(Metric.archived_at.is_(None))).all()
    units = {row.key: row.unit for row in rows}
    parking = frozenset(row.key for row in rows if row.when_unpriced == "park")
    return Known(prices_of(org, units.keys()), units, parking)


def offered(org: Organization) -> list[tuple[Metric, Price | None]]:
    """The metrics that the organization can use, each with the price that it pays now; None if it has none."""
    rows = [row for row in listed(owner_of(org)) if row.archived_at is None]
    prices = prices_of(org, [row.key for row in rows])
    return [(row, price_at(prices[row.key], clock.now())) for row in rows]


def prices_of(org: Organization, keys: Collection[str]) -> dict[str, list[Price]]:
    """The price versions that count for the organization, by metric, newest first. Its own take the place of the
    owner's from the moment the first of them begins."""
    owner_id = owner_of(org)
    query = select(Price).where(Price.org_id.in_({owner_id, org.id}), Price.metric_key.in_(keys))
    found: dict[str, list[Price]] = {key: [] for key in keys}
    for row in db.session.scalars(query.order_by(Price.effective_from.desc())):
        found[row.metric_key].append(row)
    return {key: _in_force(rows, org.id) for key, rows in found.items()}


def price_at(prices: Iterable[Price], moment: datetime) -> Price | None:
    """The version in force at a moment, of versions sorted newest first."""
    return next((row for row in prices if row.effective_from <= moment), None)


def require(owner_id: UUID, key: str) -> Metric:
    """Raises NotFound."""
    row = find(owner_id, key)
    if row is None:
        raise NotFound(f"There is no metric {key[:63]}.")
    return row


def _in_force(rows: list[Price], org_id: UUID) -> list[Price]:
    own = [row for row in rows if row.org_id == org_id]
    if not own or len(own) == len(rows):
        return rows
    return own + [row for row in rows if row.org_id != org_id and row.effective_from < own[-1].effective_from]


def _check(
    kind: str, amount_micros: int, per_units: int, tiers: list[dict[str, Any]] | None, free_units: int, period: str
) -> None:
    if kind not in PRICE_KINDS:
        raise Invalid(f"Choose one of {', '.join(PRICE_KINDS)}.", field="kind")
    if period not in PERIODS:
        raise Invalid(f"Choose one of {', '.join(PERIODS)}.", field="period")
    for field, value, least, most in (
        ("amount_micros", amount_micros, 0, LARGEST),
        ("per_units", per_units, 1, LARGEST_UNITS),
        ("free_units", free_units, 0, LARGEST_UNITS),
    ):
        if not least <= value <= most:
            raise Invalid(f"This must be from {least} to {most}.", field=field)
    if kind == "graduated":
        _check_tiers(tiers or [])
    elif tiers:
        raise Invalid("Only a graduated price has tiers.", field="tiers")


def _check_tiers(tiers: list[dict[str, Any]]) -> None:
    if not 1 <= len(tiers) <= MOST_TIERS:
        raise Invalid(f"Give 1 to {MOST_TIERS} tiers.", field="tiers")
    below = 0
    for number, tier in enumerate(tiers, 1):
        up_to, last = tier["up_to"], number == len(tiers)
        if (up_to is None) != last or (up_to is not None and not below < up_to <= LARGEST_UNITS):
            raise Invalid("Each tier ends above the one before; only the last has no end.", field="tiers")
        if not 0 <= tier["amount_micros"] <= LARGEST or not 1 <= tier["per_units"] <= LARGEST_UNITS:
            raise Invalid("A tier's price is zero or more, per at least one unit.", field="tiers")
        below = up_to or below
