"""The ledger's SQL statements. They are in their own module so that the benchmark can give pgbench exactly what the
product runs."""

from sqlalchemy import text

from dashboard.core.db import planned_each_time
from dashboard.models import OTHER_APPS

MOST_APPS = 100
"""How many totals by app a wallet's UTC day holds. Later apps are added up as OTHER_APPS."""

_OTHER = f"CAST('{OTHER_APPS}' AS text)"

# The statement's snapshot is older than the wallet's lock, so it may not see an app that is already counted. The
# function looks again with its own snapshot; it is called only for what appears to be an app's first row of a day.
_APP = f"""coalesce((
    SELECT d.app FROM wallet_days AS d WHERE d.org_id = p.org_id AND d.wallet_id = p.wallet_id AND d.day = p.day
      AND d.type = p.type AND d.app = p.app
  ), CASE p.app WHEN '' THEN ''
    ELSE counted_app(p.org_id, p.wallet_id, p.day, p.type, p.app, {MOST_APPS}, {_OTHER}) END)"""  # noqa: S608 - constant parts only

_NEW = f"""row AS (
  INSERT INTO transactions (org_id, id, created_at, wallet_id, mode, seq, type, amount, balance_before, balance_after,
    origin, key, body_hash, description, reason, actor_kind, actor_id, app, member_id, payment_id, grant_id)
  SELECT org_id, CAST(:id AS uuid), at, id, mode, seq + 1, CAST(:type AS text), CAST(:amount AS bigint), balance,
    balance + CAST(:amount AS bigint), CAST(:origin AS text), CAST(:key AS text), CAST(:body_hash AS bytea),
    CAST(:description AS text), CAST(:reason AS text), CAST(:actor_kind AS text), CAST(:actor_id AS uuid),
    CAST(:app AS text), CAST(:member_id AS uuid), CAST(:payment_id AS uuid),
    CAST(:grant_id AS uuid)
  FROM wallet
  ON CONFLICT (org_id, mode, origin, key) DO NOTHING
  RETURNING org_id, id, wallet_id, seq, type, app, amount, balance_before, balance_after, created_at
), day AS (
  INSERT INTO wallet_days AS d (org_id, wallet_id, day, type, app, amount, count)
  SELECT org_id, wallet_id, day, type, {_APP}, amount, 1
  FROM (SELECT *, CAST(created_at AT TIME ZONE 'UTC' AS date) AS day FROM row) AS p
  ON CONFLICT (org_id, wallet_id, day, type, app)
  DO UPDATE SET amount = d.amount + excluded.amount, count = d.count + 1
), moved AS (
  UPDATE wallets AS w SET balance = row.balance_after, seq = row.seq, last_posted_at = row.created_at"""  # noqa: S608 - constant parts only

_OF_WALLET = """
  FROM row WHERE w.org_id = CAST(:org AS uuid) AND w.id = CAST(:wallet AS uuid)
)"""

_ROW = _NEW + _OF_WALLET

# The class of caller that made a row from the time when all rows were under `api` (see `origins`). Only an operator
# scope deposits, grants and removes, so a customer's row is never taken for another class's row.
_CLASS = """CASE WHEN t.type IN ('admin_grant', 'admin_removal') OR (t.type = 'deposit' AND t.actor_kind <> 'key')
    THEN 'operator'
  WHEN t.type = 'deposit' OR (t.actor_kind = 'key' AND EXISTS (SELECT FROM api_keys AS k
    WHERE k.org_id = t.org_id AND k.id = t.actor_id AND k.issued_by = 'platform')) THEN 'service'
  ELSE 'api' END"""

EARLIER = text(f"""SELECT t.* FROM transactions AS t
WHERE t.org_id = CAST(:org AS uuid) AND t.mode = CAST(:mode AS text) AND t.origin = 'api'
  AND t.key = ANY(CAST(:keys AS text[])) AND {_CLASS} = CAST(:origin AS text)""")  # noqa: S608 - constant parts only

