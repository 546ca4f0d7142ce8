"""Goals 1 and 2: one charge, one client, beside the same SQL and beside the usual ways; also with a spend limit."""

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
from dashboard.domain.funds import charging, ledger_sql
from dashboard.models import Organization, Transaction, Wallet, WalletDay

AMOUNT = 25


def debit(org: str = pgbench.NUMBER) -> str:
    """The product's statement for pgbench: a charge of wallet `:n` of the organization."""
    return pgbench.filled(
        ledger_sql.DEBIT,
        {
            "org": org, "wallet": pgbench.NUMBER, "id": "uuidv7()", "at": "clock_timestamp()",
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
    """What is charged: `count` organizations from number `first` on, with one wallet each. Who charges has found both
    before, so all of them are loaded."""

    database: Database
    count: int
    first: int = 1

    def __post_init__(self) -> None:
        numbers = [books.org_id(number) for number in range(self.first, self.first + self.count)]
        orgs = {org.id: org for org in db.session.scalars(select(Organization).where(Organization.id.in_(numbers)))}
        rows = db.session.scalars(select(Wallet).where(Wallet.id.in_(numbers)))
        self.loaded = [(wallet, orgs[wallet.org_id]) for wallet in rows]

    def sql(self, script: str) -> Way:
        numbered = f"\\set n random({self.first}, {self.first + self.count - 1})\n{script}"
        return lambda seconds: pgbench.run(self.database, numbered, seconds)

    def python(self, charge: Callable[[Wallet, Organization], object]) -> Way:
        def run(seconds: float) -> tuple[int, float]:
            number, started = 0, time.perf_counter()
            while (passed := time.perf_counter() - started) < seconds:
                charge(*random.choice(self.loaded))
                number += 1
            return number, number / passed

        return run


def measure(cluster: Cluster, size: Size, report: Report) -> None:
    for name, wallets in (("spread", size.wallets), ("hot", 1)):
        with cluster.database("singles") as database, database.app():
            books.add_orgs(database, 2 * wallets)
            books.add_limits(database, range(wallets + 1, 2 * wallets + 1))
            books.fund(database)
            free, limited = Wallets(database, wallets), Wallets(database, wallets, first=wallets + 1)
            _compare(name, free, limited, size.seconds, report)


def charge(wallet: Wallet, org: Organization) -> None:
    charging.charge(
        wallet, org=org, amount=AMOUNT, origin="bench", key=str(uuid4()), by=SYSTEM, app="api",
        description="One request",
    )  # fmt: skip


def rounds(database: Database, ways: dict[str, Way], seconds: float) -> tuple[dict[str, list[float]], books.Checked]:
    """What each way reaches in each round, all ways in turn, after a short one that warms plans, caches and WAL files.
    Checks that every charge is there."""
    written = books.count(database)
    written += sum(way(seconds / 3)[0] for way in ways.values())
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            number, rate = way(seconds)
            written += number
            rates[name].append(rate)
    return rates, books.check(database, expected=written)


def _compare(name: str, wallets: Wallets, limited: Wallets, seconds: float, report: Report) -> None:
    ways = {
        "pgbench": wallets.sql(debit()), "charge": wallets.python(charge), "limited": limited.python(charge),
        "naive": wallets.sql(NAIVE), "orm": wallets.python(_unit_of_work),
    }  # fmt: skip
    rates, checked = rounds(wallets.database, ways, seconds)
    report.ratio(1, f"charge_{name}", rates["charge"], rates["pgbench"],
                 against="pgbench, the same statement", target=0.8, checked=checked)  # fmt: skip
    report.ratio(1, f"charge_limited_{name}", rates["limited"], rates["pgbench"],
                 against="pgbench, the same statement without a limit", target=0.5, checked=checked)  # fmt: skip
    report.ratio(2, f"charge_{name}_to_five_round_trips", rates["charge"], rates["naive"],
                 against="pgbench, five round trips", target=0.8, checked=checked)  # fmt: skip
    report.ratio(2, f"charge_{name}_to_orm", rates["charge"], rates["orm"],
                 against="SQLAlchemy's unit of work", target=2.5, checked=checked)  # fmt: skip


def _unit_of_work(wallet: Wallet, _: Organization) -> None:
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
