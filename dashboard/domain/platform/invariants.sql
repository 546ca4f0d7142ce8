-- What must always be true. Each block finds the rows that break one rule, in order: org_id, object, detail. A block
-- starts with its name; `warning` if a broken rule means a delay and not an inconsistent ledger. Parameters: :org (null
-- = all organizations) and :most rows. The numbers group related rules.

-- name: chain
-- says: 1: a wallet's rows are numbered without gaps, and each starts at the balance that the previous one left
SELECT org_id, 'transaction ' || id AS object,
  format('seq %s after %s; balance %s + %s = %s after %s', seq, before_seq, balance_before, amount, balance_after,
    before_balance) AS detail
FROM (
  SELECT org_id, id, wallet_id, seq, amount, balance_before, balance_after,
    lag(seq, 1, 0::bigint) OVER per_wallet AS before_seq,
    lag(balance_after, 1, 0::bigint) OVER per_wallet AS before_balance
  FROM transactions WHERE CAST(:org AS uuid) IS NULL OR org_id = CAST(:org AS uuid)
  WINDOW per_wallet AS (PARTITION BY org_id, wallet_id ORDER BY seq)
) AS chain
WHERE seq <> before_seq + 1 OR balance_before <> before_balance OR balance_after <> balance_before + amount
ORDER BY org_id, wallet_id, seq LIMIT :most

-- name: balance
-- says: 1: a wallet's balance is the sum of its rows, and its seq their number
SELECT w.org_id, 'wallet ' || w.id AS object,
  format('balance %s, rows sum to %s; seq %s, rows %s', w.balance, coalesce(t.amount, 0), w.seq, coalesce(t.count, 0))
    AS detail
FROM wallets AS w LEFT JOIN (
  SELECT org_id, wallet_id, sum(amount) AS amount, count(*) AS count FROM transactions
  WHERE CAST(:org AS uuid) IS NULL OR org_id = CAST(:org AS uuid) GROUP BY org_id, wallet_id
) AS t ON t.org_id = w.org_id AND t.wallet_id = w.id
WHERE (CAST(:org AS uuid) IS NULL OR w.org_id = CAST(:org AS uuid))
  AND (w.balance <> coalesce(t.amount, 0) OR w.seq <> coalesce(t.count, 0))
ORDER BY w.org_id, w.id LIMIT :most

-- name: floor
-- says: 2: no charge went below the largest overdraft limit that its wallet ever had, and no expiry went below zero
SELECT t.org_id, 'transaction ' || t.id AS object, format('%s left %s', t.type, t.balance_after) AS detail
FROM transactions AS t JOIN wallets AS w ON w.org_id = t.org_id AND w.id = t.wallet_id
LEFT JOIN (
  SELECT org_id, object_id, max(greatest(CAST(before ->> 'overdraft_limit_micros' AS bigint),
    CAST(after ->> 'overdraft_limit_micros' AS bigint))) AS micros
  FROM audit_entries
  WHERE (CAST(:org AS uuid) IS NULL OR org_id = CAST(:org AS uuid)) AND object_kind = 'wallet'
    AND (before ? 'overdraft_limit_micros' OR after ? 'overdraft_limit_micros')
  GROUP BY org_id, object_id
) AS earlier ON earlier.org_id = w.org_id AND earlier.object_id = CAST(w.id AS text)
WHERE (CAST(:org AS uuid) IS NULL OR t.org_id = CAST(:org AS uuid)) AND t.balance_after < 0
  AND (t.type = 'expiry' OR t.type IN ('charge', 'consumption')
    AND t.balance_after < -greatest(w.overdraft_limit, earlier.micros))
ORDER BY t.org_id, t.wallet_id, t.seq LIMIT :most

-- name: days
-- says: 2: daily totals and counts match the rows; apps without their own total are counted with the others
SELECT org_id, 'wallet ' || wallet_id || ' day ' || day AS object,
  format('%s %s: %s in %s rows, rows sum to %s in %s', type, replace(app, chr(1) || 'other', '(other apps)'),
    coalesce(d.amount, 0), coalesce(d.count, 0), coalesce(t.amount, 0), coalesce(t.count, 0)) AS detail