# The same for one key, as a range in the order of its index: see PLAN.
_BOOKED_EARLIER = f"""EXISTS (SELECT FROM (SELECT t.* FROM transactions AS t
    WHERE t.org_id = {{row}}.org_id AND t.mode = {{row}}.mode AND t.origin = 'api' AND t.key BETWEEN {{key}} AND {{key}}
    ORDER BY t.org_id, t.mode, t.origin, t.key LIMIT 1) AS t
  WHERE {_CLASS} = CAST(:origin AS text))"""  # noqa: S608
_HAS_EARLIER = "CAST(:origin AS text) IN ('operator', 'service')"

# A row is never older than the one before it, so a wallet's order by seq is its order in time.
_WALLET = """wallet AS (
  SELECT org_id, id, mode, balance, seq, greatest(CAST(:at AS timestamptz), last_posted_at) AS at FROM wallets
  WHERE org_id = CAST(:org AS uuid) AND id = CAST(:wallet AS uuid)"""

_NEW_FACT = f"""NOT ({_HAS_EARLIER}
      AND {_BOOKED_EARLIER.format(row="wallets", key="CAST(:key AS text)")})"""

# Expired credit cannot be spent: it is removed first.
_NOT_LAPSED = "(next_expiry_at IS NULL OR next_expiry_at > greatest(CAST(:at AS timestamptz), last_posted_at))"

_ANSWER = "SELECT id, seq, balance_before, balance_after, created_at FROM row"

CREDIT = text(f"""WITH {_WALLET} AND {_NEW_FACT}
  FOR UPDATE
), {_NEW}, next_expiry_at = least(w.next_expiry_at, CAST(:expires_at AS timestamptz)){_OF_WALLET}, slice AS (
  INSERT INTO credit_grants (org_id, id, created_at, wallet_id, transaction_id, kind, category, amount, priority,
    opened_seq, expires_at, remaining)
  SELECT row.org_id, s.id, row.created_at, row.wallet_id, row.id, s.kind, s.category, s.amount, s.priority, row.seq,
    s.expires_at, s.amount
  FROM row, unnest(CAST(:slice_ids AS uuid[]), CAST(:slice_kinds AS text[]), CAST(:slice_categories AS text[]),
    CAST(:slice_amounts AS bigint[]), CAST(:slice_priorities AS int[]), CAST(:slice_expiries AS timestamptz[]))
    AS s(id, kind, category, amount, priority, expires_at)
)
{_ANSWER}""")  # noqa: S608 - constant parts only

DEBIT = text(f"""WITH {_WALLET}
    AND (NOT CAST(:floored AS boolean) OR balance - held + CAST(:amount AS bigint)
      >= CASE WHEN CAST(:spending AS boolean) THEN -overdraft_limit ELSE 0 END)
    AND (frozen_at IS NULL OR NOT CAST(:spending AS boolean)) AND {_NOT_LAPSED}
    AND {_NEW_FACT}
  FOR UPDATE
), {_ROW}
{_ANSWER}""")

# For a locked wallet, and a credit grant that is settled up to the wallet's last row.
EXPIRY = text(f"""WITH {_WALLET} AND balance + CAST(:amount AS bigint) >= 0
), {_ROW}
{_ANSWER}""")

# The lock is a separate statement, so that the next statement's snapshot sees every duplicate that was committed while
# it waited.
LOCK = text("""SELECT id, next_expiry_at <= greatest(CAST(:at AS timestamptz), last_posted_at) AS lapsed,
  held > 0 AS holding
FROM wallets WHERE org_id = CAST(:org AS uuid) AND id = ANY(CAST(:wallets AS uuid[]))
ORDER BY id FOR UPDATE""")

