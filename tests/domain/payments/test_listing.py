"""A search by an id reads the rows that bear it, not the table, whatever PostgreSQL's statistics say."""

from dataclasses import replace
from uuid import UUID, uuid4

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text

from dashboard.core.db import db, transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import ledger
from dashboard.domain.funds.ledger import LedgerEntry
from dashboard.domain.payments import listing
from dashboard.domain.payments.listing import PaymentFilters
from dashboard.models import Payment
from tests.factories import grant, make_org, wallet_of
from tests.servers import Servers

MANY = 4_000
MADE = """INSERT INTO payments (org_id, id, created_at, state, kind, provider, mode, key, body_hash, actor_kind,
  product_id, version_id, name, quantity, unit_price_minor, amount_minor, currency, grant_micros, bonus_micros,
  grant_kind, success_url, cancel_url, changed_at, checks, session_id, intent_id, invoice_id, transaction_id)
SELECT org_id, gen_random_uuid(), now(), 'credited', 'pack', 'dummy', mode, 'many' || seq, '', 'system', org_id, org_id,
  'Pack', 1, 1, 1, 'usd', 1, 0, 'paid', '', '', now(), 0, 'cs_' || seq, 'pi_' || seq, 'in_' || seq, id
FROM transactions WHERE type = 'charge' AND seq > %s"""
READ = text("""SELECT pg_stat_get_xact_tuples_returned('payments'::regclass)
  + (SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid)) FROM pg_index WHERE indrelid = 'payments'::regclass)
""")
"""How many rows and index entries of the table this connection has read of late, by whatever plan."""


@pytest.fixture
def one(app_context: Flask, servers: Servers) -> Payment:
    """One of many payments; the table was analyzed when there were three, as it is after the first days."""
    wallet = wallet_of(make_org())
    grant(wallet, 10**9)
    with psycopg.connect(servers.database_url.replace("+psycopg", ""), autocommit=True) as owner:
        for first, last in ((1, 4), (4, MANY)):
            with transaction(org=wallet.org_id):
                entries = [LedgerEntry(wallet.id, 1, f"k{number}") for number in range(first, last)]
                ledger.post_batch(wallet.org_id, entries, mode=wallet.mode, origin="api", by=SYSTEM)
            owner.execute(MADE, [first])
            if first == 1:
                owner.execute("VACUUM (FULL, ANALYZE) payments")
    return db.session.query(Payment).filter_by(key=f"many{MANY // 2}").one()


@pytest.mark.parametrize("scoped", [True, False])
def test_a_search_by_an_id_reads_only_what_bears_it(one: Payment, scoped: bool) -> None:
    everywhere = PaymentFilters(org_id=one.org_id if scoped else None)
    wanted = (one.id, one.transaction_id, one.session_id, one.intent_id, one.invoice_id)
    for q in wanted:
        assert found(everywhere, q, one.mode) == [one.id]
    for q in (uuid4(), "cs_none", "pi_none", "in_none"):
        assert found(everywhere, q, one.mode) == []


def found(filters: PaymentFilters, q: object, mode: str) -> list[UUID]:
    with transaction():
        before = db.session.scalar(READ)
        rows = listing.page(replace(filters, q=str(q)), mode=mode).rows
        read = db.session.scalar(READ) - before
    assert read <= 10, (q, read)
    return [row.id for row in rows]