FROM (
  SELECT * FROM wallet_days WHERE CAST(:org AS uuid) IS NULL OR org_id = CAST(:org AS uuid)
) AS d FULL JOIN (
  SELECT r.org_id, r.wallet_id, r.day, r.type, CASE WHEN own.app IS NULL AND others.app IS NOT NULL AND r.app <> ''
    THEN others.app ELSE r.app END AS app, sum(r.amount) AS amount, sum(r.count) AS count
  FROM (
    SELECT org_id, wallet_id, CAST(created_at AT TIME ZONE 'UTC' AS date) AS day, type, app, sum(amount) AS amount,
      count(*) AS count
    FROM transactions WHERE CAST(:org AS uuid) IS NULL OR org_id = CAST(:org AS uuid) GROUP BY 1, 2, 3, 4, 5
  ) AS r
  LEFT JOIN wallet_days AS own USING (org_id, wallet_id, day, type, app)
  LEFT JOIN wallet_days AS others ON others.org_id = r.org_id AND others.wallet_id = r.wallet_id
    AND others.day = r.day AND others.type = r.type AND others.app = chr(1) || 'other'
  GROUP BY 1, 2, 3, 4, 5
) AS t USING (org_id, wallet_id, day, type, app)
WHERE d.amount IS DISTINCT FROM t.amount OR d.count IS DISTINCT FROM t.count
ORDER BY org_id, wallet_id, day LIMIT :most

-- name: order
-- says: 2: within a wallet, a later row is never older, so that days are ranges of seq
SELECT org_id, 'transaction ' || id AS object, format('made at %s, after one of %s', created_at, before) AS detail
FROM (
  SELECT org_id, id, wallet_id, seq, created_at,
    lag(created_at) OVER (PARTITION BY org_id, wallet_id ORDER BY seq) AS before
  FROM transactions WHERE CAST(:org AS uuid) IS NULL OR org_id = CAST(:org AS uuid)
) AS chain WHERE created_at < before
ORDER BY org_id, wallet_id, seq LIMIT :most

-- name: unsealed
-- says: 3: rows are sealed within a quarter of an hour
-- warning
SELECT w.org_id, 'wallet ' || w.id AS object,
  format('%s rows after seq %s are not sealed, the first since %s', w.seq - coalesce(s.seq_to, 0),
    coalesce(s.seq_to, 0), t.created_at) AS detail
FROM wallets AS w LEFT JOIN LATERAL (
  SELECT seq_to FROM ledger_seals AS s WHERE s.org_id = w.org_id AND s.wallet_id = w.id ORDER BY seq_from DESC LIMIT 1
) AS s ON true CROSS JOIN LATERAL (
  SELECT created_at FROM transactions AS t
  WHERE t.org_id = w.org_id AND t.wallet_id = w.id AND t.seq > coalesce(s.seq_to, 0) ORDER BY t.seq LIMIT 1
) AS t
WHERE (CAST(:org AS uuid) IS NULL OR w.org_id = CAST(:org AS uuid)) AND t.created_at < now() - interval '15 minutes'
ORDER BY w.org_id, w.id LIMIT :most

-- name: keys
-- says: 4: a business fact is posted once
SELECT org_id, 'key ' || key AS object, format('%s rows of origin %s in mode %s', count(*), origin, mode) AS detail
FROM transactions WHERE CAST(:org AS uuid) IS NULL OR org_id = CAST(:org AS uuid)
GROUP BY org_id, mode, origin, key HAVING count(*) > 1
ORDER BY org_id, key LIMIT :most

-- name: credited
-- says: 4: a credited payment has exactly one purchase, over what it sold
SELECT p.org_id, 'payment ' || p.id AS object,
  format('credited with %s, sold %s; %s purchases', t.amount, p.grant_micros + p.bonus_micros, n.count) AS detail
FROM payments AS p
LEFT JOIN transactions AS t ON t.org_id = p.org_id AND t.id = p.transaction_id
LEFT JOIN (
  SELECT org_id, payment_id, count(*) AS count FROM transactions
  WHERE payment_id IS NOT NULL AND type IN ('purchase', 'recharge') GROUP BY org_id, payment_id
) AS n ON n.org_id = p.org_id AND n.payment_id = p.id
WHERE (CAST(:org AS uuid) IS NULL OR p.org_id = CAST(:org AS uuid)) AND p.state = 'credited'
  AND (t.payment_id IS DISTINCT FROM p.id OR t.type NOT IN ('purchase', 'recharge') OR n.count IS DISTINCT FROM 1
    OR t.amount IS DISTINCT FROM p.grant_micros + p.bonus_micros OR t.mode IS DISTINCT FROM p.mode)