# Statistics about an organization may be outdated or missing, and a plan for 10 entries does not fit 1,000. So each
# batch is planned separately, and the search for duplicates uses a range of one key in the key's order, which only the
# key's own index provides: with plain equality, every index that starts with org_id can look equally good, and the
# wrong one reads the whole organization for each entry. (A comparison of whole rows would not help: before PostgreSQL
# 18, its upper end stops nothing.) MATERIALIZED hides the constants from the estimate for the same reason. Sorting is
# made to look expensive, because a table that was analyzed while nearly empty seems cheap to read and sort completely
# for each entry. The few sorts that are necessary still happen, and JIT, which such costs would trigger, is disabled.
# A setting of the transaction that made PostgreSQL plan each time would do it for the check of each row's foreign keys,
# too, and double what a batch costs.
PLAN = text("""SELECT set_config('jit', 'off', true), set_config('enable_sort', 'off', true),
  set_config('enable_incremental_sort', 'off', true)""")

BATCH = planned_each_time(f"""WITH given AS MATERIALIZED (
  SELECT CAST(:org AS uuid) AS org_id, CAST(:mode AS text) AS mode, CAST(:origin AS text) AS origin, t.*
  FROM unnest(CAST(:ids AS uuid[]), CAST(:wallets AS uuid[]), CAST(:amounts AS bigint[]), CAST(:keys AS text[]),
    CAST(:apps AS text[]), CAST(:descriptions AS text[]), CAST(:hashes AS bytea[]), CAST(:members AS uuid[]))
    WITH ORDINALITY AS t(id, wallet_id, amount, key, app, description, body_hash, member_id, n)
), fresh AS (
  SELECT DISTINCT ON (g.key COLLATE "C") g.* FROM given AS g
  LEFT JOIN LATERAL (
    SELECT true AS hit FROM transactions AS t
    WHERE t.org_id = g.org_id AND t.mode = g.mode AND t.origin = g.origin AND t.key BETWEEN g.key AND g.key
    ORDER BY t.org_id, t.mode, t.origin, t.key LIMIT 1
  ) AS d ON true
  WHERE d.hit IS NOT TRUE AND NOT ({_HAS_EARLIER} AND {_BOOKED_EARLIER.format(row="g", key="g.key")})
  ORDER BY g.key COLLATE "C", g.n
), running AS (
  SELECT f.*, w.held, w.overdraft_limit, greatest(CAST(:at AS timestamptz), w.last_posted_at) AS at,
    w.balance + sum(f.amount) OVER per_wallet AS after, w.seq + row_number() OVER per_wallet AS seq
  FROM fresh AS f JOIN wallets AS w
    ON w.org_id = CAST(:org AS uuid) AND w.id = f.wallet_id AND w.mode = CAST(:mode AS text) AND w.frozen_at IS NULL
    AND {_NOT_LAPSED}
  WINDOW per_wallet AS (PARTITION BY f.wallet_id ORDER BY f.n)
), row AS (
  INSERT INTO transactions (org_id, id, created_at, wallet_id, mode, seq, type, amount, balance_before, balance_after,
    origin, key, body_hash, description, actor_kind, actor_id, app, member_id)
  SELECT CAST(:org AS uuid), id, at, wallet_id, CAST(:mode AS text), seq, CAST(:type AS text), amount,
    CAST(after - amount AS bigint), CAST(after AS bigint), CAST(:origin AS text), key, body_hash, description,
    CAST(:actor_kind AS text), CAST(:actor_id AS uuid), app, member_id
  FROM running WHERE after - held >= -overdraft_limit
  RETURNING org_id, id, wallet_id, seq, type, app, amount, balance_before, balance_after, created_at
), summed AS (
  SELECT org_id, wallet_id, CAST(created_at AT TIME ZONE 'UTC' AS date) AS day, type, app, sum(amount) AS amount,
    count(*) AS count, min(seq) AS first
  FROM row GROUP BY 1, 2, 3, 4, 5
), ranked AS (
  SELECT s.*, c.app IS NOT NULL AS counted, row_number() OVER (
    PARTITION BY s.wallet_id, s.day, c.app IS NOT NULL ORDER BY s.first) AS rank
  FROM summed AS s LEFT JOIN LATERAL (
    SELECT d.app FROM wallet_days AS d
    WHERE d.org_id = s.org_id AND d.wallet_id = s.wallet_id AND d.day = s.day AND d.type = s.type
      AND d.app BETWEEN s.app AND s.app
    ORDER BY d.org_id, d.wallet_id, d.day, d.type, d.app LIMIT 1
  ) AS c ON true WHERE s.app <> ''
), named AS (
  SELECT r.*, r.counted OR r.rank + n.count <= {MOST_APPS} AS by_name
  FROM ranked AS r LEFT JOIN LATERAL (
    SELECT count(*) AS count FROM (
      SELECT d.app FROM wallet_days AS d
      WHERE d.org_id = r.org_id AND d.wallet_id = r.wallet_id AND d.day = r.day AND d.app > '' AND d.app <> {_OTHER}
      ORDER BY d.org_id, d.wallet_id, d.day, d.type, d.app LIMIT {MOST_APPS}
    ) AS apps
  ) AS n ON NOT r.counted AND r.rank <= {MOST_APPS}
), day AS (
  INSERT INTO wallet_days AS d (org_id, wallet_id, day, type, app, amount, count)
  SELECT org_id, wallet_id, day, type, CASE WHEN by_name THEN app ELSE {_OTHER} END, sum(amount), sum(count)
  FROM named GROUP BY 1, 2, 3, 4, 5
  UNION ALL SELECT org_id, wallet_id, day, type, app, amount, count FROM summed WHERE app = ''
  ON CONFLICT (org_id, wallet_id, day, type, app)
  DO UPDATE SET amount = d.amount + excluded.amount, count = d.count + excluded.count
), moved AS (
  UPDATE wallets AS w SET balance = w.balance + s.amount, seq = w.seq + s.count, last_posted_at = s.at
  FROM (SELECT wallet_id, CAST(sum(amount) AS bigint) AS amount, count(*) AS count, max(created_at) AS at
    FROM row GROUP BY wallet_id) AS s
  WHERE w.org_id = CAST(:org AS uuid) AND w.id = s.wallet_id
)
SELECT id, wallet_id, seq, type, amount, balance_before, balance_after, created_at FROM row""")  # noqa: S608 - constant parts only

