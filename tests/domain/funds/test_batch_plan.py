"""A batch costs by its entries, not by the ledger, whatever PostgreSQL's statistics say."""

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text

from dashboard.core.db import db, transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import ledger
from dashboard.domain.funds.ledger import LedgerEntry
from tests.factories import grant, make_org, wallet_of
from tests.servers import Servers

ENTRIES = 2_000
READ = text("""SELECT pg_stat_get_xact_tuples_returned('transactions'::regclass)
  + (SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid)) FROM pg_index WHERE indrelid = 'transactions'::regclass)
""")
"""How many rows and index entries of the ledger this transaction has read, by whatever plan."""


@pytest.mark.slow
@pytest.mark.parametrize("others", [0, 3])
def test_a_batch_reads_no_more_than_its_entries(app_context: Flask, servers: Servers, others: int) -> None:
    """The table was analyzed when it was nearly empty, as it is after the first days; `others` are organizations."""
    wallets = [wallet_of(make_org()) for _ in range(1 + others)]
    for wallet in wallets:
        grant(wallet, 10**9)
    with psycopg.connect(servers.database_url.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE transactions")
    read = []
    for number in range(4):
        for wallet in wallets:
            entries = [LedgerEntry(wallet.id, 1, f"{number}-{n}") for n in range(ENTRIES)]
            with transaction(org=wallet.org_id):
                before = db.session.scalar(READ)  # by earlier transactions that are not counted yet
                ledger.post_batch(wallet.org_id, entries, mode=wallet.mode, origin="api", by=SYSTEM)
                read.append(db.session.scalar(READ) - before)
    assert max(read) <= ENTRIES
