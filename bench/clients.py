"""Goals 6 and 7: 1 and 16 clients at once on one wallet, and on 10,000 wallets of one organization; singles, batches.

The product's statements by pgbench: beside the server, Python clients would measure themselves.
"""

from bench import batches, books, pgbench
from bench.report import Report
from bench.servers import Cluster, Database
from bench.singles import Way, debit, rounds
from bench.size import Size

CLIENTS, LEAST_SECONDS = 16, 3
PLACES = {"hot": 1, "wide": 10_000}


def measure(cluster: Cluster, size: Size, report: Report) -> None:
    with cluster.database("clients") as database:
        books.add_wide_org(database, PLACES["wide"])
        books.fund(database)
        for place, wallets in PLACES.items():
            _compare(database, place, wallets, max(size.seconds, LEAST_SECONDS), report)


def _compare(database: Database, place: str, wallets: int, seconds: float, report: Report) -> None:
    ways = {
        f"{kind}_{clients}": _way(database, kind, wallets, clients)
        for kind in ("charge", "batch")
        for clients in (1, CLIENTS)
    }
    before = _deadlocks(database)
    rates, checked = rounds(database, ways, seconds)
    checked = checked.also({"deadlocks": _deadlocks(database) - before})
    for kind in ("charge", "batch"):
        report.ratio(6, f"{kind}_{place}_{CLIENTS}_clients", rates[f"{kind}_{CLIENTS}"], rates[f"{kind}_1"],
                     against="1 client", target=0.7, checked=checked)  # fmt: skip


def _way(database: Database, kind: str, wallets: int, clients: int) -> Way:
    if kind == "batch":
        return batches.sql(database, wallets, clients=clients)
    numbered = f"\\set n random({books.ONE_ORG}, {books.ONE_ORG + wallets - 1})\n"
    script = numbered + debit(f"'{batches.ORG}'")
    return lambda seconds: pgbench.run(database, script, seconds, clients=clients)


def _deadlocks(database: Database) -> int:
    with database.owner() as owner:
        found = owner.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
    return int(found[0]) if found else 0
