"""`/metrics` of a website with several processes: each answers for all, and what a dead one counted stays."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from flask import Flask

from dashboard.core import ids
from tests.factories import make_key, make_org
from tests.scenarios import processes
from tests.scenarios.processes import Stack, kill, wait_until
from tests.scenarios.programs import Program, at_once
from tests.scenarios.purchases import Purchases
from tests.servers import Servers

TOKEN = ids.new().hex
CHARGES = 'coffer_requests_total{method="POST",route="/api/v1/orgs/<org:org_id>/wallet",status="201"}'
POSTED = 'coffer_ledger_rows_total{type="charge"}'


@pytest.fixture
def watched(servers: Servers, alone: None, tmp_path: Path) -> Iterator[Stack]:
    with processes.stack(servers.environ(), tmp_path, COFFER_METRICS_TOKEN=TOKEN) as made:
        yield made


def scraped(stack: Stack) -> dict[str, float]:
    answer = requests.get(f"{stack.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10)
    assert answer.status_code == 200
    return {
        name: float(value) for name, value in re.findall(r"^([a-z_]+(?:\{.*\})?) (\S+)$", answer.text, re.MULTILINE)
    }


def test_every_process_answers_for_all(watched: Stack, app_context: Flask) -> None:
    watched.start()
    org = make_org(funds=10_000_000)
    program = Program(watched.url, org.id, make_key(org, "wallet:charge"))

    def charge(count: int) -> None:
        calls = [lambda: program.charge(1, ids.new().hex) for _ in range(count)]
        assert {answer.status_code for answer in at_once(calls)} == {201}

    charge(50)
    assert {scraped(watched)[CHARGES] for _ in range(20)} == {50}
    assert {scraped(watched)[POSTED] for _ in range(20)} == {50}
    for pid in (old := watched.web_workers()):
        kill(pid)
    wait_until(lambda: not set(old) & set(watched.web_workers()) and len(watched.web_workers()) == 2, "new processes")
    watched.ready()
    charge(7)
    assert scraped(watched)[CHARGES] == 57
    purged = 'coffer_jobs_total{job="dashboard.jobs.tick.tick",result="done"}'
    wait_until(lambda: scraped(watched).get(purged, 0) >= 1, "a tick that is counted")
    folders = list(Path("/dev/shm").glob(f"coffer-counts-{watched.web.pid}-*"))
    assert len(folders) == Path("/dev/shm").is_dir()
    watched.web.signal(15)
    watched.web.wait()
    assert not any(folder.exists() for folder in folders)


def test_what_a_worker_posts_is_counted(watched: Stack, app_context: Flask) -> None:
    watched.start()
    purchases = Purchases(watched, app_context)
    sale = purchases.sell(purchases.org())
    watched.deliver(sale.events[0])
    name = 'coffer_worker_ledger_rows_total{type="purchase"}'
    wait_until(lambda: scraped(watched).get(name) == 1, "the purchase")
    purchases.require_credited_once([sale])
