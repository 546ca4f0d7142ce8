"""At a million rows, every list, sum and chart finds its rows by an index: the plan of each statement is looked at."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import event

from dashboard.core.db import db
from dashboard.domain.access.permissions import of_key
from dashboard.domain.organizations import organizations
from dashboard.domain.usage import recording
from dashboard.domain.usage.recording import Usage
from dashboard.models import ApiKey
from tests.factories import make_key, make_metric
from tests.servers import Servers
from tests.web.people import Team, ready_team

ROWS = 1_000_000
MOST = 25_000
"""How many rows one scan reads at most: a search its window, a chart the counters of its days."""

LARGE = {"transactions", "usage_events", "usage_counters", "wallet_days"}

# Copies of the two rows that the product made itself, over the last 60 days, their sums, and those of others.
FILL = """
SET session_replication_role = replica;
INSERT INTO transactions SELECT r.* FROM transactions AS t, generate_series(1, %(rows)s) AS n,
  LATERAL jsonb_populate_record(t, jsonb_build_object('id', CAST('01a00000-0000-7000-8000-' || lpad(to_hex(n), 12, '0')
    AS uuid), 'seq', 10 + n, 'key', 'k' || n, 'app', 'app-' || n %% 7, 'created_at', now() - (%(rows)s - n) *
    interval '5 seconds', 'amount', -1, 'balance_before', 10 - n, 'balance_after', 9 - n)) AS r
WHERE t.origin = 'usage';
INSERT INTO usage_events SELECT r.* FROM usage_events AS e, generate_series(1, %(rows)s) AS n,
  LATERAL jsonb_populate_record(e, jsonb_build_object('id', CAST('01a00000-0000-7000-8000-' || lpad(to_hex(n), 12, '0')
    AS uuid), 'key', 'k' || n, 'app', 'app-' || n %% 7, 'metric_key', CASE WHEN n %% 50000 = 0 THEN 'rare' ELSE 'tokens'
    END, 'occurred_at', now() - (%(rows)s - n) * interval '5 seconds', 'transaction_id',
    CAST('01a00000-0000-7000-8000-' || lpad(to_hex(n), 12, '0') AS uuid))) AS r;
DELETE FROM wallet_days;
INSERT INTO wallet_days SELECT org_id, wallet_id, CAST(created_at AT TIME ZONE 'UTC' AS date), type, app, sum(amount),
  count(*) FROM transactions GROUP BY 1, 2, 3, 4, 5;
DELETE FROM usage_counters;
INSERT INTO usage_counters (org_id, wallet_id, dimension, day, metric_key, value, units, cost, events)
SELECT org_id, wallet_id, d.dimension, CAST(occurred_at AT TIME ZONE 'UTC' AS date), metric_key, d.value, sum(units),
  sum(cost), count(*)
FROM usage_events CROSS JOIN LATERAL (VALUES ('all', ''), ('hour', to_char(occurred_at AT TIME ZONE 'UTC', 'HH24')),
  ('app', app), ('member', CAST(member_id AS text)), ('key', CAST(api_key_id AS text))) AS d(dimension, value)
