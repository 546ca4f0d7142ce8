"""The product's processes for the scenarios. One group: their parallel runs would only slow each other."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from flask import Flask

from tests.scenarios import processes
from tests.scenarios.processes import Stack
from tests.scenarios.purchases import Purchases
from tests.servers import Servers

HERE = Path(__file__).parent
LAST = ("processes", "postgres", "redis")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if HERE in item.path.parents]
    # Starting takes most of the time: first those that share one stack, then those that end it, then all others.
    ours.sort(key=lambda item: next((place for place, name in enumerate(LAST, 1) if name in item.path.stem), 0))
    places = [place for place, item in enumerate(items) if item in ours]
    for place, item in zip(places, ours, strict=True):
        items[place] = item


@pytest.fixture(scope="session")
def _stack(_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with processes.stack(_servers.environ(), tmp_path_factory.mktemp("stack")) as made:
        yield made


@pytest.fixture
def stack(_stack: Stack, servers: Servers) -> Iterator[Stack]:
    """Website and workers on this worker's servers. What still runs well stays for the next test."""
    yield _stack
    if not idle(servers):
        _stack.stop_workers()
    _stack.stripe.fake.faults.clear()
    _stack.require_no_secret_told()


@pytest.fixture
def alone(_stack: Stack) -> None:
    """No other stack's workers take this test's jobs and events; theirs is another Stripe."""
    _stack.stop_workers()


def idle(servers: Servers) -> bool:
    """Whether nothing is left to do: workers may then live on while the tables are emptied."""
    with psycopg.connect(servers.database_url.replace("+psycopg", "")) as books:
        return not books.execute("SELECT 1 FROM inbox_events WHERE state IN ('received', 'failed')").fetchone()


@pytest.fixture
def purchases(stack: Stack, app_context: Flask) -> Purchases:
    """Sells credits at the stack's Stripe, from this process."""
    return Purchases(stack, app_context)
