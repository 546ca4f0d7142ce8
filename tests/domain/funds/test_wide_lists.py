"""The list over all organizations reads little more of 1,000 organizations than of 50."""

from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text

from dashboard.core import clock, ids
from dashboard.core.db import db, transaction
from dashboard.domain.funds import transactions
from dashboard.domain.funds.transactions import TransactionFilters
from tests.servers import Servers

READ = text("""SELECT pg_stat_get_xact_tuples_returned('transactions'::regclass)
  + pg_stat_get_xact_tuples_fetched('transactions'::regclass)
  + (SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid)) FROM pg_index WHERE indrelid = 'transactions'::regclass)
""")
"""How many rows and index entries of the ledger this transaction has read, by whatever plan."""

WALLET = "org_id, id, created_at, mode, unit, balance, held, seq, overdraft_limit, settled_seq"
TRANSACTION = """org_id, id, created_at, wallet_id, mode, seq, type, amount, balance_before, balance_after, origin, key,
  description, actor_kind, app"""

ROWS = 10
FEW, MANY = 50, 1_000


@pytest.mark.slow
@pytest.mark.parametrize("filters", [TransactionFilters(), TransactionFilters(type="refund")], ids=["all", "none"])
def test_a_page_reads_at_most_twice_as_much_of_20_times_the_organizations(
    app_context: Flask, servers: Servers, filters: TransactionFilters
) -> None:
    fill(servers, FEW)
    few = rows_read(filters)
    fill(servers, MANY - FEW)
    assert rows_read(filters) <= 2 * (few + MANY)


@pytest.mark.slow
def test_pages_go_on_to_the_end_however_uneven_the_organizations_are(app_context: Flask, servers: Servers) -> None:
    """One organization has as many rows as all others; each row comes once, newest first."""
    made = fill(servers, 20) + fill(servers, 1, rows=200)
    for filters, window in (
        (TransactionFilters(), 20_000),
        (TransactionFilters(), 30),
        (TransactionFilters(type="charge"), 100),
    ):
        found: list[UUID] = []
        page = transactions.of_all_organizations("test", filters, None, 10, window=window)
        found += [row.id for row in page.rows]
        while page.next_cursor:
            page = transactions.of_all_organizations("test", filters, page.next_cursor, 10, window=window)
            found += [row.id for row in page.rows]
        assert found == sorted(made, reverse=True)


def rows_read(filters: TransactionFilters) -> int:
    with transaction():
        transactions.of_all_organizations("test", filters, window=ROWS * FEW)
        return int(db.session.scalar(READ) or 0)


def fill(servers: Servers, orgs: int, *, rows: int = ROWS) -> list[UUID]:
    """Wallets of so many organizations with charges of the last days; their ids."""
    pairs, made = [(ids.new(), ids.new()) for _ in range(orgs)], []
    with psycopg.connect(servers.database_url.replace("+psycopg", "")) as owner, owner.cursor() as cursor:
        owner.execute("SET session_replication_role = replica")
        with cursor.copy(f"COPY wallets ({WALLET}) FROM STDIN") as copy:
            for org_id, wallet_id in pairs:
                copy.write_row((org_id, wallet_id, clock.now(), "test", "usd", 0, 0, rows, 0, 0))
        with cursor.copy(f"COPY transactions ({TRANSACTION}) FROM STDIN") as copy:
            for seq in range(1, rows + 1):
                with clock.at(clock.now() - timedelta(seconds=rows - seq)):
                    for org_id, wallet_id in pairs:
                        made.append(ids.new())
                        charge = ("test", seq, "charge", -1, 1 - seq, -seq, "api", str(seq), "", "system", "")
                        copy.write_row((org_id, made[-1], clock.now(), wallet_id, *charge))
        # Autovacuum may do so while the rows are not committed, and would find an empty ledger.
        owner.execute("ANALYZE wallets, transactions")
    return made
