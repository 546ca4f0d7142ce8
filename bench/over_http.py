"""Goals 3 and 5: a charge, a usage event, a batch of 1,000 of them, and a webhook's acknowledgment over HTTP, beside an
endpoint that signs in and does nothing."""

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any
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
from dashboard.domain.usage import metrics
from dashboard.models import PLATFORM_ORG_ID
from dashboard.providers.dummy import SIGNATURE_HEADER, DummyProvider

ORGS = 200
AMOUNT = 25
CONNECTIONS = 4
BATCH = 1_000
METRIC = "bench"
MOST_A_SECOND = 8_000
"""More than a server here answers, so that no key comes round again within a measurement."""

Caller = tuple[str, str]
"""An organization's id and its key."""


@dataclass
class Endpoint:
    """What is posted to it, and what it answered in each round."""

    make: Callable[[], load.Request]
    loads: list[load.Load]
    rows: int = 0
    """Ledger rows that each request makes."""

    def measure(self, port: int, seconds: float) -> int:
        """Post for some seconds and return how many were taken."""
        wanted = (self.make() for _ in range(int(seconds * MOST_A_SECOND) // max(self.rows, 1)))
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
            "charge_spread": Endpoint(lambda: _charge(random.choice(callers)), [], rows=1),
            "charge_hot": Endpoint(lambda: _charge(callers[0]), [], rows=1),
            "usage_spread": Endpoint(lambda: _usage(random.choice(callers)), [], rows=1),
            "usage_hot": Endpoint(lambda: _usage(callers[0]), [], rows=1),
            "usage_batch_spread": Endpoint(lambda: _batch(random.choice(callers)), [], rows=BATCH),
            "usage_batch_hot": Endpoint(lambda: _batch(callers[0]), [], rows=BATCH),
            "webhook": Endpoint(_webhooks(database).__next__, []),
        }
        rows, events = _run(database, endpoints, size.seconds)
        unanswered = (ROUNDS + 1) * CONNECTIONS * sum(max(one.rows, 1) for one in endpoints.values())
        checked = books.check(database, expected=rows, slack=unanswered, events=events)
        Redis.from_url(database.redis_url).flushdb()  # the bells that no worker answered
    _tell(endpoints, report, checked)


def _run(database: Database, endpoints: dict[str, Endpoint], seconds: float) -> tuple[int, int]:
    """How many rows and events there must be afterwards, give or take the answers still under way at the end."""
    rows, events = books.count(database), 0
    with serving(database) as port:
        for number in range(ROUNDS + 1):
            for name, endpoint in endpoints.items():
                taken = endpoint.measure(port, seconds)
                rows += taken * endpoint.rows
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

    for place, target in (("spread", 20), ("hot", 30)):
        single, batch = endpoints[f"usage_{place}"], endpoints[f"usage_batch_{place}"]
        report.ratio(3, f"http_usage_{place}", single.rates, null.rates, against="the null endpoint, signed in",
                     target=0.25, checked=checked)  # fmt: skip
        events = [rate * BATCH for rate in batch.rates]
        report.ratio(5, f"http_usage_batch_{place}", events, single.rates, against="one event per call, in events/s",
                     target=target, checked=checked)  # fmt: skip


def _callers(database: Database) -> list[Caller]:
    """A key for each organization, used a moment ago: the note of its use, once a minute, is not in the figures."""
    made = []
    with database.app():
        with transaction(PLATFORM_ORG_ID):
            metric = metrics.create(PLATFORM_ORG_ID, key=METRIC, name=METRIC, unit="unit", by=SYSTEM)
            metrics.set_price(PLATFORM_ORG_ID, metric, amount_micros=AMOUNT, by=SYSTEM)
        for number in range(1, ORGS + 1):
            org = organizations.by_id(books.org_id(number))
            assert org is not None
            with transaction(org.id):
                key = keys.make(org, name="bench", scopes=["wallet:charge", "usage:write"], mode="test", by=SYSTEM)
                keys.used(key.row, ip=None)
            made.append((str(org.id), key.key))
    return made


def _charge(caller: Caller) -> load.Request:
    return _post(caller, f"/api/v1/orgs/{caller[0]}/wallet")


def _usage(caller: Caller) -> load.Request:
    body = {"metric_key": METRIC, "units": 1, "app": "bench", "idempotency_key": str(uuid4())}
    return _sent(caller, f"/api/v1/orgs/{caller[0]}/usage", body)


def _batch(caller: Caller) -> load.Request:
    events = [{"metric_key": METRIC, "units": 1, "app": "bench", "idempotency_key": str(uuid4())} for _ in range(BATCH)]
    return _sent(caller, f"/api/v1/orgs/{caller[0]}/usage/batch", {"events": events})


def _sent(caller: Caller, path: str, body: dict[str, Any]) -> load.Request:
    return load.Request(path, ("Authorization", f"Bearer {caller[1]}"), json.dumps(body))


def _post(caller: Caller, path: str) -> load.Request:
    body = {
        "operation": "charge",
        "amount_micros": AMOUNT,
        "description": "One request",
        "idempotency_key": str(uuid4()),
    }
    return _sent(caller, path, body)


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