# How far wallets are sealed. This is only a hint, so nobody waits for it: a locked row is left for the next time.
SEALED = text("""UPDATE wallets AS w SET sealed_seq = n.seq_to
FROM unnest(CAST(:wallets AS uuid[]), CAST(:tos AS bigint[])) AS n(id, seq_to)
WHERE w.org_id = CAST(:org AS uuid) AND w.id = n.id AND w.sealed_seq < n.seq_to AND w.id IN (
  SELECT id FROM wallets WHERE org_id = CAST(:org AS uuid) AND id = ANY(CAST(:wallets AS uuid[]))
  FOR NO KEY UPDATE SKIP LOCKED
)""")

# Everything below is only for wallets that hold credit with an expiry date.

# One row is looked up as a range in the order of its index. As a join, or with plain equality, statistics that were
# taken while the ledger was nearly empty lead to reading all rows of the wallet or the organization for each lookup.
_SETTLED_BALANCE = """coalesce((SELECT t.balance_after FROM transactions AS t
    WHERE t.org_id = w.org_id AND t.wallet_id = w.id AND t.seq BETWEEN w.settled_seq AND w.settled_seq
    ORDER BY t.org_id, t.wallet_id, t.seq LIMIT 1), 0) AS settled_balance"""

WALLET = planned_each_time(f"""SELECT w.balance, w.held, w.seq, w.settled_seq, w.next_expiry_at,
  greatest(CAST(:at AS timestamptz), w.last_posted_at) AS at, {_SETTLED_BALANCE}
FROM wallets AS w WHERE w.org_id = :org AND w.id = :wallet""")  # noqa: S608

_SLICE = "g.id, g.kind, g.category, g.priority, g.expires_at, g.opened_seq, g.remaining"

_CREDIT = """CROSS JOIN LATERAL (
  SELECT balance_before, balance_after FROM transactions AS t
  WHERE t.org_id = g.org_id AND t.id BETWEEN g.transaction_id AND g.transaction_id
  ORDER BY t.org_id, t.id LIMIT 1
) AS t"""

