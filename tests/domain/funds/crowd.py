"""A wallet with many rows, of which a few count to one user, and how much of it a look reads."""

from collections.abc import Callable
from uuid import UUID

import psycopg

from dashboard.core import clock, ids
from dashboard.core.db import db, transaction
from dashboard.models import Organization, Wallet
from tests.domain.funds.test_wide_lists import READ, TRANSACTION, WALLET
from tests.servers import Servers

ROWS, OWN_EVERY = 60_000, 600
"""Rows of the wallet, of which every 600th counts to the user."""

Crowd = tuple[Wallet, UUID]


def make_crowd(org: Organization, servers: Servers) -> Crowd:
    wallet_id, user_id, now = ids.new(), ids.new(), clock.now()
    columns = f"{TRANSACTION}, member_id"
    with psycopg.connect(servers.database_url.replace("+psycopg", "")) as owner, owner.cursor() as cursor:
        owner.execute("SET session_replication_role = replica")
        with cursor.copy(f"COPY wallets ({WALLET}) FROM STDIN") as copy:
            copy.write_row((org.id, wallet_id, now, "test", "tokens", 0, 0, ROWS, 0, 0))
        with cursor.copy(f"COPY transactions ({columns}) FROM STDIN") as copy:
            for seq in range(1, ROWS + 1):
                user = user_id if seq % OWN_EVERY == 0 else None
                charge = ("test", seq, "charge", -1, 1 - seq, -seq, "api", f"c{seq}", "call", "key", "a", user)
                copy.write_row((org.id, ids.new(), now, wallet_id, *charge))
        cursor.execute(
            "INSERT INTO wallet_days (org_id, wallet_id, day, type, app, amount, count)"
            " VALUES (%s, %s, %s, 'charge', 'a', %s, %s)", (org.id, wallet_id, now.date(), -ROWS, ROWS),
        )  # fmt: skip
        owner.execute("ANALYZE wallets, transactions")
    return db.session.get_one(Wallet, (org.id, wallet_id)), user_id


def rows_read(look: Callable[[], object]) -> int:
    with transaction():
        look()
        return int(db.session.scalar(READ) or 0)
