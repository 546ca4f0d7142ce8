"""Webhook deliveries that were refused: counted by reason and not kept, so that nobody fills the inbox from outside."""

from datetime import timedelta

from sqlalchemy import func, select, text

from dashboard.core import clock
from dashboard.core.db import autocommit, db
from dashboard.models import RateBucket

PREFIX = "webhook-refused:"

_COUNT = text("""INSERT INTO rate_buckets AS b (key, window_start, count) VALUES (:key, :start, 1)
ON CONFLICT (key, window_start) DO UPDATE SET count = b.count + 1""")


def count(reason: str) -> None:
    """Count one refused delivery. One statement, in autocommit. `reason` is a code of ours, never what was sent."""
    start = clock.now().replace(minute=0, second=0, microsecond=0)
    autocommit().execute(_COUNT, {"key": PREFIX + reason, "start": start})


def last_day() -> int:
    """Refused deliveries of the last 24 hours, to the hour; older counts are not kept for long."""
    query = select(func.sum(RateBucket.count)).where(
        RateBucket.key.startswith(PREFIX, autoescape=True), RateBucket.window_start > clock.now() - timedelta(hours=24)
    )
    return int(db.session.scalar(query) or 0)
