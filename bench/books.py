"""Rows to measure with, made by set-based SQL, and the check that a measurement left the books whole.

The check is written apart from the product's own, so that one mistake cannot hide in both.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import Connection

from bench.servers import Database

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
  CASE WHEN credit THEN '' ELSE (ARRAY['api', 'search', 'reports', 'images'])[1 + seq %% 4] END
FROM (
  SELECT w.org_id, w.id, n AS seq, n %% 1000 = 1 AS credit, a.amount,
    CAST(sum(a.amount) OVER (ORDER BY n) AS bigint) AS balance,
    now() - make_interval(days => %(days)s) + make_interval(days => %(days)s) * (CAST(n AS float8) / %(rows)s) AS at
  FROM wallets AS w, generate_series(1, CAST(%(rows)s AS bigint)) AS n,
    LATERAL (SELECT CASE WHEN n %% 1000 = 1 THEN 1000000000 ELSE -1000 * (1 + n * 7919 %% 1000) END AS amount) AS a
  WHERE w.id = %(wallet)s
) AS row;
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
SELECT org_id, wallet_id, CAST(created_at AT TIME ZONE 'UTC' AS date), type, app, sum(amount), count(*)
FROM transactions GROUP BY 1, 2, 3, 4, 5 ON CONFLICT DO NOTHING;
INSERT INTO credit_grants (org_id, id, created_at, wallet_id, transaction_id, kind, category, amount, priority,
  opened_seq, remaining)
SELECT org_id, uuidv7(created_at - clock_timestamp()), created_at, wallet_id, id, 'paid', 'deposit', amount, 0, seq,
  amount
FROM transactions AS t WHERE amount > 0 AND NOT EXISTS (
  SELECT FROM credit_grants AS g WHERE g.org_id = t.org_id AND g.transaction_id = t.id);
"""

_CHECKS = {
    "the chain of balances": """SELECT count(*) FROM (SELECT seq, balance_before, balance_after, amount,
        row_number() OVER chain AS n, coalesce(lag(balance_after) OVER chain, 0) AS previous FROM transactions
        WINDOW chain AS (PARTITION BY org_id, wallet_id ORDER BY seq)) AS t
      WHERE seq <> n OR balance_before <> previous OR balance_after <> balance_before + amount""",
    "balances": """SELECT count(*) FROM wallets AS w LEFT JOIN (SELECT org_id, wallet_id, sum(amount) AS balance,
        count(*) AS seq FROM transactions GROUP BY 1, 2) AS s ON s.org_id = w.org_id AND s.wallet_id = w.id
      WHERE w.balance <> coalesce(s.balance, 0) OR w.seq <> coalesce(s.seq, 0)
        OR w.balance - w.held < -w.overdraft_limit""",
    "sums of days": """SELECT count(*) FROM wallet_days AS d FULL JOIN (SELECT org_id, wallet_id,
        CAST(created_at AT TIME ZONE 'UTC' AS date) AS day, type, app, sum(amount) AS amount, count(*) AS count
        FROM transactions GROUP BY 1, 2, 3, 4, 5) AS s USING (org_id, wallet_id, day, type, app)
      WHERE (d.amount, d.count) IS DISTINCT FROM (s.amount, s.count)""",
    "slices of credits": """SELECT count(*) FROM transactions AS t LEFT JOIN (SELECT org_id, transaction_id,
        sum(amount) AS amount FROM credit_grants GROUP BY 1, 2) AS g ON g.org_id = t.org_id AND g.transaction_id = t.id
      WHERE t.amount > 0 AND t.amount IS DISTINCT FROM g.amount""",
}


@dataclass(frozen=True)
class Checked:
    """How many rows were checked, and what did not hold."""

    rows: int
    broken: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.rows:,} rows checked" if not self.broken else f"{self.rows:,} rows checked, BROKEN"


def org_id(number: int) -> UUID:
    """The organization of this number; where it has one wallet, that has the same id."""
    return UUID(f"0197a000-0000-7000-8000-{number:012x}")


def add_orgs(database: Database, count: int, *, first: int = 1) -> None:
    """`count` organizations with one empty wallet each."""
    numbers = {"numbers": list(range(first, first + count))}
    with database.owner() as owner:
        _run(owner, _ORGS, numbers)
        owner.execute(_WALLETS.format(org=ORG_ID.format(n="n"), unit="'usd'"), numbers)


def add_wide_org(database: Database, wallets: int) -> None:
    """One organization with many empty wallets, for batches: a batch is of one organization."""
    with database.owner() as owner:
        _run(owner, _ORGS, {"numbers": [ONE_ORG]})
        statement = _WALLETS.format(org=f"'{org_id(ONE_ORG)}'", unit="'unit-' || n")
        owner.execute(statement, {"numbers": list(range(ONE_ORG, ONE_ORG + wallets))})


def add_history(database: Database, number: int, rows: int) -> None:
    """`rows` transactions of the last 90 days for the one wallet of this organization."""
    with database.owner() as owner:
        owner.execute("SET session_replication_role = replica")  # no foreign key check per row; the check comes after
        owner.execute("SET work_mem = '256MB'")
        owner.execute(_HISTORY, {"rows": rows, "days": DAYS, "wallet": org_id(number)})
        _run(owner, _FOLLOW, {})
        owner.execute("VACUUM ANALYZE")


def fund(database: Database) -> None:
    """Give every empty wallet more than a run can spend."""
    with database.owner() as owner:
        owner.execute(_OPENING, {"amount": RICH})
        _run(owner, _FOLLOW, {})
        owner.execute("VACUUM ANALYZE")


def _run(owner: "Connection[Any]", statements: str, values: dict[str, Any]) -> None:
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
