"""Rows of the way in (payments, webhooks, mails) and of the audit log, made by set-based SQL for their lists' bench."""

from typing import Any

from bench import books
from bench.servers import Database

DAYS = 90

# One of a hundred failed, a few wait for a decision, the others ran out unpaid: what was credited would need its
# transaction, and to a list it is one state like another.
_PAYMENTS = """
INSERT INTO payments (org_id, id, created_at, state, kind, provider, mode, key, body_hash, actor_kind, product_id,
  version_id, name, quantity, unit_price_minor, amount_minor, currency, grant_micros, bonus_micros, grant_kind,
  success_url, cancel_url, session_id, changed_at, checks)
SELECT %(org)s, uuidv7(at - clock_timestamp()), at,
  CASE WHEN n > %(rows)s - 10 THEN 'review' WHEN n %% 100 = 0 THEN 'failed' ELSE 'expired' END, 'pack', 'dummy',
  'test', 'bench-' || n, '', 'system', %(org)s, %(org)s, 'Pack ' || n %% 7, 1, 2500, 2500, 'usd', 25000000, 0, 'paid',
  'http://127.0.0.1/', 'http://127.0.0.1/', 'dummy_cs_' || n, at, 1
FROM generate_series(1, CAST(%(rows)s AS bigint)) AS n,
  LATERAL (SELECT now() - make_interval(days => %(days)s) * (1 - CAST(n AS float8) / %(rows)s) AS at) AS t
"""

_EVENTS = """
INSERT INTO inbox_events (org_id, id, created_at, provider, mode, event_id, type, payload, state, deliveries, attempts,
  error, effects, finished_at)
SELECT %(platform)s, uuidv7(at - clock_timestamp()), at, 'dummy', 'test', 'evt_' || n,
  (ARRAY['checkout.session.completed', 'checkout.session.expired', 'invoice.paid'])[1 + n %% 3],
  convert_to('{"data": {"object": {"metadata": {}}}}', 'UTF8'),
  CASE WHEN n > %(rows)s - 10 THEN 'parked' WHEN n %% 100 = 0 THEN 'ignored' ELSE 'processed' END,
  1 + CAST(n %% 10 = 0 AS int), 1, CASE WHEN n > %(rows)s - 10 THEN 'The payment is of another mode.' END,
  jsonb_build_object('org_id', CAST(%(org)s AS text), 'state', 'expired'), at + interval '1 second'
FROM generate_series(1, CAST(%(rows)s AS bigint)) AS n,
  LATERAL (SELECT now() - make_interval(days => %(days)s) * (1 - CAST(n AS float8) / %(rows)s) AS at) AS t
"""

_MAILS = """
INSERT INTO outbox_emails (org_id, id, created_at, key, event, to_address, context, state, attempts, error, sent_at)
SELECT %(org)s, uuidv7(at - clock_timestamp()), at, 'receipt:' || n, 'receipt', 'a@example.test', '{}',
  CASE WHEN parked THEN 'parked' ELSE 'sent' END, 1, CASE WHEN parked THEN 'No such mailbox' END,
  CASE WHEN NOT parked THEN at END
FROM generate_series(1, CAST(%(rows)s AS bigint)) AS n,
  LATERAL (SELECT now() - make_interval(days => %(days)s) * (1 - CAST(n AS float8) / %(rows)s) AS at,
    n > %(rows)s - 10 AS parked) AS t
"""

_ENTRIES = """
INSERT INTO audit_entries (org_id, id, created_at, actor_kind, actor_id, action, object_kind, object_id, after)
SELECT %(org)s, uuidv7(at - clock_timestamp()), at, 'user', %(org)s,
  CASE WHEN n %% 1000 = 0 THEN 'key.revoked' ELSE 'payment.created' END, 'payment', 'bench-' || n,
  '{"state": "created"}'
FROM generate_series(1, CAST(%(rows)s AS bigint)) AS n,
  LATERAL (SELECT now() - make_interval(days => %(days)s) * (1 - CAST(n AS float8) / %(rows)s) AS at) AS t
"""


def add(database: Database, number: int, rows: int, *, platform: Any) -> None:
    """`rows` payments, mails and audit entries of this organization and as many webhooks, over the last 90 days."""
    values = {"rows": rows, "days": DAYS, "org": books.org_id(number), "platform": platform}
    with database.owner() as owner:
        for statement in (_PAYMENTS, _EVENTS, _MAILS, _ENTRIES):
            owner.execute(statement, values)
        owner.execute("VACUUM ANALYZE")