ORDER BY p.org_id, p.id LIMIT :most

-- name: purchases
-- says: 4: a purchase belongs to a credited payment
SELECT t.org_id, 'transaction ' || t.id AS object, format('%s of payment %s', t.type, t.payment_id) AS detail
FROM transactions AS t LEFT JOIN payments AS p ON p.org_id = t.org_id AND p.id = t.payment_id
WHERE (CAST(:org AS uuid) IS NULL OR t.org_id = CAST(:org AS uuid)) AND t.type IN ('purchase', 'recharge')
  AND (p.state IS DISTINCT FROM 'credited' OR p.transaction_id IS DISTINCT FROM t.id)
ORDER BY t.org_id, t.wallet_id, t.seq LIMIT :most

-- name: transfers
-- says: 4: transfers of an organization sum to zero
SELECT org_id, 'organization ' || org_id AS object, format('transfers of mode %s sum to %s', mode, sum(amount)) AS detail
FROM transactions WHERE (CAST(:org AS uuid) IS NULL OR org_id = CAST(:org AS uuid)) AND type = 'transfer'
GROUP BY org_id, mode HAVING sum(amount) <> 0
ORDER BY org_id LIMIT :most

-- name: slices
-- says: 8: a credit opens credit grants that add up to it
SELECT t.org_id, 'transaction ' || t.id AS object, format('%s, its slices sum to %s', t.amount, g.amount) AS detail
FROM transactions AS t LEFT JOIN (
  SELECT org_id, transaction_id, sum(amount) AS amount FROM credit_grants
  WHERE CAST(:org AS uuid) IS NULL OR org_id = CAST(:org AS uuid) GROUP BY org_id, transaction_id
) AS g ON g.org_id = t.org_id AND g.transaction_id = t.id
WHERE (CAST(:org AS uuid) IS NULL OR t.org_id = CAST(:org AS uuid)) AND g.amount IS DISTINCT FROM t.amount
  AND (t.type IN ('purchase', 'deposit', 'recharge', 'subscription_grant', 'admin_grant', 'renewal')
    OR t.type = 'reversal' AND t.amount > 0)
ORDER BY t.org_id, t.wallet_id, t.seq LIMIT :most

-- name: settled
-- says: 8: what is left of the settled credit grants is the balance at that row, or nothing if that is a debt
SELECT w.org_id, 'wallet ' || w.id AS object,
  format('settled up to seq %s at balance %s, slices have %s left', w.settled_seq, t.balance_after,
    coalesce(g.remaining, 0)) AS detail
FROM wallets AS w
LEFT JOIN transactions AS t ON t.org_id = w.org_id AND t.wallet_id = w.id AND t.seq = w.settled_seq
LEFT JOIN LATERAL (
  SELECT sum(remaining) AS remaining FROM credit_grants AS g
  WHERE g.org_id = w.org_id AND g.wallet_id = w.id AND g.opened_seq <= w.settled_seq AND g.remaining > 0
) AS g ON true
WHERE (CAST(:org AS uuid) IS NULL OR w.org_id = CAST(:org AS uuid)) AND w.settled_seq > 0
  AND coalesce(g.remaining, 0) IS DISTINCT FROM greatest(t.balance_after, 0::bigint)
ORDER BY w.org_id, w.id LIMIT :most

-- name: burns
-- says: 8: the amount of a credit grant is what is left of it plus what it paid
SELECT g.org_id, 'grant ' || g.id AS object,
  format('%s, of which %s left and %s paid', g.amount, g.remaining, coalesce(b.amount, 0)) AS detail
FROM credit_grants AS g LEFT JOIN (
  SELECT org_id, grant_id, sum(amount) AS amount FROM grant_burns
  WHERE CAST(:org AS uuid) IS NULL OR org_id = CAST(:org AS uuid) GROUP BY org_id, grant_id
) AS b ON b.org_id = g.org_id AND b.grant_id = g.id
WHERE (CAST(:org AS uuid) IS NULL OR g.org_id = CAST(:org AS uuid)) AND g.amount <> g.remaining + coalesce(b.amount, 0)
ORDER BY g.org_id, g.wallet_id, g.opened_seq LIMIT :most

