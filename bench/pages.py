"""Goals 8, 9, 15 and 16: pages must not grow with the ledger, with metrics or with apps. Cost management and usage, and
the lists of transactions and of usage events at any depth."""

import base64
import html
import re
from dataclasses import dataclass

from bench import books, usage
from bench.browser import Browser, compare, signed_in
from bench.gunicorn_site import serving
from bench.report import Report
from bench.servers import Cluster, Database
from bench.size import SMALLEST, Size

SMALL, LARGE, ONE_METRIC, MANY_APPS = 1, 2, 3, 4
BYSTANDERS = 1_000
METRICS, APPS = 50, 10_000
SIGN_IN = "/login"


@dataclass(frozen=True)
class Comparison:
    """A page beside another: how many times as long it may take."""

    goal: int
    name: str
    page: str
    other: str
    against: str
    target: float


def measure(cluster: Cluster, size: Size, report: Report) -> None:
    with cluster.database("pages") as database:
        _fill(database, size)
        cookie = signed_in(database, (SMALL, LARGE, ONE_METRIC, MANY_APPS))
        with serving(database) as site:
            browser, stranger = Browser(site.port, cookie), Browser(site.port, "")
            found = [
                (one, compare((stranger if one.other == SIGN_IN else browser, one.other), (browser, one.page)))
                for one in _comparisons(browser, database, size)
            ]
        checked = books.check(database)
    for one, (baseline, ours) in found:
        report.ratio(one.goal, one.name, ours, baseline, against=one.against, target=one.target, checked=checked,
                     unit="ms", most=True)  # fmt: skip


def _fill(database: Database, size: Size) -> None:
    books.add_orgs(database, BYSTANDERS)
    with database.app():
        usage.add_metrics(METRICS)
    for number, rows, metrics, apps in (
        (SMALL, SMALLEST, METRICS, 4),
        (LARGE, size.largest, METRICS, 4),
        (ONE_METRIC, SMALLEST, 1, 4),
        (MANY_APPS, SMALLEST, METRICS, APPS),
    ):
        books.add_history(database, number, rows, apps=apps)
        usage.add_history(database, number, metrics)


def _comparisons(browser: Browser, database: Database, size: Size) -> list[Comparison]:
    def page(number: int, tail: str) -> str:
        return f"/o/bench-{number}{tail}"

    few = f"{SMALLEST:,} transactions"
    grown = [
        Comparison(goal, f"page_{name}_growth", page(LARGE, tail), page(SMALL, tail), few, target)
        for goal, name, tail, target in (
            (8, "costs", "/", 1.5),
            (8, "usage", "/usage", 1.5),
            (8, "usage_by_app", "/usage?group=app", 1.5),
            (9, "transactions", "/transactions?range=all", 2),
            (9, "usage_events_of_metric", "/usage?metric=bench-07", 2),
        )
    ]
    deep = [
        Comparison(9, f"page_{name}_depth", _deep(browser, database, first, keyset, size.largest), first,
                   "its first page", 2)
        for name, first, keyset in (
            ("transactions", page(LARGE, "/transactions?range=all"), TRANSACTIONS),
            ("usage_events", page(LARGE, "/usage?range=90"), EVENTS),
        )
    ]  # fmt: skip
    return [
        *grown,
        *deep,
        Comparison(15, "page_costs_to_sign_in", page(SMALL, "/"), SIGN_IN, "the sign-in page", 5),
        Comparison(15, "page_costs_metrics", page(SMALL, "/"), page(ONE_METRIC, "/"), f"1 metric, now {METRICS}", 1.5),
        Comparison(16, "page_costs_apps", page(MANY_APPS, "/"), page(SMALL, "/"), f"4 apps, now {APPS:,}", 1.5),
    ]


@dataclass(frozen=True)
class Keyset:
    """How a list's cursor ends: with the place of the row that the page before it ended at."""

    table: str
    order: str
    place: str


TRANSACTIONS = Keyset("transactions", "seq", "int8send(seq)")
EVENTS = Keyset("usage_events", "occurred_at, id",
                "int8send(CAST(extract(epoch FROM occurred_at) * 1000000 AS bigint)) || uuid_send(id)")  # fmt: skip


def _deep(browser: Browser, database: Database, path: str, keyset: Keyset, rows: int) -> str:
    """The address of the page in the middle: that of the second page, with another row's place at its end."""
    found = re.search(r'href="(/o/[^"]*[?&;]cursor=)([^"&]+)"', browser.get(path)[1])
    if not found:
        raise RuntimeError(f"{path} has no second page")
    query = f"SELECT id, {keyset.place} FROM {keyset.table} WHERE org_id = %s ORDER BY {keyset.order} OFFSET %s LIMIT 2"
    with database.owner() as owner:
        (below, _), (_, place) = owner.execute(query.encode(), (books.org_id(LARGE), rows // 2)).fetchall()
    cursor = base64.urlsafe_b64decode(found[2] + "=" * (-len(found[2]) % 4))
    middle = base64.urlsafe_b64encode(cursor[: -len(place)] + place).rstrip(b"=").decode()
    deep = html.unescape(found[1]) + middle
    if str(below) not in browser.get(deep)[1]:
        raise RuntimeError(f"{deep} does not show the middle of the list")
    return deep