WHERE d.value IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6;
INSERT INTO wallet_days SELECT o, o, CAST(now() AS date) - d, 'charge', 'app', -1, 1
FROM (SELECT gen_random_uuid() AS o FROM generate_series(1, 300)) AS other, generate_series(1, 400) AS d;
INSERT INTO usage_counters (org_id, wallet_id, dimension, day, metric_key, value, units, cost, events)
SELECT org_id, wallet_id, 'all', day, 'tokens', '', 1, 1, 1 FROM wallet_days WHERE app = 'app';
UPDATE wallets SET seq = (SELECT max(seq) FROM transactions AS t WHERE t.wallet_id = wallets.id)
WHERE id IN (SELECT wallet_id FROM usage_events);
"""


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    """An organization with a million usage events and their charges, all of them a member's, by one key."""
    team = ready_team(app, servers, funds=10_000_000)
    with app.app_context():
        for key in ("rare", "tokens"):
            make_metric(key, amount_micros=1)
        org = organizations.by_id(team.org_id)
        assert org
        make_key(org, "usage:write")
        key = db.session.query(ApiKey).filter_by(org_id=org.id).one()
        by = of_key(key).actor
        usage = Usage("tokens", 1, "first", b"", app="app-0", properties={"team": "red"})
        recording.record(org, [usage], mode="test", by=by, api_key_id=key.id)
    with psycopg.connect(servers.database_url.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute(psycopg.sql.SQL(FILL % {"rows": ROWS}))  # type: ignore[arg-type]
        owner.execute("VACUUM ANALYZE transactions, usage_events, usage_counters, wallet_days, wallets")
    return team


@pytest.fixture
def reads(app: Flask, team: Team) -> Iterator[list[tuple[str, int, str]]]:
    """How each large table is read from now on: by which kind of scan, how many rows, in which statement."""
    found: list[tuple[str, int, str]] = []
    with app.app_context():
        engine = db.engine

    def look(connection: Any, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.lstrip()[:6].upper() in ("SELECT", "WITH "):
            with connection.connection.dbapi_connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}", parameters)
                plan = cursor.fetchone()[0]
            for node in nodes(plan[0]["Plan"]):
                if node.get("Relation Name") in LARGE:
                    rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
                    found.append((node["Node Type"], int(rows * node["Actual Loops"]), statement))

    event.listen(engine, "before_cursor_execute", look)
    yield found
    event.remove(engine, "before_cursor_execute", look)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


@pytest.mark.slow
def test_no_page_or_call_reads_a_large_table_from_end_to_end(
    app: Flask, team: Team, reads: list[tuple[str, int, str]]
) -> None:
    user = re.search(r'<option value="([0-9a-f-]{36})">Member', team.owner.get(f"/o/{team.slug}/usage").text)
    key = re.search(r'<option value="([0-9a-f-]{36})">Test', team.owner.get(f"/o/{team.slug}/usage").text)
    assert user
    assert key
    ends = "from=2026-11-01&to=2026-11-03"
    pages = [
        (person, f"/o/{team.slug}/{path}")
        for person in (team.owner, team.member)
        for path in (
            "", "?group=app&range=90", "?group=member", "?group=key&range=last-month", "usage",
            "usage?group=app&range=90", "usage?group=tag:team", "usage?range=1", "usage?metric=rare",
            "usage?app=app-3&range=90", "usage?app=none", f"usage?member={user[1]}&group=app",
            f"usage?key={key[1]}&metric=rare", f"usage?{ends}&group=key", "transactions",
            "transactions?range=all&type=refund", "transactions?q=nothing", "transactions?app=app-3&range=all",
            f"transactions?by={key[1]}", "holds", "grants",
        )
    ]  # fmt: skip
    for person, path in pages:
        reads.clear()
        answer = person.get(path)
        assert answer.status_code in (200, 404), path
        older = re.search(r'href="([^"]*cursor=[^"]+)">Older', answer.text)
        if older:
            assert person.get(unescape(older[1])).status_code == 200, path
        require_few(reads, path)
    reader = app.test_client()
    with app.app_context():
        org = organizations.by_id(team.org_id)
        assert org
        bearer = {"Authorization": f"Bearer {make_key(org, 'usage:read', 'wallet:read')}"}
    for path in (
        "usage", "usage?group_by=app", "usage?interval=hour&from=2026-11-20&to=2026-11-21",
        "usage?interval=month&group_by=key", "usage/events", "usage/events?metric_key=rare", "usage/events?app=none",
        "transactions", "transactions?type=refund", "transactions?idempotency_key=k7",
    ):  # fmt: skip
        reads.clear()
        assert reader.get(f"/api/v1/orgs/{team.org_id}/{path}", headers=bearer).status_code == 200, path
        require_few(reads, path)


def require_few(reads: list[tuple[str, int, str]], path: str) -> None:
    wrong = [one for one in reads if one[0] == "Seq Scan" or one[1] > MOST]
    if wrong:
        raise AssertionError(path, wrong)
