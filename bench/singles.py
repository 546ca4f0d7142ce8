"""Goals 1 and 2: one charge by `ledger.post`, one client, beside the same SQL and beside the usual ways."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from bench import books, pgbench
from bench.report import Report
from bench.servers import Cluster, Database
from bench.size import ROUNDS, Size
from dashboard.core import clock
from dashboard.core.db import db, lock, transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import ledger, ledger_sql
from dashboard.models import Transaction, Wallet, WalletDay

AMOUNT = 25

DEBIT = pgbench.filled(
    ledger_sql.DEBIT,
    {
        "org": pgbench.NUMBER, "wallet": pgbench.NUMBER, "id": "uuidv7()", "at": "clock_timestamp()",
        "type": "'charge'", "amount": f"'{-AMOUNT}'", "origin": "'bench'", "key": pgbench.KEY, "body_hash": "NULL",
        "description": "'One request'", "reason": "NULL", "actor_kind": "'system'", "actor_id": "NULL",
        "app": "'api'", "member_id": "NULL", "payment_id": "NULL", "grant_id": "NULL",
        "floored": "true", "spending": "true",
    },
)  # fmt: skip

# Five round trips, and the same rows written as by the product's statement.
NAIVE = f"""BEGIN;
SELECT balance AS balance, seq + 1 AS seq FROM wallets WHERE org_id = {pgbench.NUMBER} AND id = {pgbench.NUMBER} FOR UPDATE \\gset
INSERT INTO transactions (org_id, id, created_at, wallet_id, mode, seq, type, amount, balance_before, balance_after, origin, key, description, actor_kind, app) VALUES ({pgbench.NUMBER}, uuidv7(), clock_timestamp(), {pgbench.NUMBER}, 'test', :seq, 'charge', -{AMOUNT}, :balance, CAST(:balance AS bigint) - {AMOUNT}, 'bench', {pgbench.KEY}, 'One request', 'system', 'api');
WITH moved AS (UPDATE wallets SET balance = balance - {AMOUNT}, seq = :seq, last_posted_at = clock_timestamp() WHERE org_id = {pgbench.NUMBER} AND id = {pgbench.NUMBER}) INSERT INTO wallet_days AS d (org_id, wallet_id, day, type, app, amount, count) VALUES ({pgbench.NUMBER}, {pgbench.NUMBER}, CAST(now() AT TIME ZONE 'UTC' AS date), 'charge', 'api', -{AMOUNT}, 1) ON CONFLICT (org_id, wallet_id, day, type, app) DO UPDATE SET amount = d.amount + excluded.amount, count = d.count + 1;
COMMIT;"""  # noqa: E501 - pgbench takes a statement a line

Way = Callable[[float], tuple[int, float]]
"""Charges for some seconds; returns how many, and how many a second."""


@dataclass
class Wallets:
    """What is charged: numbers 1 to `count`. Who charges has found the wallet before, so all of them are loaded."""

    database: Database
    count: int

    def __post_init__(self) -> None:
        numbers = [books.org_id(number) for number in range(1, self.count + 1)]
        self.loaded = list(db.session.scalars(select(Wallet).where(Wallet.id.in_(numbers))))

    def any(self) -> Wallet:
        return random.choice(self.loaded)

    def sql(self, script: str) -> Way:
        numbered = f"\\set n random(1, {self.count})\n{script}"
        return lambda seconds: pgbench.run(self.database, numbered, seconds)

    def python(self, charge: Callable[[Wallet], object]) -> Way:
        def run(seconds: float) -> tuple[int, float]:
            number, started = 0, time.perf_counter()
            while (passed := time.perf_counter() - started) < seconds:
                charge(self.any())
                number += 1
            return number, number / passed

        return run


def measure(cluster: Cluster, size: Size, report: Report) -> None:
    for name, wallets in (("spread", size.wallets), ("hot", 1)):
        with cluster.database("singles") as database, database.app():
            books.add_orgs(database, wallets)
            books.fund(database)
            _compare(name, Wallets(database, wallets), size.seconds, report)


def post(wallet: Wallet) -> None:
    ledger.post(
        wallet, type="charge", amount=-AMOUNT, origin="bench", key=str(uuid4()), by=SYSTEM, app="api",
        description="One request",
    )  # fmt: skip


def _compare(name: str, wallets: Wallets, seconds: float, report: Report) -> None:
    ways = {
        "pgbench": wallets.sql(DEBIT), "post": wallets.python(post), "naive": wallets.sql(NAIVE),
        "orm": wallets.python(_unit_of_work),
    }  # fmt: skip
    written = books.count(wallets.database)
    written += sum(way(seconds / 3)[0] for way in ways.values())  # warm: plans, caches, WAL files
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, charge in ways.items():
            number, rate = charge(seconds)
            written += number
            rates[way].append(rate)
    checked = books.check(wallets.database, expected=written)
    report.ratio(1, f"charge_{name}", rates["post"], rates["pgbench"],
                 against="pgbench, the same statement", target=0.5, checked=checked)  # fmt: skip
    report.ratio(2, f"charge_{name}_to_five_round_trips", rates["post"], rates["naive"],
                 against="pgbench, five round trips", target=0.8, checked=checked)  # fmt: skip
    report.ratio(2, f"charge_{name}_to_orm", rates["post"], rates["orm"],
                 against="SQLAlchemy's unit of work", target=2.5, checked=checked)  # fmt: skip


def _unit_of_work(wallet: Wallet) -> None:
    """The charge as one would write it with an ORM."""
    with transaction(wallet.org_id) as session:
        found = lock(select(Wallet).filter_by(org_id=wallet.org_id, id=wallet.id))
        assert found is not None
        booked = select(Transaction.id).filter_by(org_id=found.org_id, mode="test", origin="bench", key=str(uuid4()))
        if session.scalar(booked) or found.available < AMOUNT:
            return
        before, found.balance, found.seq = found.balance, found.balance - AMOUNT, found.seq + 1
        found.last_posted_at = clock.now()
        row = Transaction(
            org_id=found.org_id, wallet_id=found.id, mode="test", seq=found.seq, type="charge", amount=-AMOUNT,
            balance_before=before, balance_after=found.balance, origin="bench", key=str(uuid4()),
            description="One request", actor_kind="system", app="api",
        )  # fmt: skip
        session.add(row)
        session.flush()
        day = {"org_id": found.org_id, "wallet_id": found.id, "day": clock.today(), "type": "charge", "app": "api"}
        upsert = insert(WalletDay).values(**day, amount=-AMOUNT, count=1)
        sums = {"amount": WalletDay.amount - AMOUNT, "count": WalletDay.count + 1}
        session.execute(upsert.on_conflict_do_update(index_elements=list(day), set_=sums))
