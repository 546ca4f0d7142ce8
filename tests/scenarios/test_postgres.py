"""PostgreSQL killed and restarted: 503 with Retry-After while it is away, nothing acknowledged is lost."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

import pytest
import requests
from flask import Flask

from dashboard.core.db import db
from dashboard.models import Transaction
from tests.factories import PASSWORD, add_member, grant, make_key, make_user, wallet_of
from tests.scenarios import own_servers, processes
from tests.scenarios.own_servers import Postgres
from tests.scenarios.processes import Stack, wait_until
from tests.scenarios.programs import Program, browser
from tests.scenarios.purchases import Purchases, Sale
from tests.scenarios.test_race import credited
from tests.servers import Servers

PRICE = 1_000
BACK_SECONDS = 15.0
"""On an idle machine it is under 5."""


@pytest.fixture
def cluster(servers: Servers) -> Iterator[Postgres]:
    with own_servers.postgres(servers) as made:
        yield made


@pytest.fixture
def own(cluster: Postgres, alone: None, servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    environ = servers.environ(COFFER_DATABASE_URL=cluster.url)
    with processes.stack(environ, tmp_path_factory.mktemp("postgres")) as made:
        yield made


@pytest.fixture
def own_app(cluster: Postgres) -> Iterator[Flask]:
    app = cluster.app()
    with app.app_context():
        yield app
        db.engine.dispose()


@dataclass
class Client:
    """Someone who asks on and on, and what was answered; `ask` gives one answer."""

    ask: Callable[[], requests.Response]
    good: int
    codes: list[int] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)

    def run(self, over: threading.Event) -> None:
        while not over.is_set():
            try:
                answer = self.ask()
            except requests.RequestException as error:
                self.odd.append(repr(error))
                continue
            self.codes.append(answer.status_code)
            if answer.status_code == 503 and "Retry-After" not in answer.headers:
                self.odd.append("503 without Retry-After")
            if answer.status_code not in (self.good, 503):
                self.odd.append(f"{answer.status_code} {answer.text[:300]}")
            if answer.status_code != self.good:
                over.wait(0.05)

    def fine(self) -> bool:
        return self.codes[-1:] == [self.good]


class Payer:
    """Charges with one key until that charge is acknowledged, then with the next."""

    def __init__(self, program: Program, name: str) -> None:
        self.program, self.name = program, name
        self.acknowledged: list[str] = []

    def ask(self) -> requests.Response:
        key = f"{self.name}-{len(self.acknowledged)}"
        answer = self.program.charge(PRICE, key)
        if answer.status_code == 201:
            self.acknowledged.append(key)
        return answer


class Teller:
    """Delivers one event after the other, each until it is acknowledged."""

    def __init__(self, stack: Stack, sales: list[Sale]) -> None:
        self.stack = stack
        self.left = [(sale, sale.events[which]) for which in (0, 1) for sale in sales]
        self.told: dict[UUID, Sale] = {}

    def ask(self) -> requests.Response:
        sale, event = self.left[0]
        answer = self.stack.deliver(event)
        if answer.status_code == 200:
            self.left.append(self.left.pop(0))
            self.told[sale.payment_id] = sale
        return answer


@pytest.mark.parametrize("times", [1, pytest.param(10, marks=pytest.mark.soak)])
def test_every_surface_says_503_and_is_back_within_seconds(
    cluster: Postgres, own: Stack, own_app: Flask, times: int
) -> None:
    own.start()
    purchases = Purchases(own, own_app)
    org = purchases.org()
    grant(wallet_of(org), 1_000_000 * PRICE)
    person = add_member(org, "owner", user=make_user("reader@example.test"))
    sales = [purchases.sell(org) for _ in range(5)]
    key = make_key(org, "wallet:charge")
    payers = [Payer(Program(own.url, org.id, key), f"payer{number}") for number in range(3)]
    page = partial(browser(own.url, person.email, PASSWORD).get, f"{own.url}/o/{org.slug}/", timeout=30)
    teller = Teller(own, sales)
    clients = [Client(page, 200), Client(teller.ask, 200), *(Client(payer.ask, 201) for payer in payers)]
    over = threading.Event()
    with ThreadPoolExecutor(len(clients)) as threads, ExitStack() as ending:
        ending.callback(over.set)
        running = [threads.submit(client.run, over) for client in clients]
        wait_until(lambda: all(client.fine() for client in clients), "all answers at the start")
        for number in range(times):
            outage(cluster, clients, cluster.stop if number % 2 else cluster.kill)
        over.set()
        for one in running:
            one.result()
    assert [client.odd for client in clients] == [[]] * len(clients)
    print([Counter(client.codes) for client in clients])
    cluster.kill()
    cluster.start()  # nobody asked meanwhile, so every process still holds connections that are dead
    assert [client.ask().status_code for client in clients * 8] == [client.good for client in clients * 8]
    require_nothing_lost(purchases, org.id, payers, list(teller.told.values()))


def outage(cluster: Postgres, clients: list[Client], end: Callable[[], None]) -> None:
    seen = [client.codes.count(503) for client in clients]
    end()
    wait_until(
        lambda: all(client.codes.count(503) > before for client, before in zip(clients, seen, strict=True)),
        "503 on every surface",
    )
    cluster.start()
    began = time.monotonic()
    wait_until(lambda: all(client.fine() for client in clients), "good answers again", BACK_SECONDS)
    print(f"back after {time.monotonic() - began:.1f} s")


def require_nothing_lost(purchases: Purchases, org_id: object, payers: list[Payer], told: list[Sale]) -> None:
    db.session.rollback()
    db.engine.dispose()  # this process had connections, too
    in_ledger = {key for (key,) in db.session.query(Transaction.key).filter_by(org_id=org_id, type="charge")}
    acknowledged = {key for payer in payers for key in payer.acknowledged}
    assert acknowledged, "nothing was charged: this run proves nothing"
    # The last charge of each may have been posted without an answer: its key was never asked for again.
    assert in_ledger - acknowledged <= {f"{payer.name}-{len(payer.acknowledged)}" for payer in payers}
    assert acknowledged <= in_ledger
    assert told, "no event was acknowledged: this run proves nothing"
    for sale in told:
        wait_until(partial(credited, purchases, sale), "the credit", 60)
    purchases.require_books_right()
