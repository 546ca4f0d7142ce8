"""Rows to measure with, made by set-based SQL, and the check that a measurement left the books whole.

The check is written apart from the product's own, so that one mistake cannot hide in both.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import Connection

from bench.servers import Database
from dashboard.domain.funds.ledger_sql import MOST_APPS
from dashboard.models import OTHER_APPS

DAYS = 90
ORG_ID = "CAST('0197a000-0000-7000-8000-' || lpad(to_hex({n}), 12, '0') AS uuid)"
ONE_ORG = 0xF00000000000
"""The number of the organization that has many wallets of its own."""
RICH = 10**17

_ORGS = f"""
INSERT INTO organizations (id, name, slug, timezone, kind, funding, return_hosts, created_at)
SELECT {ORG_ID.format(n="n")}, 'Bench ' || n, 'bench-' || n, 'UTC', 'team', 'platform', '{{}}',
  now() - interval '1 year'
FROM unnest(%(numbers)s::bigint[]) AS n;
INSERT INTO org_directory (org_id, slug)
SELECT {ORG_ID.format(n="n")}, 'bench-' || n FROM unnest(%(numbers)s::bigint[]) AS n;
"""

_WALLETS = f"""
INSERT INTO wallets (org_id, id, created_at, mode, unit, balance, held, seq, overdraft_limit,
  settled_seq)
SELECT {{org}}, {ORG_ID.format(n="n")}, now() - interval '1 year', 'test', {{unit}}, 0, 0, 0, 0, 0
FROM unnest(%(numbers)s::bigint[]) AS n
"""

# Every thousandth row is a deposit, the others are charges that it covers; hours and apps take turns over 90 days.
_HISTORY = """
INSERT INTO transactions (org_id, id, created_at, wallet_id, mode, seq, type, amount, balance_before, balance_after,
  origin, key, description, actor_kind, app)
SELECT org_id, uuidv7(at - clock_timestamp()), at, id, 'test', seq, CASE WHEN credit THEN 'deposit' ELSE 'charge' END,
  amount, balance - amount, balance, 'bench', 'history-' || seq, 'Request ' || seq, 'system',
  CASE WHEN credit THEN '' ELSE 'app-' || 1 + seq %% %(apps)s END
FROM (
  SELECT w.org_id, w.id, n AS seq, n %% 1000 = 1 AS credit, a.amount,
    CAST(sum(a.amount) OVER (ORDER BY n) AS bigint) AS balance,
    now() - make_interval(days => %(days)s) + make_interval(days => %(days)s) * (CAST(n AS float8) / %(rows)s) AS at
  FROM wallets AS w, generate_series(1, CAST(%(rows)s AS bigint)) AS n,
    LATERAL (SELECT CASE WHEN n %% 1000 = 1 THEN 1000000000 ELSE -1000 * (1 + n * 7919 %% 1000) END AS amount) AS a
  WHERE w.id = %(wallet)s
) AS row;
"""

_LIMITS = f"""
INSERT INTO limits (org_id, id, created_at, scope, scope_id, "window", amount, mode)
SELECT id, id, now(), 'org', id, 'month', 1000000000000000, 'test' FROM (
  SELECT {ORG_ID.format(n="n")} AS id FROM unnest(%(numbers)s::bigint[]) AS n
) AS org;
UPDATE organizations SET has_limits = true WHERE id IN (SELECT org_id FROM limits);
"""

_OPENING = """
INSERT INTO transactions (org_id, id, created_at, wallet_id, mode, seq, type, amount, balance_before, balance_after,
  origin, key, description, actor_kind, app)
SELECT org_id, uuidv7(at - clock_timestamp()), at, id, 'test', 1, 'deposit', %(amount)s, 0, %(amount)s, 'bench',
  'opening-' || id, 'Opening', 'system', '' FROM wallets, LATERAL (SELECT now() - interval '1 day' AS at) AS t
WHERE seq = 0 AND mode = 'test'
"""

_FOLLOW = """
UPDATE wallets AS w SET balance = s.balance, seq = s.seq, last_posted_at = s.at
FROM (SELECT wallet_id, sum(amount) AS balance, count(*) AS seq, max(created_at) AS at FROM transactions
  GROUP BY 1) AS s WHERE w.id = s.wallet_id AND w.seq = 0;
INSERT INTO wallet_days (org_id, wallet_id, day, type, app, amount, count)
SELECT org_id, wallet_id, day, type, CASE WHEN app = '' OR place <= %(most_apps)s THEN app ELSE %(other)s END,
  sum(amount), sum(count)
