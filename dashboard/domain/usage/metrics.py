"""Metrics and the versions of their prices. Operators write the platform's, a self-funded organization its own."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from dashboard.core import clock
from dashboard.core.db import db
from dashboard.core.errors import Conflict, Invalid, NotFound, check_each
from dashboard.domain import audit
from dashboard.domain.audit import Actor
from dashboard.domain.usage.pricing.terms import PriceTerms
from dashboard.models import PLATFORM_ORG_ID, WHEN_UNPRICED, Metric, Organization, Price

LONGEST_NAME = 80
_KEY = re.compile(r"(?!new$)[a-z][a-z0-9_.-]{0,62}", re.ASCII)


class MetricExists(Conflict):
    code = "metric_exists"


class PriceExists(Conflict):
    code = "price_exists"


def owner_of(org: Organization) -> UUID:
    """Whose metrics the organization uses: the platform's, or its own if it is self-funded."""
    return org.id if org.funding == "own" else PLATFORM_ORG_ID


def create(
    owner_id: UUID, *, key: str, name: str, unit: str, when_unpriced: str = "refuse", by: Actor,
    reason: str | None = None,
) -> Metric:  # fmt: skip
    """A metric without a price: until it has one, usage of it is refused, or parked (`when_unpriced`). Needs the
    owner's transaction. Raises Invalid, MetricExists."""
    check_each(lambda: _check_key(key), lambda: _check_text("name", name), lambda: _check_text("unit", unit))
    if when_unpriced not in WHEN_UNPRICED:
        raise Invalid(f"Choose one of {', '.join(WHEN_UNPRICED)}.", field="when_unpriced")
    row = Metric(org_id=owner_id, key=key, name=name.strip(), unit=unit.strip(), when_unpriced=when_unpriced)
    db.session.add(row)
    try:
        db.session.flush()
    except IntegrityError:  # only the key must be unique
        raise MetricExists(f"There is a metric {key} already.") from None
    audit.record(row, "metric.created", by=by, reason=reason, after={"key": key, "name": row.name, "unit": row.unit})
    return row


def change(row: Metric, *, name: str, unit: str, by: Actor) -> Metric:
    """Another name of the metric or of its unit. Needs the owner's transaction. Raises Invalid."""
    check_each(lambda: _check_text("name", name), lambda: _check_text("unit", unit))
    before = {"name": row.name, "unit": row.unit}
    row.name, row.unit = name.strip(), unit.strip()
    after = {"name": row.name, "unit": row.unit}
    if after != before:
        audit.record(row, "metric.changed", by=by, before=before, after=after)
    return row


def archive(row: Metric, *, by: Actor, reason: str | None = None) -> None:
    """From now on its usage is refused, as if the metric did not exist; what was used stays. Needs the owner's
    transaction."""
    if row.archived_at is None:
        row.archived_at = clock.now()
        audit.record(row, "metric.archived", by=by, reason=reason)


def restore(row: Metric, *, by: Actor, reason: str | None = None) -> None:
    """Take usage of an archived metric again. Needs the owner's transaction."""
    if row.archived_at is not None:
        row.archived_at = None
        audit.record(row, "metric.restored", by=by, reason=reason)


def find(owner_id: UUID, key: str) -> Metric | None:
    return db.session.scalar(select(Metric).filter_by(org_id=owner_id, key=key))


def listed(owner_id: UUID) -> list[Metric]:
    """All metrics of an owner, by key."""
    return list(db.session.scalars(select(Metric).filter_by(org_id=owner_id).order_by(Metric.key)))


def set_price(
    owner_id: UUID, metric: Metric, terms: PriceTerms | None = None, *, effective_from: datetime | None = None,
    by: Actor, reason: str | None = None, **named: Any,
) -> Price:  # fmt: skip
    """A new version of the metric's price, from `effective_from` (now, or later) on.

    `owner_id` is the metric's owner, or an organization that pays this price instead. The terms may be `named`. Needs
    the owner's transaction. Raises Invalid, PriceExists.
    """
    terms = terms or PriceTerms(**named)
    now = clock.now()
    since = effective_from or now
    if since < now:
        raise Invalid("A price cannot begin in the past: what was used is charged.", field="effective_from")
    terms.check()
    row = Price(
        org_id=owner_id, metric_key=metric.key, effective_from=since, **asdict(terms) | {"tiers": terms.tiers or None}
    )
    db.session.add(row)
    try:
        db.session.flush()
    except IntegrityError:  # only the moment must be unique
        raise PriceExists("Another price begins at this moment.") from None
    audit.record(row, "price.set", by=by, after=described(row), reason=reason)
    return row


def put_price(
    owner_id: UUID, metric: Metric, terms: PriceTerms, *, since: datetime | None, by: Actor, reason: str | None = None
) -> tuple[Price, bool]:
    """The version with these terms from `since` (None: now) on, and whether it was made now: a repeated call finds the
    first one. Needs the owner's transaction. Raises Invalid, PriceExists."""
    terms.check()
    begun = Price.effective_from == since if since else Price.effective_from <= clock.now()
    query = select(Price).filter_by(org_id=owner_id, metric_key=metric.key).where(begun)
    known = db.session.scalars(query.order_by(Price.effective_from.desc()).limit(1)).first()
    if known is not None and PriceTerms.of(known) == terms:
        return known, False
    return set_price(owner_id, metric, terms, effective_from=since, by=by, reason=reason), True


def described(row: Price) -> dict[str, Any]:
    """The price as the audit log and the API show it."""
    terms = {name: value for name, value in asdict(PriceTerms.of(row)).items() if value is not None}
    return {"metric_key": row.metric_key, **terms, "effective_from": row.effective_from.isoformat()}


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


def _check_key(key: str) -> None:
    if not _KEY.fullmatch(key):
        words = "Use 1 to 63 lowercase letters, digits and . _ -, begin with a letter, and do not name it `new`."
        raise Invalid(words, field="metric_key")


def _check_text(field: str, text: str) -> None:
    if not text.strip() or len(text) > LONGEST_NAME:
        raise Invalid(f"Enter 1 to {LONGEST_NAME} characters.", field=field)


def _in_force(rows: list[Price], org_id: UUID) -> list[Price]:
    own = [row for row in rows if row.org_id == org_id]
    if not own or len(own) == len(rows):
        return rows
    return own + [row for row in rows if row.org_id != org_id and row.effective_from < own[-1].effective_from]
