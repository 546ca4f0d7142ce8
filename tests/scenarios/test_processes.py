"""Starts and ends: nothing is left when a parent dies, and a process that is told to stop finishes first."""

import signal
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from dashboard.core import ids
from tests.factories import make_key
from tests.scenarios import processes
from tests.scenarios.processes import MARK, Process, Stack, free_port, kill, marked, wait_until
from tests.scenarios.programs import at_once
from tests.scenarios.purchases import Purchases
from tests.scenarios.test_race import credited, worked_off
from tests.servers import Servers

SESSION = "/checkout/sessions"


def test_the_death_of_its_parent_ends_every_worker(stack: Stack) -> None:
    stack.start(web=False)
    children = wait_until(lambda: len(stack.workers()) == 5 and stack.workers(), "the workers")
    stack.worker.kill()
    wait_until(lambda: not any(map(processes.alive, children)), "the end of the workers", 10)


@pytest.mark.soak
def test_children_of_a_parent_killed_at_its_start_do_not_stay(stack: Stack) -> None:
    """Before they could hear of its end: whatever moment the kill hits."""
    stack.stop_workers()
    for _ in range(10):
        stack.worker.start()
        wait_until(stack.workers, "the first worker", pause=0.001)
        stack.worker.kill()
        wait_until(lambda: not stack.workers(), "the end of the workers", 10)


def test_the_death_of_gunicorn_ends_its_workers(stack: Stack) -> None:
    stack.start(worker=False)
    children = wait_until(lambda: len(stack.web_workers()) == 2 and stack.web_workers(), "gunicorn's workers")
    stack.web.kill()
    wait_until(lambda: not any(map(processes.alive, children)), "the end of gunicorn's workers", 10)


def test_a_worker_told_to_stop_finishes_its_job(stack: Stack, purchases: Purchases) -> None:
    stack.start()
    sale = purchases.sell(purchases.org())
    before = len(purchases.fake.calls)
    purchases.fake.inject("delay", method="GET", path=SESSION, seconds=1.5)
    stack.deliver(sale.events[0])
    wait_until(lambda: len(purchases.fake.calls) > before, "the worker's question")
    stack.worker.signal(signal.SIGTERM)
    assert stack.worker.wait() == 0
    assert stack.workers() == []
    assert credited(purchases, sale)
    assert worked_off(purchases)
    with purchases.sql() as books:
        assert books.execute("SELECT attempts FROM inbox_events").fetchall() == [(1,)]


def test_a_website_told_to_stop_answers_first(stack: Stack, purchases: Purchases) -> None:
    stack.start(worker=False)
    org = purchases.org()
    key = make_key(org, "checkout:create")
    order = {
        "product_id": str(purchases.offer.product.id),
        "success_url": f"{stack.url}/o/{org.slug}/buy/return",
        "cancel_url": f"{stack.url}/o/{org.slug}/",
    }
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "the last one"}
    buy = partial(requests.post, f"{stack.url}/api/v1/orgs/{org.id}/checkout", json=order, headers=headers, timeout=30)
    before = len(purchases.fake.calls)
    purchases.fake.inject("delay", method="POST", path=SESSION, seconds=1.5)

    def stop() -> SimpleNamespace:
        asked = lambda: any(call.path.endswith("sessions") for call in purchases.fake.calls[before:])  # noqa: E731
        wait_until(asked, "the website's question")
        stack.web.signal(signal.SIGTERM)
        return SimpleNamespace(status_code=stack.web.wait())

    answer, end = at_once([buy, stop])
    assert answer.status_code == 201, answer.text
    assert end.status_code == 0


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_end_of_the_runner_ends_everything(servers: Servers, tmp_path: Path, number: signal.Signals) -> None:
    mark, port = str(ids.new()), str(free_port())
    environ = servers.environ(COFFER_ENVIRONMENT="development", COFFER_PASSWORD_HASHING="standard")
    runner = Process(
        [sys.executable, "-m", "dashboard.dev"], environ | {MARK: mark, "PORT": port}, tmp_path / "run.log"
    )
    runner.start()
    try:
        wait_until(lambda: "Coffer runs at" in runner.said(), f"the runner\n{runner.said()[-2000:]}", 180)
        assert requests.get(f"http://127.0.0.1:{port}/healthz", timeout=10).ok
        runner.signal(number)
        runner.wait()
        wait_until(lambda: not marked(mark), "the end of everything", 20)
    finally:
        for pid in marked(mark):
            kill(pid)
