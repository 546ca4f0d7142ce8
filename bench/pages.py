"""Goals 8 and 9: pages must not grow with the ledger. Cost management, and the list of transactions at any depth."""

import base64
import re

from bench import books
from bench.browser import Browser, compare, signed_in
from bench.gunicorn_site import serving
from bench.report import Report
from bench.servers import Cluster
from bench.size import SMALLEST, Size

SMALL, LARGE, BYSTANDERS = 1, 2, 1_000


def measure(cluster: Cluster, size: Size, report: Report) -> None:
    with cluster.database("pages") as database:
        books.add_orgs(database, BYSTANDERS)
        for number, rows in ((SMALL, SMALLEST), (LARGE, size.largest)):
            books.add_history(database, number, rows)
        cookie = signed_in(database, (SMALL, LARGE))
        with serving(database) as port:
            browser = Browser(port, cookie)
            costs, lists = (
                compare((browser, f"/o/bench-{SMALL}/{tail}"), (browser, f"/o/bench-{LARGE}/{tail}"))
                for tail in ("", "transactions")
            )
            deep = _deep(browser, size.largest)
            depth = compare((browser, f"/o/bench-{LARGE}/transactions"), (browser, deep))
        checked = books.check(database)
    names = f"{SMALLEST:,} transactions", f"{size.largest:,} transactions"
    for goal, name, (small, large), against in (
        (8, "page_costs_growth", costs, names[0]),
        (9, "page_transactions_growth", lists, names[0]),
        (9, "page_transactions_depth", depth, "its first page"),
    ):
        report.ratio(goal, name, large, small, against=against, target=1.5 if goal == 8 else 2, checked=checked,
                     unit="ms", most=True)  # fmt: skip


def _deep(browser: Browser, rows: int) -> str:
    """The address of the page in the middle: that of the second page, with another number of a row at its end."""
    found = re.search(r'href="(/o/[^"]*[?&;]cursor=)([^"&]+)"', browser.get(f"/o/bench-{LARGE}/transactions")[1])
    if not found:
        raise RuntimeError("the list has no second page")
    cursor = base64.urlsafe_b64decode(found[2] + "=" * (-len(found[2]) % 4))
    middle = cursor[:-8] + (rows // 2).to_bytes(8, "big")
    path = found[1] + base64.urlsafe_b64encode(middle).rstrip(b"=").decode()
    if f"Request {rows // 2 - 1}" not in browser.get(path)[1]:
        raise RuntimeError(f"{path} does not show the middle of the list")
    return path
