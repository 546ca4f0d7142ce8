"""Metered usage: metrics with prices, events as programs send them, and a history of events for pages."""

from uuid import uuid4

from bench import books
from bench.servers import Database
from dashboard.core.db import transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.usage import metrics, recording
from dashboard.models import OTHER_APPS, PLATFORM_ORG_ID, Organization

PRICE = 25
HASH = b"x" * 32

# The charges of a history were usage: each has an event, of metrics that take turns.
_EVENTS = """
INSERT INTO usage_events (org_id, id, created_at, wallet_id, mode, metric_key, units, occurred_at, key, body_hash, app,
  properties, price_id, period_start, units_after, cost, transaction_id)
SELECT t.org_id, t.id, t.created_at, t.wallet_id, t.mode, m.key, 1 + t.seq %% 100, t.created_at, t.key, %(hash)s, t.app,
  '{}', p.id, '1970-01-01', 1 + t.seq %% 100, -t.amount, t.id
FROM transactions AS t
JOIN (SELECT key, row_number() OVER (ORDER BY key) - 1 AS n FROM metrics) AS m ON m.n = t.seq %% %(metrics)s
JOIN prices AS p ON p.metric_key = m.key
WHERE t.org_id = %(org)s AND t.type = 'charge';
INSERT INTO usage_positions (org_id, wallet_id, metric_key, period_start, price_id, start, units, cost)
SELECT org_id, wallet_id, metric_key, period_start, price_id, 0, sum(units), sum(cost)
FROM usage_events WHERE org_id = %(org)s GROUP BY 1, 2, 3, 4, 5;
INSERT INTO usage_counters (org_id, wallet_id, day, metric_key, dimension, value, units, cost, events)
SELECT e.org_id, e.wallet_id, e.day, e.metric_key, d.dimension, d.value, sum(units), sum(cost), count(*)
FROM (SELECT *, CAST(occurred_at AT TIME ZONE 'UTC' AS date) AS day FROM usage_events WHERE org_id = %(org)s) AS e
LEFT JOIN (SELECT DISTINCT org_id, wallet_id, day, app FROM wallet_days) AS named
  ON named.org_id = e.org_id AND named.wallet_id = e.wallet_id AND named.day = e.day AND named.app = e.app,
  LATERAL (VALUES ('all', ''), ('app', coalesce(named.app, %(other)s)),
    ('hour', to_char(e.occurred_at AT TIME ZONE 'UTC', 'HH24'))) AS d(dimension, value)
GROUP BY 1, 2, 3, 4, 5, 6;
"""


def add_metrics(count: int) -> list[str]:
    """The platform's metrics `bench-01` and so on, each with a price. Needs the application."""
    names = [f"bench-{number:02}" for number in range(1, count + 1)]
    with transaction(PLATFORM_ORG_ID):
        for name in names:
            metric = metrics.create(PLATFORM_ORG_ID, key=name, name=name, unit="unit", by=SYSTEM)
            metrics.set_price(PLATFORM_ORG_ID, metric, amount_micros=PRICE, by=SYSTEM)
    return names


def record(org: Organization, events: int) -> None:
    """Record and charge so many events of the first metric. Raises what is refused."""
    usages = [recording.Usage("bench-01", 1, str(uuid4()), HASH, app="api") for _ in range(events)]
    results, _ = recording.record(org, usages, mode="test", by=SYSTEM, api_key_id=None)
    refused = [result for result in results if not isinstance(result, recording.Recorded)]
    if refused:
        raise refused[0]


def add_history(database: Database, number: int, metrics: int) -> None:
    """A usage event of one of so many metrics for each charge of the organization's history, and its counters."""
    with database.owner() as owner:
        owner.execute("SET work_mem = '256MB'")
        values = {"org": books.org_id(number), "metrics": metrics, "hash": HASH, "other": OTHER_APPS}
        books.run(owner, _EVENTS, values)
        owner.execute("VACUUM ANALYZE")
