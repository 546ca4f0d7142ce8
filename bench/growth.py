"""Goal 7: a charge and a batch cost the same however many rows the ledger has."""

from collections.abc import Callable

from bench import batches, books, pgbench
from bench.report import Report
from bench.servers import Cluster, Database
from bench.singles import debit
from bench.size import ROUNDS, SMALLEST, Size

HISTORY, FIRST, WALLETS = 1, 2, 1_000


def measure(cluster: Cluster, size: Size, report: Report) -> None:
    """Two ledgers side by side; the statements are timed in the database alone, where growth would show."""
    if size.name == "quick":
        print("  growth: left out by BENCH=quick")
        return
    with cluster.database("small") as small, cluster.database("large") as large:
        written = []
        for database, rows in ((small, SMALLEST), (large, size.largest)):
            books.add_orgs(database, WALLETS + 1)
            books.add_wide_org(database, batches.WALLETS)
            books.add_history(database, HISTORY, rows)
            books.fund(database)
            written.append(books.count(database))
        ways: dict[str, Callable[[Database], tuple[int, float]]] = {
            "charge": lambda database: pgbench.run(database, _single(), size.seconds),
            "batch": lambda database: batches.sql(database, batches.WALLETS)(size.seconds),
        }
        rates: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in ways}
        for number in range(ROUNDS + 1):
            for name, way in ways.items():
                for place, database in enumerate((small, large)):
                    count, rate = way(database)
                    written[place] += count
                    if number:  # the first round warms
                        rates[name][place].append(rate)
        checks = [books.check(database, expected=rows) for database, rows in zip((small, large), written, strict=True)]
    checked = books.Checked(sum(one.rows for one in checks), (*checks[0].broken, *checks[1].broken))
    for name, target in (("charge", 1.25), ("batch", 1.5)):
        # How many times longer one takes in the larger ledger.
        before, now = ([1e6 / rate for rate in each] for each in rates[name])
        report.ratio(7, f"{name}_growth", now, before,
                     against=f"at {SMALLEST:,} rows, now {size.largest:,}", target=target, checked=checked, unit="us",
                     most=True)  # fmt: skip


def _single() -> str:
    return f"\\set n random({FIRST}, {FIRST + WALLETS - 1})\n{debit()}"
