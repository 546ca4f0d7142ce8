"""Goals 3, 5 and 6: a charge, a usage event, a batch of 1,000 of them, and a webhook's acknowledgment over HTTP, beside
an endpoint that signs in and does nothing."""

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any
from uuid import uuid4

from redis import Redis

from bench import books, load, processor, usage
from bench.gunicorn_site import Site, serving
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
BATCH = 1_000
CLIENTS = 16
LEAST_SECONDS = 4
"""Of a round of batches: one may take a second."""
METRIC = "bench-01"
MOST_A_SECOND = 8_000
"""More than a server here answers, so that no key comes round again within a measurement."""

Caller = tuple[str, str]
"""An organization's id and its key."""


@dataclass
class Endpoint:
    """What is posted to it, and what it answered in each round."""

    make: Callable[[], load.Request]
    rows: int = 0
    """Ledger rows that each request makes."""
    connections: int = CONNECTIONS
    loads: list[load.Load] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    """Seconds of processor time per request, of the web server and PostgreSQL."""

    def measure(self, site: Site, postgres: int, seconds: float) -> int:
        """Post for some seconds and return how many were taken."""
        wanted = [self.make() for _ in range(int(seconds * MOST_A_SECOND) // max(self.rows, 1))]
        seconds = max(seconds, LEAST_SECONDS) if self.rows > 1 else seconds
        before = processor.used(site.pid) + processor.used(postgres)
        found = load.post(site.port, wanted, seconds, connections=self.connections)
        if found.refused:
            raise RuntimeError(f"{found.refused} of {found.requests} requests were refused; see the server's log")
        self.processor.append((processor.used(site.pid) + processor.used(postgres) - before) / max(found.requests, 1))
        self.loads.append(found)
        return found.requests

    @property
    def rates(self) -> list[float]:
        return [one.rate for one in self.loads]

    @property
    def slowest(self) -> list[float]:
        return [one.p99 for one in self.loads]

    def p(self, part: str) -> float:
        return median(getattr(one, part) for one in self.loads)


def measure(cluster: Cluster, size: Size, report: Report) -> None:
    with cluster.database("http") as database:
        books.add_orgs(database, ORGS)
        books.fund(database)
        callers = callers_of(database)
        endpoints = {
            "null": Endpoint(lambda: _post(random.choice(callers), "/api/v1/null")),
            "charge_spread": Endpoint(lambda: _charge(random.choice(callers)), rows=1),
            "charge_hot": Endpoint(lambda: _charge(callers[0]), rows=1),
            "charge_hot_1": Endpoint(lambda: _charge(callers[0]), rows=1, connections=1),
            "charge_hot_16": Endpoint(lambda: _charge(callers[0]), rows=1, connections=CLIENTS),
            "usage_spread": Endpoint(lambda: _usage(random.choice(callers)), rows=1),
            "usage_hot": Endpoint(lambda: _usage(callers[0]), rows=1),
            "usage_batch_spread": Endpoint(lambda: batch(random.choice(callers)), rows=BATCH),
            "usage_batch_hot": Endpoint(lambda: batch(callers[0]), rows=BATCH),
            "webhook": Endpoint(_webhooks(database).__next__),
        }
        rows, events = _run(database, endpoints, size.seconds)
        unanswered = (ROUNDS + 1) * sum(one.connections * max(one.rows, 1) for one in endpoints.values())
        checked = books.check(database, expected=rows, slack=unanswered, events=events)
        Redis.from_url(database.redis_url).flushdb()  # the bells that no worker answered
    _tell(endpoints, report, checked)


def _run(database: Database, endpoints: dict[str, Endpoint], seconds: float) -> tuple[int, int]:
    """How many rows and events there must be afterwards, give or take the answers still under way at the end."""
    rows, events = books.count(database), 0
    with serving(database) as site:
        postgres = processor.server_of(database)
        for number in range(ROUNDS + 1):
            for name, endpoint in endpoints.items():
                taken = endpoint.measure(site, postgres, seconds)
                rows += taken * endpoint.rows
                events += taken if name == "webhook" else 0
                if number == 0:  # warm: plans, connections
                    endpoint.loads.clear()
                    endpoint.processor.clear()
    return rows, events


def _tell(endpoints: dict[str, Endpoint], report: Report, checked: books.Checked) -> None:
    null = endpoints["null"]
    print(f"  {load.generator()}, {CONNECTIONS} connections; median and 99th percentile of an answer's time in ms:")
    print("  " + ", ".join(f"{name} {one.p('p50'):.1f} {one.p('p99'):.1f}" for name, one in endpoints.items()))
    for name, target in (("charge_spread", 0.6), ("charge_hot", 0.6), ("webhook", 0.25)):
        endpoint = endpoints[name]
        report.ratio(3, f"http_{name}", endpoint.rates, null.rates, against="the null endpoint, signed in",
                     target=target, checked=checked)  # fmt: skip
        report.ratio(3, f"http_{name}_p99", endpoint.slowest, null.slowest, against="the null endpoint's p99",
                     target=1.5, checked=checked, unit="ms", most=True)  # fmt: skip
    for place, target in (("spread", 20), ("hot", 30)):
        single, batch = endpoints[f"usage_{place}"], endpoints[f"usage_batch_{place}"]
        report.ratio(3, f"http_usage_{place}", single.rates, null.rates, against="the null endpoint, signed in",
                     target=0.25, checked=checked)  # fmt: skip
        events = [rate * BATCH for rate in batch.rates]
        report.ratio(5, f"http_usage_batch_{place}", events, single.rates, against="one event per call, in events/s",
                     target=target, checked=checked)  # fmt: skip
        report.value(5, f"http_usage_batch_{place}_processor", median(batch.processor) / BATCH * 1e6, "us per event",
                     target=40, checked=checked, single=median(single.processor) * 1e6)  # fmt: skip
    one, many = endpoints["charge_hot_1"], endpoints["charge_hot_16"]
    report.ratio(6, f"http_charge_hot_{CLIENTS}_clients", many.rates, one.rates, against="1 client", target=0.7,
                 checked=checked)  # fmt: skip


def callers_of(database: Database) -> list[Caller]:
    """A key for each organization, used a moment ago: the note of its use, once a minute, is not in the figures."""
    made = []
    with database.app():
        usage.add_metrics(1)
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


def batch(caller: Caller) -> load.Request:
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