OPEN = planned_each_time(f"""SELECT {_SLICE} FROM credit_grants AS g
WHERE g.org_id = :org AND g.wallet_id = :wallet AND g.opened_seq <= :settled AND g.remaining > 0""")  # noqa: S608

CREDITED = planned_each_time(f"""SELECT {_SLICE}, t.balance_before, t.balance_after
FROM credit_grants AS g {_CREDIT}
WHERE g.org_id = :org AND g.wallet_id = :wallet AND g.opened_seq > :settled AND g.remaining > 0
ORDER BY g.opened_seq, g.id LIMIT :most""")  # noqa: S608

# All in one snapshot, so that what is settled in the meantime is not counted twice.
STANDING = planned_each_time(f"""SELECT w.id AS wallet_id, w.balance, w.seq, w.settled_seq, {_SETTLED_BALANCE},
  {_SLICE}, t.balance_before, t.balance_after
FROM unnest(CAST(:orgs AS uuid[]), CAST(:wallets AS uuid[])) AS n(org_id, id)
JOIN wallets AS w ON w.org_id = n.org_id AND w.id = n.id
JOIN credit_grants AS g ON g.org_id = w.org_id AND g.wallet_id = w.id AND g.remaining > 0
{_CREDIT}
ORDER BY w.id, g.opened_seq, g.id""")  # noqa: S608

# The row at a position, or the next one.
_AT = """(SELECT seq, balance_after FROM transactions AS t
  WHERE t.org_id = CAST(:org AS uuid) AND t.wallet_id = CAST(:wallet AS uuid) AND t.seq >= {place}
  ORDER BY t.org_id, t.wallet_id, t.seq LIMIT 1) AS t"""

# The first of the debits from :lo to :hi that leaves :balance or less. No credits lie between them, so a binary search
# works.
REACHED = planned_each_time(f"""WITH RECURSIVE halved(lo, hi) AS (
  SELECT CAST(:lo AS bigint), CAST(:hi AS bigint)
  UNION ALL
  SELECT CASE WHEN t.balance_after <= :balance THEN h.lo ELSE t.seq + 1 END,
    CASE WHEN t.balance_after <= :balance THEN t.seq ELSE h.hi END
  FROM halved AS h CROSS JOIN LATERAL {_AT.format(place="(h.lo + h.hi) / 2")} WHERE h.lo < h.hi
)
SELECT t.seq, t.balance_after FROM halved AS h CROSS JOIN LATERAL {_AT.format(place="h.lo")} WHERE h.lo = h.hi""")  # noqa: S608

LEFT = text("""UPDATE credit_grants AS g SET remaining = n.remaining
FROM unnest(CAST(:ids AS uuid[]), CAST(:remaining AS bigint[])) AS n(id, remaining)
WHERE g.org_id = :org AND g.id = n.id""")

BURNT = text("""INSERT INTO grant_burns (org_id, id, created_at, wallet_id, grant_id, seq_from, seq_to, amount)
SELECT CAST(:org AS uuid), n.id, CAST(:at AS timestamptz), CAST(:wallet AS uuid), n.grant_id, n.seq_from, n.seq_to,
  n.amount
FROM unnest(CAST(:ids AS uuid[]), CAST(:grants AS uuid[]), CAST(:froms AS bigint[]), CAST(:tos AS bigint[]),
  CAST(:amounts AS bigint[])) AS n(id, grant_id, seq_from, seq_to, amount)""")

SETTLED = text("UPDATE wallets SET settled_seq = :settled WHERE org_id = :org AND id = :wallet")

LAPSED = text("""SELECT id, category, remaining, expires_at FROM credit_grants
WHERE org_id = :org AND wallet_id = :wallet AND remaining > 0 AND expires_at <= :at
ORDER BY expires_at, opened_seq, id""")

# The credit grants are few or were just settled, so the next expiry date is read from them.
NEXT = text("""UPDATE wallets SET next_expiry_at = (
  SELECT min(expires_at) FROM credit_grants
  WHERE org_id = :org AND wallet_id = :wallet AND remaining > 0 AND expires_at > :at
) WHERE org_id = :org AND id = :wallet""")
