"""Goal 3: a charge over HTTP and a webhook's acknowledgment, beside an endpoint that signs in and does nothing."""

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from uuid import uuid4

from redis import Redis

from bench import books, load
from bench.gunicorn_site import serving
from bench.report import Report
from bench.servers import Cluster, Database
from bench.size import ROUNDS, Size
from dashboard.core.db import transaction
from dashboard.domain.access import keys
from dashboard.domain.audit import SYSTEM
from dashboard.domain.organizations import organizations
from dashboard.providers.dummy import SIGNATURE_HEADER, DummyProvider

ORGS = 200
AMOUNT = 25
CONNECTIONS = 4
MOST_A_SECOND = 8_000
"""More than a server here answers, so that no key comes round again within a measurement."""

Caller = tuple[str, str]
"""An organization's id and its key."""


@dataclass
class Endpoint:
    """What is posted to it, and what it answered in each round."""

    make: Callable[[], load.Request]
    loads: list[load.Load]

    def measure(self, port: int, seconds: float) -> int:
        """Post for some seconds and return how many were taken."""
        wanted = (self.make() for _ in range(int(seconds * MOST_A_SECOND)))
        found = load.post(port, wanted, seconds, connections=CONNECTIONS)
        if found.refused:
            raise RuntimeError(f"{found.refused} of {found.requests} requests were refused; see the server's log")
        self.loads.append(found)
        return found.requests

    @property
    def rates(self) -> list[float]:
        return [one.rate for one in self.loads]

    def p(self, part: str) -> float:
        return median(getattr(one, part) for one in self.loads)


def measure(cluster: Cluster, size: Size, report: Report) -> None:
    with cluster.database("http") as database:
        books.add_orgs(database, ORGS)
        books.fund(database)
        callers = _callers(database)
        endpoints = {
            "null": Endpoint(lambda: _post(random.choice(callers), "/api/v1/null"), []),
            "charge_spread": Endpoint(lambda: _charge(random.choice(callers)), []),
            "charge_hot": Endpoint(lambda: _charge(callers[0]), []),
            "webhook": Endpoint(_webhooks(database).__next__, []),
        }
        rows, events = _run(database, endpoints, size.seconds)
        checked = books.check(database, expected=rows, slack=(ROUNDS + 1) * 2 * CONNECTIONS, events=events)
        Redis.from_url(database.redis_url).flushdb()  # the bells that no worker answered
    _tell(endpoints, report, checked)


def _run(database: Database, endpoints: dict[str, Endpoint], seconds: float) -> tuple[int, int]:
    """How many rows and events there must be afterwards, give or take the answers still under way at the end."""
    rows, events = books.count(database), 0
    with serving(database) as port:
        for number in range(ROUNDS + 1):
            for name, endpoint in endpoints.items():
                taken = endpoint.measure(port, seconds)
                rows += taken if name.startswith("charge") else 0
                events += taken if name == "webhook" else 0
                if number == 0:  # warm: plans, connections
                    endpoint.loads.clear()
    return rows, events


def _tell(endpoints: dict[str, Endpoint], report: Report, checked: books.Checked) -> None:
    null = endpoints["null"]
    print(f"  {load.generator()}, {CONNECTIONS} connections; median and 99th percentile of an answer's time in ms:")
    print("  " + ", ".join(f"{name} {one.p('p50'):.1f} {one.p('p99'):.1f}" for name, one in endpoints.items()))
    for name, slowest in (("charge_spread", 10), ("charge_hot", 10), ("webhook", 150)):
        endpoint = endpoints[name]
        report.ratio(3, f"http_{name}", endpoint.rates, null.rates, against="the null endpoint, signed in",
                     target=0.25, checked=checked)  # fmt: skip
        report.value(3, f"http_{name}_p99", endpoint.p("p99"), "ms", target=slowest, checked=checked,
                     p50=endpoint.p("p50"))  # fmt: skip


def _callers(database: Database) -> list[Caller]:
    """A key for each organization, used a moment ago: the note of its use, once a minute, is not in the figures."""
    made = []
    with database.app():
        for number in range(1, ORGS + 1):
            org = organizations.by_id(books.org_id(number))
            assert org is not None
            with transaction(org.id):
                key = keys.make(org, name="bench", scopes=["wallet:charge"], mode="test", by=SYSTEM)
                keys.used(key.row, ip=None)
            made.append((str(org.id), key.key))
    return made


def _charge(caller: Caller) -> load.Request:
    return _post(caller, f"/api/v1/orgs/{caller[0]}/wallet")


def _post(caller: Caller, path: str) -> load.Request:
    body = {
        "operation": "charge",
        "amount_micros": AMOUNT,
        "description": "One request",
        "idempotency_key": str(uuid4()),
    }
    return load.Request(path, ("Authorization", f"Bearer {caller[1]}"), json.dumps(body))


def _webhooks(database: Database) -> Iterator[load.Request]:
    """Signed events, each a new one."""
    provider = DummyProvider(database.settings().secret_key.get_secret_value())
    while True:
        moment = str(int(time.time()))
        session = {"id": f"dummy_cs_{uuid4().hex}", "object": "checkout.session", "mode": "payment", "livemode": False,
                   "status": "complete", "payment_status": "paid", "metadata": {}}  # fmt: skip
        event = {"id": f"dummy_evt_{uuid4().hex}", "object": "event", "type": "checkout.session.completed",
                 "created": int(moment), "livemode": False, "data": {"object": session}}  # fmt: skip
        body = json.dumps(event)
        signature = f"{moment},{provider._signature(moment, body.encode())}"
        yield load.Request("/admin/api/v1/webhooks/payments", (SIGNATURE_HEADER, signature), body)
