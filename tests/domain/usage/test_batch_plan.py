"""A batch of usage costs by its events, not by what an organization has, whatever PostgreSQL's statistics say."""

import psycopg
import pytest
from sqlalchemy import text

from dashboard.core.db import db, guard
from dashboard.domain.audit import SYSTEM
from dashboard.domain.usage import recording
from dashboard.domain.usage.recording import Usage
from tests.factories import make_metric, make_org
from tests.servers import Servers

BATCHES, EVENTS = 3, 500
READ = text("""SELECT sum(pg_stat_get_xact_tuples_returned(t.oid)) + sum(i.returned) FROM (
  SELECT unnest(ARRAY['transactions', 'usage_events', 'wallets']::regclass[]) AS oid
) AS t, LATERAL (
  SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid)) AS returned FROM pg_index WHERE indrelid = t.oid
) AS i""")
"""How many rows and index entries the last transactions have read, also to check foreign keys."""


@pytest.mark.soak
@pytest.mark.usefixtures("app_context")
def test_a_batch_reads_no_more_than_its_events(servers: Servers) -> None:
    """The tables were analyzed when each organization had a row or two."""
    make_metric(amount_micros=1)
    orgs = [make_org(funds=10**9) for _ in range(40)]
    with psycopg.connect(servers.database_url.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE transactions, usage_events, wallets")
    before, read = db.session.scalar(READ) or 0, list[int]()
    guard(lambda: read.append(db.session.scalar(READ) or 0))
    try:
        for number in range(BATCHES):
            for org in orgs[:3]:
                usages = [Usage("tokens", 1, f"{number}-{n}", b"") for n in range(EVENTS)]
                recording.record(org, usages, mode="test", by=SYSTEM, api_key_id=None)
    finally:
        guard(None)
    assert max(read) - before <= 3 * BATCHES * 4 * EVENTS
