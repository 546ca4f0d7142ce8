"""`/metrics`: who may read it, what stands in it, and that it counts over all processes of the website."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from flask import Flask

from dashboard.config import settings
from dashboard.core import clock, metrics, queue
from dashboard.core.db import transaction
from dashboard.domain.funds import expiry
from dashboard.jobs.tick import tick
from tests.domain.funds.test_expiry import END, START, dated
from tests.each import each
from tests.factories import charge, grant, make_org, wallet_of

TOKEN = "a-token-for-the-monitor"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def counted(make_app: Callable[..., Flask]) -> Flask:
    return make_app(metrics_token=TOKEN)


def scraped(app: Flask) -> dict[str, float]:
    answer = app.test_client().get("/metrics", headers=HEADERS)
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    assert answer.headers["Cache-Control"] == "no-store"
    found = re.findall(r"^([a-z_]+(?:\{.*\})?) (\S+)$", answer.text, re.MULTILINE)
    return {name: float(value) for name, value in found}


def test_without_a_token_there_is_nothing(app: Flask) -> None:
    assert app.test_client().get("/metrics", headers=HEADERS).status_code == 404


@each("given", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer ü"])
def test_a_wrong_token_is_401(counted: Flask, given: str) -> None:
    answer = counted.test_client().get("/metrics", headers={"Authorization": given})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "coffer_" not in answer.text


def test_requests_are_counted_by_method_route_and_status(counted: Flask) -> None:
    client = counted.test_client()
    org = "01a1f8e7-bf22-7167-a3c1-928140e8e560"
    before = scraped(counted)
    client.get(f"/api/v1/orgs/{org}/wallet")
    client.get(f"/api/v1/orgs/{org[:-1]}1/wallet")
    client.get("/nothing/of/this/name")
    client.open("/healthz", method="BREW")
    after = scraped(counted)
    moved = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    wallet = 'method="GET",route="/api/v1/orgs/<org:org_id>/wallet"'
    assert moved[f'coffer_requests_total{{{wallet},status="401"}}'] == 2
    assert moved['coffer_requests_total{method="GET",route="none",status="404"}'] == 1
    assert moved['coffer_requests_total{method="other",route="none",status="405"}'] == 1
    assert moved[f'coffer_request_seconds_bucket{{le="+Inf",{wallet}}}'] == 2
    assert not any(org[:8] in name for name in after)


def test_what_waits_is_told(counted: Flask) -> None:
    with counted.app_context():
        queue.enqueue("dashboard.jobs.purge.purge", "")
        with clock.at(clock.now() - timedelta(seconds=90)):
            grant(wallet_of(make_org()), 100)
        tick()
    found = scraped(counted)
    assert found['coffer_up{part="database"}'] == found['coffer_up{part="redis"}'] == 1
    assert found['coffer_queue_jobs{queue="work"}'] >= 2
    assert found["coffer_seal_lag_seconds"] >= 90
    assert found["coffer_unsealed_rows"] >= 1
    assert found["coffer_tick_late_seconds"] == 0
    for state in ("received", "failed", "parked"):
        assert found[f'coffer_inbox_events{{state="{state}"}}'] == 0
    assert found['coffer_outbox_emails{state="waiting"}'] == 0


def test_posted_rows_are_counted_by_type(counted: Flask) -> None:
    before = scraped(counted)
    with counted.app_context():
        wallet = wallet_of(make_org(funds=100))
        charge(wallet, 1, "k")
        charge(wallet, 1, "k")
    after = scraped(counted)
    name = 'coffer_ledger_rows_total{type="charge"}'
    assert after[name] - before.get(name, 0) == 1


def test_credit_that_lapses_is_counted_once_it_is_committed(counted: Flask) -> None:
    name = 'coffer_ledger_rows_total{type="expiry"}'
    before = scraped(counted).get(name, 0)
    with counted.app_context():
        with clock.at(START):
            wallet = wallet_of(make_org())
            for number in range(2):
                dated(wallet, 10, key=f"dated{number}")
        with clock.at(END):
            with suppress(ZeroDivisionError), transaction(org=wallet.org_id):
                expiry.clear(wallet.org_id, wallet.id, END)
                raise ZeroDivisionError
            assert scraped(counted).get(name, 0) == before
            for _ in range(2):
                expiry.drain(wallet.org_id)
    assert scraped(counted)[name] - before == 2


def test_jobs_are_counted_by_name_and_result_over_all_workers(counted: Flask) -> None:
    with counted.app_context():
        connection = queue.connect(str(settings().redis_url), timeout=5.0)
        for done in (True, True, False):
            metrics.job_begins()
            metrics.posted("purchase")
            metrics.job_ends(connection, "dashboard.jobs.inbox.drain", done=done)
        metrics._State.posted = None
    found = scraped(counted)
    assert found['coffer_jobs_total{job="dashboard.jobs.inbox.drain",result="done"}'] == 2
    assert found['coffer_jobs_total{job="dashboard.jobs.inbox.drain",result="failed"}'] == 1
    assert found['coffer_worker_ledger_rows_total{type="purchase"}'] == 3


def test_it_answers_without_redis_and_without_the_database(make_app: Callable[..., Flask]) -> None:
    away = make_app(metrics_token=TOKEN, redis_url="redis://127.0.0.1:1/0")
    assert scraped(away)['coffer_up{part="redis"}'] == 0
    nowhere = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"
    found = scraped(make_app(metrics_token=TOKEN, database_url=nowhere))
    assert found['coffer_up{part="database"}'] == 0
    assert 'coffer_queue_jobs{queue="work"}' in found