-- name: directed
-- says: 8: a removal that names its credit grant, and an expiry, take all of their amount from that grant
SELECT t.org_id, 'transaction ' || t.id AS object,
  format('%s of %s, of which %s from its grant', t.type, t.amount, coalesce(b.amount, 0)) AS detail
FROM transactions AS t LEFT JOIN LATERAL (
  SELECT sum(amount) AS amount FROM grant_burns AS b
  WHERE b.org_id = t.org_id AND b.seq_from = t.seq AND b.seq_to = t.seq
    AND b.grant_id = CASE WHEN t.type = 'expiry' THEN CAST(split_part(t.key, '/', 1) AS uuid) ELSE t.grant_id END
) AS b ON true
WHERE (CAST(:org AS uuid) IS NULL OR t.org_id = CAST(:org AS uuid))
  AND (t.grant_id IS NOT NULL OR t.type = 'expiry' AND t.origin = 'expiry')
  AND coalesce(b.amount, 0) <> -t.amount
ORDER BY t.org_id, t.wallet_id, t.seq LIMIT :most

-- name: dated
-- says: 8: the wallet knows the first expiry date of what is left; expired credit is there only if it is held
SELECT w.org_id, 'wallet ' || w.id AS object,
  format('next expiry %s, a slice lapses at %s; %s lapsed before, %s held', w.next_expiry_at, g.first, g.remaining,
    w.held) AS detail
FROM wallets AS w JOIN (
  SELECT g.org_id, g.wallet_id, sum(g.remaining) AS remaining, min(g.expires_at) AS first
  FROM credit_grants AS g JOIN wallets AS w ON w.org_id = g.org_id AND w.id = g.wallet_id
  WHERE (CAST(:org AS uuid) IS NULL OR g.org_id = CAST(:org AS uuid)) AND g.remaining > 0
    AND g.expires_at < coalesce(w.next_expiry_at, 'infinity')
  GROUP BY g.org_id, g.wallet_id
) AS g ON g.org_id = w.org_id AND g.wallet_id = w.id
WHERE g.remaining > w.held
ORDER BY w.org_id, w.id LIMIT :most

-- name: held
-- says: 8: what a wallet holds is the sum of its open holds
SELECT w.org_id, 'wallet ' || w.id AS object, format('holds %s, open holds sum to %s', w.held, coalesce(h.amount, 0))
  AS detail
FROM wallets AS w LEFT JOIN (
  SELECT org_id, wallet_id, sum(amount) AS amount FROM holds
  WHERE state = 'open' AND (CAST(:org AS uuid) IS NULL OR org_id = CAST(:org AS uuid)) GROUP BY org_id, wallet_id
) AS h ON h.org_id = w.org_id AND h.wallet_id = w.id
WHERE (CAST(:org AS uuid) IS NULL OR w.org_id = CAST(:org AS uuid)) AND w.held <> coalesce(h.amount, 0)
ORDER BY w.org_id, w.id LIMIT :most

-- name: captures
-- says: 8: a captured hold was charged once, for what was captured, in its wallet; no other hold was charged
SELECT h.org_id, 'hold ' || h.id AS object, format('%s, captured %s, charged %s', h.state, h.captured, -t.amount)
  AS detail
FROM holds AS h LEFT JOIN transactions AS t ON t.org_id = h.org_id AND t.id = h.transaction_id
WHERE (CAST(:org AS uuid) IS NULL OR h.org_id = CAST(:org AS uuid))
  AND (h.state = 'captured' OR h.transaction_id IS NOT NULL)
  AND (h.state <> 'captured' OR t.type IS DISTINCT FROM 'charge' OR t.amount IS DISTINCT FROM -h.captured
    OR t.wallet_id IS DISTINCT FROM h.wallet_id OR t.mode IS DISTINCT FROM h.mode)
ORDER BY h.org_id, h.id LIMIT :most

-- name: lapsed
-- says: 8: expired credit is removed within an hour
-- warning
SELECT org_id, 'wallet ' || id AS object, format('credit lapsed at %s is still there', next_expiry_at) AS detail
FROM wallets WHERE (CAST(:org AS uuid) IS NULL OR org_id = CAST(:org AS uuid))
  AND next_expiry_at < now() - interval '1 hour'
