"""The demo's metrics, and the prices that they had and will have."""

from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from dashboard.core import clock
from dashboard.core.db import transaction
from dashboard.domain.audit import Actor
from dashboard.domain.usage import metrics
from dashboard.models import PLATFORM_ORG_ID, Organization

METRICS = (
    ("email", "Emails", "email"),
    ("gpu_seconds", "GPU time", "GPU second"),
    ("media_mb", "Media processing", "MB"),
    ("push", "Push notifications", "push notification"),
    ("tokens", "Tokens", "token"),
)
TIERS = [{"up_to": 10_000, "amount_micros": 800, "per_units": 1}, {"up_to": None, "amount_micros": 600, "per_units": 1}]
FIRST: dict[str, dict[str, Any]] = {
    "email": {"amount_micros": 5_000},
    "media_mb": {"kind": "graduated", "tiers": TIERS, "period": "month"},
    "push": {"amount_micros": 600},
    "tokens": {"amount_micros": 180_000, "per_units": 1_000_000},
}
"""The first price of each metric but one, which has none yet."""

CHEAPER = {"amount_micros": 150_000, "per_units": 1_000_000, "free_units": 1_000_000, "period": "month"}
NEXT_MONTH = {"amount_micros": 700}
AGREED = {"amount_micros": 650}


def make(by: Actor) -> None:
    """Create the metrics that are missing, and their first prices."""
    for key, name, unit in METRICS:
        with transaction(org=PLATFORM_ORG_ID):
            metric = metrics.find(PLATFORM_ORG_ID, key)
            if metric is None:
                metric = metrics.create(PLATFORM_ORG_ID, key=key, name=name, unit=unit, by=by)
                if key in FIRST:
                    metrics.set_price(PLATFORM_ORG_ID, metric, by=by, **FIRST[key])


def move_on(by: Actor, smaller: Organization) -> None:
    """Tokens become cheaper, and one organization gets a price of its own."""
    _once(PLATFORM_ORG_ID, "tokens", CHEAPER, clock.now(), by)
    _once(smaller.id, "media_mb", AGREED, clock.now(), by)


def schedule(by: Actor) -> None:
    """A price that begins with the next month."""
    first = (clock.today().replace(day=1) + timedelta(days=32)).replace(day=1)
    _once(PLATFORM_ORG_ID, "media_mb", NEXT_MONTH, datetime.combine(first, time(), UTC), by)


def _once(owner_id: UUID, key: str, price: dict[str, Any], since: datetime, by: Actor) -> None:
    with suppress(metrics.PriceExists), transaction(org=owner_id):
        metrics.set_price(owner_id, metrics.require(PLATFORM_ORG_ID, key), by=by, effective_from=since, **price)
