"""Goal 11: how fast the seals of a ledger are recomputed, and made; beside the bare reading of its rows.

Also what the tick pays to find unsealed rows among many wallets, where nothing is to do.
"""

import resource
import time
from statistics import median

from bench import books
from bench.report import Report
from bench.servers import Cluster, Database
from bench.size import ROUNDS, Size
from dashboard.core.db import db
from dashboard.domain.funds import seals
from dashboard.domain.platform import verify

TARGET = 200_000
LARGE, SHARE = 1, 10
"""One organization has nine tenths of the rows, the others have the rest."""


def measure(cluster: Cluster, size: Size, report: Report) -> None:
    with cluster.database("seals") as database, database.app():
        rows = size.largest
        books.add_orgs(database, size.wallets)
        books.add_history(database, LARGE, rows - rows // SHARE)
        for number in range(2, 2 + SHARE):
            books.add_history(database, number, rows // SHARE // SHARE)
        made = _seal(rows)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        rates, bare = [], []
        for _ in range(ROUNDS):
            bare.append(rows / _read(database))
            started = time.perf_counter()
            if found := verify.broken(only="seals"):
                raise RuntimeError(f"sound books, but {found[0]}")
            rates.append(rows / (time.perf_counter() - started))
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        started = time.perf_counter()
        if seals.due(seconds=0):
            raise RuntimeError("rows are left unsealed")
        looked = (time.perf_counter() - started) * 1e3
        checked = books.check(database, expected=rows)
    print(f"  {made:,.0f} rows sealed a second; {grown:.0f} MiB more memory while checking")
    report.ratio(11, "seals_verify_to_bare_read", rates, bare, against="COPY of the rows to nowhere", target=0.3,
                 checked=checked, unit="rows/s")  # fmt: skip
    report.value(11, "seals_verify", median(rates), "rows/s", target=TARGET, checked=checked, most=False)
    report.value(11, f"seals_due_{size.wallets}_wallets", looked, "ms", target=500, checked=checked)


def _seal(rows: int) -> float:
    """Rows sealed a second."""
    started = time.perf_counter()
    for org_id in seals.due(seconds=0):
        while seals.seal(org_id):
            pass
    db.session.remove()
    return rows / (time.perf_counter() - started)


def _read(database: Database) -> float:
    """Seconds to read every row in the ledger's order, and do nothing with it."""
    started = time.perf_counter()
    query = "COPY (SELECT * FROM transactions ORDER BY org_id, wallet_id, seq) TO STDOUT"
    with database.owner() as owner, owner.cursor() as cursor, cursor.copy(query) as copy:
        for _ in copy:
            pass
    return time.perf_counter() - started