ORDER BY org_id, id LIMIT :most

-- name: owners
-- says: 9: every active team has an active owner
SELECT o.id AS org_id, 'organization ' || o.id AS object, format('%s has no active owner', o.slug) AS detail
FROM organizations AS o
WHERE (CAST(:org AS uuid) IS NULL OR o.id = CAST(:org AS uuid)) AND o.closed_at IS NULL AND o.kind = 'team'
  AND NOT EXISTS (
    SELECT 1 FROM memberships AS m JOIN users AS u ON u.id = m.user_id
    WHERE m.org_id = o.id AND m.role = 'owner' AND m.removed_at IS NULL AND u.disabled_at IS NULL
  )
ORDER BY o.id LIMIT :most

-- name: borders
-- says: 10: no row refers to another organization or mode
SELECT org_id, object, detail FROM (
  SELECT t.org_id, 'transaction ' || t.id AS object, format('wallet %s, mode %s', t.wallet_id, t.mode) AS detail
  FROM transactions AS t LEFT JOIN wallets AS w ON w.org_id = t.org_id AND w.id = t.wallet_id AND w.mode = t.mode
  WHERE w.id IS NULL
  UNION ALL
  SELECT t.org_id, 'transaction ' || t.id, format('payment %s', t.payment_id)
  FROM transactions AS t LEFT JOIN payments AS p ON p.org_id = t.org_id AND p.id = t.payment_id
  WHERE t.payment_id IS NOT NULL AND p.id IS NULL
  UNION ALL
  SELECT t.org_id, 'transaction ' || t.id, format('grant %s', t.grant_id)
  FROM transactions AS t
  LEFT JOIN credit_grants AS g ON g.org_id = t.org_id AND g.id = t.grant_id AND g.wallet_id = t.wallet_id
  WHERE t.grant_id IS NOT NULL AND g.id IS NULL
  UNION ALL
  SELECT d.org_id, 'wallet day ' || d.day, format('wallet %s', d.wallet_id)
  FROM wallet_days AS d LEFT JOIN wallets AS w ON w.org_id = d.org_id AND w.id = d.wallet_id WHERE w.id IS NULL
  UNION ALL
  SELECT g.org_id, 'grant ' || g.id, format('transaction %s, wallet %s', g.transaction_id, g.wallet_id)
  FROM credit_grants AS g
  LEFT JOIN transactions AS t ON t.org_id = g.org_id AND t.id = g.transaction_id AND t.wallet_id = g.wallet_id
  WHERE t.id IS NULL
  UNION ALL
  SELECT b.org_id, 'burn ' || b.id, format('grant %s, wallet %s', b.grant_id, b.wallet_id)
  FROM grant_burns AS b
  LEFT JOIN credit_grants AS g ON g.org_id = b.org_id AND g.id = b.grant_id AND g.wallet_id = b.wallet_id
  WHERE g.id IS NULL
  UNION ALL
  SELECT h.org_id, 'hold ' || h.id, format('wallet %s, mode %s', h.wallet_id, h.mode)
  FROM holds AS h LEFT JOIN wallets AS w ON w.org_id = h.org_id AND w.id = h.wallet_id AND w.mode = h.mode
  WHERE w.id IS NULL
  UNION ALL
  SELECT n.org_id, 'notice ' || n.id, format('%s %s', n.kind, n.subject_id)
  FROM notices AS n LEFT JOIN credit_grants AS g ON g.org_id = n.org_id AND g.id = n.subject_id WHERE g.id IS NULL
  UNION ALL
  SELECT p.org_id, 'payment ' || p.id, format('transaction %s', p.transaction_id)
  FROM payments AS p LEFT JOIN transactions AS t ON t.org_id = p.org_id AND t.id = p.transaction_id
  WHERE p.transaction_id IS NOT NULL AND t.id IS NULL
  UNION ALL
  SELECT m.org_id, 'membership ' || m.id, format('organization %s', m.org_id)
  FROM memberships AS m LEFT JOIN organizations AS o ON o.id = m.org_id WHERE o.id IS NULL
  UNION ALL
  SELECT k.org_id, 'key ' || k.id, format('organization %s', k.org_id)
  FROM api_keys AS k LEFT JOIN organizations AS o ON o.id = k.org_id WHERE o.id IS NULL
  UNION ALL
  SELECT i.org_id, 'try ' || i.id, format('inbox event %s', i.inbox_event_id)
  FROM inbox_tries AS i LEFT JOIN inbox_events AS e ON e.org_id = i.org_id AND e.id = i.inbox_event_id
  WHERE e.id IS NULL
) AS crossed WHERE CAST(:org AS uuid) IS NULL OR org_id = CAST(:org AS uuid)
ORDER BY org_id, object LIMIT :most

