"""Goals 8 and 9: pages must not grow with the ledger. Cost management, and the list of transactions at any depth."""

import base64
import http.client
import re
import time
from collections.abc import Sequence
from statistics import median

from bench import books
from bench.gunicorn_site import serving
from bench.report import Report
from bench.servers import Cluster, Database
from bench.size import ROUNDS, SMALLEST, Size
from dashboard.core import ids
from dashboard.core.db import db, transaction
from dashboard.domain.identity import sessions
from dashboard.models import Membership, User
from dashboard.web.sessions import RowSessions

SMALL, LARGE, BYSTANDERS = 1, 2, 1_000
VIEWS = 20
"""Of a page in one round; the median counts. More than PostgreSQL needs to settle for a plan."""


class Browser:
    """One signed-in person and one connection."""

    def __init__(self, port: int, cookie: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._headers = {"Cookie": cookie, "Accept-Encoding": "identity"}

    def get(self, path: str) -> tuple[float, str]:
        """Milliseconds and the page. Raises RuntimeError unless it is one."""
        started = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        took = (time.perf_counter() - started) * 1e3
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}")
        return took, body.decode()

    def views(self, path: str) -> float:
        """The median time of a page, in milliseconds."""
        return median(self.get(path)[0] for _ in range(VIEWS))


def measure(cluster: Cluster, size: Size, report: Report) -> None:
    with cluster.database("pages") as database:
        books.add_orgs(database, BYSTANDERS)
        for number, rows in ((SMALL, SMALLEST), (LARGE, size.largest)):
            books.add_history(database, number, rows)
        cookie = _signed_in(database, (SMALL, LARGE))
        with serving(database) as port:
            browser = Browser(port, cookie)
            costs = _compare(browser, "/o/bench-{}/", [(SMALL,), (LARGE,)])
            lists = _compare(browser, "/o/bench-{}/transactions", [(SMALL,), (LARGE,)])
            deep_path = _deep(browser, size.largest)
            depth = _compare(browser, "{}", [(f"/o/bench-{LARGE}/transactions",), (deep_path,)])
        checked = books.check(database)
    names = f"{SMALLEST:,} transactions", f"{size.largest:,} transactions"
    for goal, name, (small, large), against in (
        (8, "page_costs_growth", costs, names[0]),
        (9, "page_transactions_growth", lists, names[0]),
        (9, "page_transactions_depth", depth, "its first page"),
    ):
        report.ratio(goal, name, large, small, against=against, target=1.5 if goal == 8 else 2, checked=checked,
                     unit="ms", most=True)  # fmt: skip


def _compare(browser: Browser, path: str, both: Sequence[tuple[object, ...]]) -> tuple[list[float], list[float]]:
    """Median times of two pages, round by round, after one round that warms every connection of the server."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(ROUNDS + 1):
        for one, each in zip(both, times, strict=True):
            took = browser.views(path.format(*one))
            if number:
                each.append(took)
    return times


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


def _signed_in(database: Database, numbers: Sequence[int]) -> str:
    """The cookie of someone who owns these organizations."""
    with database.app() as app:
        user = User(id=ids.new(), email="bench@example.test", name="Bench", password_hash="-")
        with transaction():
            db.session.add(user)
        for number in numbers:
            with transaction(books.org_id(number)):
                db.session.add(Membership(org_id=books.org_id(number), user_id=user.id, role="owner"))
        with transaction():
            token = sessions.start(user_id=user.id, csrf_token=None, state={}).token
        found = app.session_interface
        assert isinstance(found, RowSessions)
        return f"{found.cookie}={token}"
