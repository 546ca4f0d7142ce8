"""Valkey emptied, killed or frozen: nobody outside notices, and the work catches up."""

from collections.abc import Iterator
from functools import partial

import pytest
import requests
from flask import Flask

from tests.factories import PASSWORD, grant, make_key, make_user, wallet_of
from tests.scenarios import processes
from tests.scenarios.own_servers import Valkey
from tests.scenarios.processes import Stack, wait_until
from tests.scenarios.programs import Program, browser
from tests.scenarios.purchases import Purchases, Sale
from tests.scenarios.test_race import credited
from tests.servers import Servers

SCHEDULE = "rq:scheduler:scheduled_jobs"
GENEROUS_SECONDS = 10.0
"""For ten webhooks, a page and a charge. Without time-outs and the breaker it would be minutes."""


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    made = Valkey(tmp_path_factory.mktemp("valkey"))
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def _own(_servers: Servers, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    environ = _servers.environ(COFFER_REDIS_URL=valkey.url)
    with processes.stack(environ, tmp_path_factory.mktemp("redis")) as made:
        yield made


@pytest.fixture
def own(_own: Stack, alone: None, valkey: Valkey, servers: Servers) -> Iterator[Stack]:
    """A stack on a Valkey of its own."""
    _own.start()
    wait_until(partial(ticking, valkey), "the tick's registration")
    yield _own
    valkey.thaw()


@pytest.fixture
def purchases(own: Stack, app_context: Flask) -> Purchases:
    return Purchases(own, app_context)


def ticking(valkey: Valkey) -> bool:
    return valkey.answers() and valkey.client.zscore(SCHEDULE, "tick") is not None


def require_service(
    own: Stack, purchases: Purchases, sales: list[Sale], paths: list[str], http: requests.Session
) -> None:
    """Webhooks are acknowledged, pages open, charges succeed."""
    org = purchases.org("Charged")
    grant(wallet_of(org), 5_000_000)
    program = Program(own.url, org.id, make_key(org, "wallet:charge"))
    for sale in sales:
        assert own.deliver(sale.events[0]).status_code == 200
    for path in paths:
        assert http.get(own.url + path, timeout=GENEROUS_SECONDS).status_code == 200
    assert program.charge(1_000_000, "while it is away").status_code == 201


def sign_in(own: Stack) -> requests.Session:
    return browser(own.url, make_user("owner@example.test").email, PASSWORD)


def require_caught_up(purchases: Purchases, sales: list[Sale], valkey: Valkey) -> None:
    wait_until(partial(ticking, valkey), "the tick's registration")
    for sale in sales:
        wait_until(partial(credited, purchases, sale), "the credit", 60)
    purchases.require_credited_once(sales)


def test_emptied_while_work_waits(own: Stack, purchases: Purchases, valkey: Valkey) -> None:
    org = purchases.org()
    sales = [purchases.sell(org) for _ in range(10)]
    own.stripe.fake.inject("delay", times=10, method="GET", path="/checkout/sessions/", seconds=0.1)
    for sale in sales:
        own.deliver(sale.events[0])
        valkey.client.flushall()
    require_caught_up(purchases, sales, valkey)


def test_killed_and_back_with_nothing(own: Stack, purchases: Purchases, valkey: Valkey) -> None:
    org = purchases.org()
    sales = [purchases.sell(org) for _ in range(10)]
    http = sign_in(own)
    valkey.process.kill()
    require_service(own, purchases, sales, ["/", "/readyz"], http)
    assert requests.get(f"{own.url}/readyz", timeout=10).json()["redis"] == "away"
    valkey.start()
    require_caught_up(purchases, sales, valkey)


def test_stored_work_survives_killed_workers_an_emptied_queue_and_deliveries_without_it(
    own: Stack, purchases: Purchases, valkey: Valkey
) -> None:
    """Fifty organizations wait while workers die and the queue is emptied; ten more are told of while it is away."""
    sales = [purchases.sell(purchases.org(f"Org {number}")) for number in range(60)]
    own.stripe.fake.inject("delay", times=60, method="GET", path="/checkout/sessions/", seconds=0.05)
    for number, sale in enumerate(sales[:50]):
        assert own.deliver(sale.events[0]).status_code == 200
        if number % 10 == 9:
            for pid in own.workers("work"):
                processes.kill(pid)
            valkey.client.flushall()
    valkey.process.kill()
    for sale in sales[50:]:
        assert own.deliver(sale.events[0]).status_code == 200
    valkey.start()
    require_caught_up(purchases, sales, valkey)


def test_frozen(own: Stack, purchases: Purchases, valkey: Valkey) -> None:
    org = purchases.org()
    sales = [purchases.sell(org) for _ in range(10)]
    http = sign_in(own)
    valkey.freeze()
    require_service(own, purchases, sales, ["/", "/readyz"], http)
    valkey.thaw()
    require_caught_up(purchases, sales, valkey)


@pytest.mark.soak
def test_what_waits_while_it_is_away_needs_no_new_bell(own: Stack, purchases: Purchases, valkey: Valkey) -> None:
    """The workers die together with Valkey, too: the next tick finds the events in the tables."""
    org = purchases.org()
    sales = [purchases.sell(org) for _ in range(3)]
    valkey.process.kill()
    own.worker.kill()
    for sale in sales:
        assert own.deliver(sale.events[0]).status_code == 200
    wait_until(lambda: not own.workers(), "the end of the workers")
    valkey.start()
    own.worker.start()
    require_caught_up(purchases, sales, valkey)