-- name: charged
-- says: 6: a usage event that costs something is charged once, for what it costs, in its wallet
SELECT e.org_id, 'usage event ' || e.id AS object, format('costs %s, charged %s', e.cost, -t.amount) AS detail
FROM usage_events AS e LEFT JOIN transactions AS t ON t.org_id = e.org_id AND t.id = e.transaction_id
WHERE (CAST(:org AS uuid) IS NULL OR e.org_id = CAST(:org AS uuid)) AND (e.cost > 0 OR e.transaction_id IS NOT NULL)
  AND (t.amount IS DISTINCT FROM -e.cost OR t.wallet_id IS DISTINCT FROM e.wallet_id
    OR t.mode IS DISTINCT FROM e.mode OR t.key IS DISTINCT FROM e.key)
ORDER BY e.org_id, e.id LIMIT :most

-- name: voided
-- says: 6: a void gives back once, in the event's wallet, and never twice
SELECT e.org_id, 'usage event ' || e.id AS object, format('gave back %s, by a row of %s', e.credited, t.amount) AS detail
FROM usage_events AS e
LEFT JOIN transactions AS t ON t.org_id = e.org_id AND t.id = e.void_transaction_id
WHERE (CAST(:org AS uuid) IS NULL OR e.org_id = CAST(:org AS uuid)) AND e.voided_at IS NOT NULL
  AND (e.credited <> coalesce(t.amount, 0) OR t.id IS NOT NULL AND (t.type, t.wallet_id, t.mode, t.key)
    IS DISTINCT FROM ('reversal', e.wallet_id, e.mode, CAST(e.id AS text)))
ORDER BY e.org_id, e.id LIMIT :most

-- name: positions
-- says: 6: the position of a price is the sum of the events that it priced, without those that were voided
SELECT org_id, 'wallet ' || wallet_id AS object,
  format('%s since %s: %s units for %s; events %s for %s', metric_key, period_start, p.units, p.cost, e.units, e.cost)
    AS detail
FROM (SELECT * FROM usage_positions WHERE CAST(:org AS uuid) IS NULL OR org_id = CAST(:org AS uuid)) AS p
FULL JOIN (
  SELECT org_id, wallet_id, metric_key, period_start, price_id,
    coalesce(sum(units) FILTER (WHERE voided_at IS NULL), 0) AS units, sum(cost - coalesce(credited, 0)) AS cost
  FROM usage_events
  WHERE (CAST(:org AS uuid) IS NULL OR org_id = CAST(:org AS uuid)) AND state = 'charged'
  GROUP BY org_id, wallet_id, metric_key, period_start, price_id
) AS e USING (org_id, wallet_id, metric_key, period_start, price_id)
WHERE p.units IS DISTINCT FROM e.units OR p.cost IS DISTINCT FROM e.cost
ORDER BY org_id, wallet_id, metric_key, period_start LIMIT :most

-- name: per_event
-- says: 6: an event with a price of its own costs what that makes of its units, rounded half up, within its bounds
SELECT e.org_id, 'usage event ' || e.id AS object, format('%s units cost %s, not %s', e.units, e.cost, p.micros) AS detail
FROM usage_events AS e JOIN prices AS v ON v.id = e.price_id AND v.kind = 'per_event'
CROSS JOIN LATERAL (
  SELECT least(v.max_micros, greatest(v.min_micros,
    div(2 * CAST(e.units AS numeric) * v.amount_micros + v.per_units, 2 * CAST(v.per_units AS numeric)))) AS micros
) AS p
WHERE (CAST(:org AS uuid) IS NULL OR e.org_id = CAST(:org AS uuid)) AND e.cost <> p.micros
ORDER BY e.org_id, e.id LIMIT :most