FROM (SELECT *, row_number() OVER (PARTITION BY org_id, wallet_id, day, app = '' ORDER BY first) AS place FROM (
  SELECT org_id, wallet_id, CAST(created_at AT TIME ZONE 'UTC' AS date) AS day, type, app, sum(amount) AS amount,
    count(*) AS count, min(seq) AS first FROM transactions GROUP BY 1, 2, 3, 4, 5) AS apps) AS placed
GROUP BY 1, 2, 3, 4, 5 ON CONFLICT DO NOTHING;
INSERT INTO credit_grants (org_id, id, created_at, wallet_id, transaction_id, kind, category, amount, priority,
  opened_seq, remaining)
SELECT org_id, uuidv7(created_at - clock_timestamp()), created_at, wallet_id, id, 'paid', 'deposit', amount, 0, seq,
  amount
FROM transactions AS t WHERE amount > 0 AND NOT EXISTS (
  SELECT FROM credit_grants AS g WHERE g.org_id = t.org_id AND g.transaction_id = t.id);
"""

_NAMED = {"most_apps": MOST_APPS, "other": OTHER_APPS}

_CHECKS = {
    "the chain of balances": """SELECT count(*) FROM (SELECT seq, balance_before, balance_after, amount,
        row_number() OVER chain AS n, coalesce(lag(balance_after) OVER chain, 0) AS previous FROM transactions
        WINDOW chain AS (PARTITION BY org_id, wallet_id ORDER BY seq)) AS t
      WHERE seq <> n OR balance_before <> previous OR balance_after <> balance_before + amount""",
    "balances": """SELECT count(*) FROM wallets AS w LEFT JOIN (SELECT org_id, wallet_id, sum(amount) AS balance,
        count(*) AS seq FROM transactions GROUP BY 1, 2) AS s ON s.org_id = w.org_id AND s.wallet_id = w.id
      WHERE w.balance <> coalesce(s.balance, 0) OR w.seq <> coalesce(s.seq, 0)
        OR w.balance - w.held < -w.overdraft_limit""",
    "sums of days": """SELECT count(*) FROM wallet_days AS d FULL JOIN (SELECT org_id, wallet_id, day, type,
        coalesce(n.name, chr(1) || 'other') AS app, sum(amount) AS amount, sum(count) AS count
        FROM (SELECT org_id, wallet_id, CAST(created_at AT TIME ZONE 'UTC' AS date) AS day, type, app,
          sum(amount) AS amount, count(*) AS count FROM transactions GROUP BY 1, 2, 3, 4, 5) AS t
        LEFT JOIN (SELECT org_id, wallet_id, day, type, app, app AS name FROM wallet_days) AS n
          USING (org_id, wallet_id, day, type, app) GROUP BY 1, 2, 3, 4, 5) AS s
        USING (org_id, wallet_id, day, type, app)
      WHERE (d.amount, d.count) IS DISTINCT FROM (s.amount, s.count)""",
    "slices of credits": """SELECT count(*) FROM transactions AS t LEFT JOIN (SELECT org_id, transaction_id,
        sum(amount) AS amount FROM credit_grants GROUP BY 1, 2) AS g ON g.org_id = t.org_id AND g.transaction_id = t.id
      WHERE t.amount > 0 AND t.amount IS DISTINCT FROM g.amount""",
    "spend limits": """SELECT count(*) FROM limits AS l LEFT JOIN (SELECT org_id, limit_id, sum(spent) AS spent
        FROM limit_windows GROUP BY 1, 2) AS w ON w.org_id = l.org_id AND w.limit_id = l.id
      LEFT JOIN (SELECT org_id, -sum(amount) AS spent FROM transactions WHERE type = 'charge' GROUP BY 1) AS t
        ON t.org_id = l.org_id
      WHERE coalesce(w.spent, 0) <> coalesce(t.spent, 0)""",
    "usage events": """SELECT count(*) FROM usage_events AS e LEFT JOIN transactions AS t
        ON t.org_id = e.org_id AND t.id = e.transaction_id
      WHERE e.cost <> coalesce(-t.amount, 0) OR e.wallet_id <> t.wallet_id""",
    "usage without an event": """SELECT count(*) FROM transactions AS t LEFT JOIN usage_events AS e
        ON e.org_id = t.org_id AND e.transaction_id = t.id WHERE t.origin = 'usage' AND e.id IS NULL""",
    "usage counters": """SELECT count(*) FROM (SELECT * FROM usage_counters WHERE dimension = 'all') AS c
      FULL JOIN (SELECT org_id, wallet_id, CAST(occurred_at AT TIME ZONE 'UTC' AS date) AS day, metric_key,
        sum(units) AS units, sum(cost) AS cost, count(*) AS events FROM usage_events GROUP BY 1, 2, 3, 4) AS e
        USING (org_id, wallet_id, day, metric_key)
      WHERE (c.units, c.cost, c.events) IS DISTINCT FROM (e.units, e.cost, e.events)""",
    "usage positions": """SELECT count(*) FROM usage_positions AS p LEFT JOIN (SELECT org_id, wallet_id, metric_key,
        period_start, price_id, sum(units) AS units, sum(cost) AS cost FROM usage_events GROUP BY 1, 2, 3, 4, 5) AS e
        USING (org_id, wallet_id, metric_key, period_start, price_id)
      WHERE (p.units, p.cost) IS DISTINCT FROM (e.units, e.cost)""",
}


@dataclass(frozen=True)
class Checked:
    """How many rows were checked, and what did not hold."""

    rows: int
    broken: tuple[str, ...] = ()

    def also(self, counts: dict[str, int]) -> "Checked":
        """With what must be none, by name."""
        return Checked(self.rows, (*self.broken, *(f"{number} {name}" for name, number in counts.items() if number)))

    def __str__(self) -> str:
        return f"{self.rows:,} rows checked" if not self.broken else f"{self.rows:,} rows checked, BROKEN"


def org_id(number: int) -> UUID:
    """The organization of this number; where it has one wallet, that has the same id."""
    return UUID(f"0197a000-0000-7000-8000-{number:012x}")


def add_orgs(database: Database, count: int, *, first: int = 1) -> None:
    """`count` organizations with one empty wallet each."""
    numbers = {"numbers": list(range(first, first + count))}
    with database.owner() as owner:
        run(owner, _ORGS, numbers)
        owner.execute(_WALLETS.format(org=ORG_ID.format(n="n"), unit="'usd'"), numbers)


def add_limits(database: Database, numbers: Iterable[int]) -> None:
    """A monthly limit for each of these organizations, more than a run can spend, which counts from now on."""
    with database.owner() as owner:
        run(owner, _LIMITS, {"numbers": list(numbers)})


def add_wide_org(database: Database, wallets: int) -> None:
    """One organization with many empty wallets, for batches: a batch is of one organization."""
    with database.owner() as owner:
        run(owner, _ORGS, {"numbers": [ONE_ORG]})
        statement = _WALLETS.format(org=f"'{org_id(ONE_ORG)}'", unit="'unit-' || n")
        owner.execute(statement, {"numbers": list(range(ONE_ORG, ONE_ORG + wallets))})


def add_history(database: Database, number: int, rows: int, *, apps: int = 4) -> None:
    """`rows` transactions of the last 90 days, by so many apps, for the one wallet of this organization."""
    with database.owner() as owner:
        owner.execute("SET session_replication_role = replica")  # no foreign key check per row; the check comes after
        owner.execute("SET work_mem = '256MB'")
        owner.execute(_HISTORY, {"rows": rows, "days": DAYS, "wallet": org_id(number), "apps": apps})
        run(owner, _FOLLOW, _NAMED)
        owner.execute("VACUUM ANALYZE")


def fund(database: Database) -> None:
    """Give every empty wallet more than a run can spend."""
    with database.owner() as owner:
        owner.execute(_OPENING, {"amount": RICH})
        run(owner, _FOLLOW, _NAMED)
        owner.execute("VACUUM ANALYZE")


def run(owner: "Connection[Any]", statements: str, values: dict[str, Any]) -> None:
    """Several statements with the same values; the driver takes one at a time where there are values."""
    for statement in filter(str.strip, statements.split(";\n")):
        owner.execute(statement.encode(), values)


def count(database: Database) -> int:
    with database.owner() as owner:
        return _one(owner, "SELECT count(*) FROM transactions")


def check(database: Database, *, expected: int | None = None, slack: int = 0, events: int | None = None) -> Checked:
    """The books of the whole database. `expected` rows and inbox `events` must be there, and up to `slack` more:
    what was under way when a load generator stopped listening."""
    with database.owner() as owner:
        owner.execute("SET work_mem = '256MB'")
        found = {name: _one(owner, sql) for name, sql in _CHECKS.items()}
        counted = {"rows": (count(database), expected),
                   "inbox events": (_one(owner, "SELECT count(*) FROM inbox_events"), events)}  # fmt: skip
    broken = [f"{number} rows break {name}" for name, number in found.items() if number]
    for name, (number, wanted) in counted.items():
        if wanted is not None and not wanted <= number <= wanted + slack:
            broken.append(f"{number:,} {name} instead of {wanted:,}")
    return Checked(counted["rows"][0], tuple(broken))


def _one(owner: "Connection[Any]", sql: str) -> int:
    return int(owner.execute(sql.encode()).fetchone()[0])  # type: ignore[index]
