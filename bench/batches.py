"""Goal 4: a batch of 1,000 charges or usage events, one client, beside the same SQL and beside our single."""

import random
import time
from uuid import UUID, uuid4

from bench import books, pgbench, usage
from bench.report import Report
from bench.servers import Cluster, Database
from bench.singles import AMOUNT, Wallets, Way, charge, rounds
from bench.size import Size
from dashboard.core.db import transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import ledger, ledger_sql

BATCH = 1_000
WALLETS = 1_000
ORG = books.org_id(books.ONE_ORG)

# Which wallets a batch charges follows from its random number :k, so that the lock and the batch name the same ones.
_PICK = books.ORG_ID.format(
    n=f"(CAST({books.ONE_ORG} AS bigint) + (hashint8(CAST(:k AS bigint) + g) & 2147483647) %% :wallets)"
).replace("%%", "%")


def _array(expression: str) -> str:
    return f"(SELECT array_agg({expression} ORDER BY g) FROM generate_series(1, {BATCH}) AS g)"


_VALUES = {
    "org": f"'{ORG}'", "mode": "'test'", "origin": "'bench'", "type": "'charge'", "at": "clock_timestamp()",
    "actor_kind": "'system'", "actor_id": "NULL", "members": _array("CAST(NULL AS uuid)"),
    "ids": _array("uuidv7()"), "wallets": _array(_PICK),
    "amounts": _array(f"CAST({-AMOUNT} AS bigint)"), "keys": _array(f"CAST({pgbench.KEY} AS text)"),
    "apps": _array("CAST('api' AS text)"),
    "descriptions": _array("CAST('One request' AS text)"), "hashes": _array("CAST(NULL AS bytea)"),
}  # fmt: skip

SCRIPT = "\n".join(
    [
        "\\set k random(1, 9000000000000000)",
        "\\startpipeline",
        "BEGIN;",
        pgbench.filled(ledger_sql.PLAN, {}),
        pgbench.filled(ledger_sql.LOCK, _VALUES),
        pgbench.filled(ledger_sql.BATCH, _VALUES),
        "COMMIT;",
        "\\endpipeline",
    ]
)


def measure(cluster: Cluster, size: Size, report: Report) -> None:
    with cluster.database("batches") as database, database.app():
        books.add_orgs(database, size.wallets)
        books.add_wide_org(database, WALLETS)
        books.fund(database)
        usage.add_metrics(1)
        for name, wallets, orgs in (("spread", WALLETS, size.wallets), ("hot", 1, 1)):
            _compare(name, database, wallets, Wallets(database, orgs), size.seconds, report)


def _compare(
    name: str, database: Database, wallets: int, singles: Wallets, seconds: float, report: Report
) -> None:  # fmt: skip
    ways = {
        "pgbench": sql(database, wallets), "one wallet": sql(database, 1), "batch": _python(wallets),
        "usage": _usage(singles), "single": singles.python(charge),
    }  # fmt: skip
    rates, checked = rounds(database, ways, seconds)
    report.ratio(4, f"batch_{name}", rates["batch"], rates["pgbench"],
                 against="pgbench, the same statements", target=0.7, checked=checked)  # fmt: skip
    report.ratio(4, f"batch_{name}_to_single", rates["batch"], rates["single"],
                 against="our own single charge", target=7, checked=checked)  # fmt: skip
    report.ratio(4, f"usage_batch_{name}", rates["usage"], rates["one wallet"],
                 against="pgbench, a batch of plain charges on one wallet", target=0.5, checked=checked)  # fmt: skip


def sql(database: Database, wallets: int, *, clients: int = 1) -> Way:
    def run(seconds: float) -> tuple[int, float]:
        script = f"\\set wallets {wallets}\n{SCRIPT}"
        batches, rate = pgbench.run(database, script, seconds, clients=clients, prepared=False)
        return BATCH * batches, BATCH * rate

    return run


def _python(wallets: int) -> Way:
    of_org = [books.org_id(books.ONE_ORG + number) for number in range(wallets)]

    def run(seconds: float) -> tuple[int, float]:
        number, started = 0, time.perf_counter()
        while (passed := time.perf_counter() - started) < seconds:
            _post(of_org)
            number += BATCH
        return number, number / passed

    return run


def _usage(wallets: Wallets) -> Way:
    """Priced usage events: each batch is of one organization and its wallet."""

    def run(seconds: float) -> tuple[int, float]:
        number, started = 0, time.perf_counter()
        while (passed := time.perf_counter() - started) < seconds:
            _, org = random.choice(wallets.loaded)
            usage.record(org, BATCH)
            number += BATCH
        return number, number / passed

    return run


def _post(wallets: list[UUID]) -> None:
    entries = [
        ledger.LedgerEntry(random.choice(wallets), AMOUNT, str(uuid4()), description="One request", app="api")
        for _ in range(BATCH)
    ]
    with transaction(ORG):
        results = ledger.post_batch(ORG, entries, mode="test", origin="bench", by=SYSTEM)
    refused = [result for result in results if not isinstance(result, ledger.Posting)]
    if refused:
        raise refused[0]