-- name: counters
-- says: 6: counters are the sums of events, less what was voided; apps without a counter are counted with the others
SELECT org_id, 'wallet ' || wallet_id AS object,
  format('%s on %s by %s %s: %s units for %s in %s events; events %s for %s in %s', metric_key, day, dimension,
    replace(value, chr(1) || 'other', '(other apps)'), c.units, c.cost, c.events, e.units, e.cost, e.events) AS detail,
  wallet_id, day
FROM (
  SELECT * FROM usage_counters WHERE CAST(:org AS uuid) IS NULL OR org_id = CAST(:org AS uuid)
) AS c FULL JOIN (
  SELECT r.org_id, r.wallet_id, r.dimension, r.day, r.metric_key,
    CASE WHEN own.value IS NULL THEN coalesce(others.value, r.value) ELSE r.value END AS value,
    sum(r.units) AS units, sum(r.cost) AS cost, sum(r.events) AS events
  FROM (
    SELECT o.org_id, o.wallet_id, d.dimension, CAST(o.at AS date) AS day, o.metric_key, d.value,
      coalesce(sum(o.units) FILTER (WHERE o.voided_at IS NULL), 0) AS units,
      sum(coalesce(o.cost, 0) - coalesce(o.credited, 0)) AS cost,
      count(*) FILTER (WHERE o.voided_at IS NULL) AS events
    FROM (
      SELECT *, occurred_at AT TIME ZONE 'UTC' AS at FROM usage_events
      WHERE CAST(:org AS uuid) IS NULL OR org_id = CAST(:org AS uuid)
    ) AS o CROSS JOIN LATERAL (
      VALUES ('all', ''), ('hour', to_char(o.at, 'HH24')), ('app', nullif(o.app, '')),
        ('member', CAST(o.member_id AS text)), ('key', CAST(o.api_key_id AS text))
    ) AS d(dimension, value)
    WHERE d.value IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6
  ) AS r
  LEFT JOIN usage_counters AS own USING (org_id, wallet_id, dimension, day, metric_key, value)
  LEFT JOIN usage_counters AS others ON others.org_id = r.org_id AND others.wallet_id = r.wallet_id
    AND others.dimension = r.dimension AND r.dimension = 'app' AND others.day = r.day
    AND others.metric_key = r.metric_key AND others.value = chr(1) || 'other'
  GROUP BY 1, 2, 3, 4, 5, 6
) AS e USING (org_id, wallet_id, dimension, day, metric_key, value)
WHERE coalesce(c.units, 0) <> coalesce(e.units, 0) OR coalesce(c.cost, 0) <> coalesce(e.cost, 0)
  OR coalesce(c.events, 0) <> coalesce(e.events, 0)
ORDER BY org_id, wallet_id, metric_key, day, dimension LIMIT :most

-- name: limits
-- says: 6: an organization whose spending has limits is marked, so that its charges look for them
SELECT l.org_id, 'limit ' || l.id AS object, format('limits the %s, which nobody looks for', l.scope) AS detail
FROM limits AS l JOIN organizations AS o ON o.id = l.org_id
WHERE (CAST(:org AS uuid) IS NULL OR l.org_id = CAST(:org AS uuid)) AND l.ended_at IS NULL AND l.scope <> 'key'
  AND NOT o.has_limits
ORDER BY l.org_id, l.id LIMIT :most

-- name: stuck
-- says: 10: nothing is due or unknown for longer than 15 minutes
-- warning
SELECT org_id, object, detail FROM (
  SELECT org_id, 'inbox event ' || id AS object, format('%s, due since %s', event_id, next_attempt_at) AS detail
  FROM inbox_events WHERE state IN ('received', 'failed') AND next_attempt_at < now() - interval '15 minutes'
  UNION ALL
  SELECT org_id, 'payment ' || id, format('%s since %s', state, changed_at)
  FROM payments WHERE state IN ('unknown', 'paid') AND changed_at < now() - interval '15 minutes'
  UNION ALL
  SELECT org_id, 'hold ' || id, format('expired at %s', expires_at)
  FROM holds WHERE state = 'open' AND expires_at < now() - interval '15 minutes'
) AS waiting WHERE CAST(:org AS uuid) IS NULL OR org_id = CAST(:org AS uuid)
ORDER BY org_id, object LIMIT :most
