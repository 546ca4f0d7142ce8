"""Rejected webhook deliveries: counted by reason and not stored, so that strangers cannot fill the inbox."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select, text

from dashboard.core import clock
from dashboard.core.db import autocommit, db
from dashboard.models import RateBucket

PREFIX = "webhook-refused:"
WRONG_MODE = "wrong_mode"

STRANGERS = "Anybody can send these. Do nothing, unless Stripe shows failed deliveries to this endpoint."
REASONS: dict[str, tuple[str, str]] = {
    "bad_signature": (
        "Signed with another secret",
        "Set the signing secret of this endpoint from Stripe, then resend the events there. Strangers cause these too.",
    ),
    "signature_time": (
        "Signed too long ago, or in the future",
        "Check this server's clock: it may differ from Stripe's by 5 minutes at most. Replays by strangers count here.",
    ),
    WRONG_MODE: (
        "Of the other mode",
        "Answered and kept as ignored. In Stripe, delete this endpoint in the other mode, or give it its own Coffer.",
    ),
    "foreign_account": (
        "Of a connected account",
        "In Stripe, let the endpoint listen to events on your own account only.",
    ),
    "malformed_event": (
        "Signed, but no event that can be read",
        'In Stripe, choose the payload style "snapshot" for this endpoint, not "thin".',
    ),
    "no_signature": ("Not signed", STRANGERS),
    "unknown_address": ("To an address of no organization", STRANGERS),
}
"""What each reason means, and what to do."""

_COUNT = text("""INSERT INTO rate_buckets AS b (key, window_start, count) VALUES (:key, :start, 1)
ON CONFLICT (key, window_start) DO UPDATE SET count = b.count + 1""")


@dataclass(frozen=True, slots=True)
class Refused:
    """How many deliveries were rejected for one reason, what it means and what to do."""

    reason: str
    count: int
    meaning: str
    advice: str


def count(reason: str) -> None:
    """Count one delivery. One statement, in autocommit. `reason` is one of our codes, never text from the sender."""
    start = clock.now().replace(minute=0, second=0, microsecond=0)
    autocommit().execute(_COUNT, {"key": PREFIX + reason, "start": start})


def last_day() -> list[Refused]:
    """Those of the last 24 hours, to the hour, most frequent first. Older counts are soon deleted."""
    query = (
        select(RateBucket.key, func.sum(RateBucket.count))
        .where(RateBucket.key.startswith(PREFIX, autoescape=True))
        .where(RateBucket.window_start > clock.now() - timedelta(hours=24))
        .group_by(RateBucket.key)
        .order_by(func.sum(RateBucket.count).desc(), RateBucket.key)
    )
    counts = [(key.removeprefix(PREFIX), int(many)) for key, many in db.session.execute(query)]
    return [Refused(reason, many, *REASONS.get(reason, (reason, STRANGERS))) for reason, many in counts]
