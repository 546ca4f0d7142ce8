"""Everyday acts of an operator: a restart under load loses nothing, migrations may be run by two at once."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
import requests
from flask import Flask
from psycopg import sql
from sqlalchemy import make_url

from dashboard.core.db import db
from dashboard.domain.platform import verify
from dashboard.models import Transaction
from tests import servers as plumbing
from tests.factories import make_key, make_org, wallet_of
from tests.scenarios.processes import Process, Stack, wait_until
from tests.scenarios.programs import Program
from tests.scenarios.purchases import Purchases
from tests.scenarios.test_race import worked_off
from tests.servers import ROOT, Servers

pytestmark = pytest.mark.soak  # restarts under load take their time

PRICE = 1_000_000
PROGRAMS = 8
STOP_SECONDS = 45.0  # what the shipped units allow
UPGRADE = [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"]


@pytest.mark.parametrize("restarts", [2, 20])
def test_a_restart_under_load_loses_no_charge(stack: Stack, app_context: Flask, restarts: int) -> None:
    """Who was answered is charged; who was not asks again with its key, and is charged once; nobody is told 500."""
    stack.start(worker=False)
    org = make_org(funds=1_000_000 * PRICE)
    key = make_key(org, "wallet:charge")
    over, acknowledged = threading.Event(), []
    odd: list[int] = []

    def run(name: int) -> None:
        program, number = Program(stack.url, org.id, key), 0
        while not over.is_set():
            number += 1
            wait_until(lambda: charged(program, f"{name}-{number}"), "a charge", 90)  # noqa: B023 - waited for here

    def charged(program: Program, charge: str) -> bool:
        with suppress(requests.RequestException):
            answer = program.charge(PRICE, charge)
            if answer.status_code == 201:
                acknowledged.append(charge)
                return True
            odd.append(answer.status_code)
        return False

    with ThreadPoolExecutor(PROGRAMS) as programs:
        running = [programs.submit(run, name) for name in range(PROGRAMS)]
        try:
            for _ in range(restarts):
                wait_until(lambda: len(stack.web_workers()) == 2, "both processes")
                enough = len(acknowledged) + 50
                wait_until(lambda: len(acknowledged) >= enough, "charges", 60)  # noqa: B023 - waited for here
                stack.web.signal(15)
                assert stack.web.wait(STOP_SECONDS) == 0
                stack.start(worker=False)
        finally:
            over.set()
        for one in running:
            one.result()
    db.session.expire_all()
    booked = [key for (key,) in db.session.query(Transaction.key).filter_by(org_id=org.id, type="charge")]
    assert odd == []
    assert sorted(booked) == sorted(acknowledged)
    assert wallet_of(org).balance == (1_000_000 - len(acknowledged)) * PRICE
    assert verify.broken() == []


def test_a_restart_of_the_workers_under_load_credits_each_payment_once(stack: Stack, purchases: Purchases) -> None:
    stack.start()
    sales = [purchases.sell(purchases.org(f"Buyer {number}")) for number in range(12)]
    for place, sale in enumerate(sales):
        for event in sale.events:
            assert stack.deliver(event).status_code == 200
        if place % 4 == 1:
            wait_until(lambda: len(stack.workers()) == 5, "all workers")
            stack.worker.signal(15)
            assert stack.worker.wait(STOP_SECONDS) == 0
            assert stack.workers() == []
            stack.start(web=False)
    wait_until(lambda: worked_off(purchases), "the last event", 60)
    purchases.require_credited_once(sales)


def test_migrations_run_by_many_at_once_are_run_once(servers: Servers, tmp_path: Path) -> None:
    """Three machines of one deployment start together, on a database with nothing in it."""
    with empty_database(servers) as url:
        environ = servers.environ(COFFER_DATABASE_URL=url)
        runs = [Process(UPGRADE, environ, tmp_path / f"migrate-{number}.log") for number in range(3)]
        for run in runs:
            run.start()
        assert [run.wait(120) for run in runs] == [0, 0, 0], "\n".join(run.said()[-1500:] for run in runs)
        steps = sum(run.said().count("Running upgrade") for run in runs)
        assert steps == len(migrations())
        again = subprocess.run(UPGRADE, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
        assert again.returncode == 0
        assert "Running upgrade" not in again.stderr
        with psycopg.connect(plain(url)) as ours, psycopg.connect(plain(servers.template_url)) as theirs:
            count = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public'"
            assert ours.execute(count).fetchone() == theirs.execute(count).fetchone()


def test_a_migration_that_is_killed_leaves_a_database_that_goes_on(servers: Servers, tmp_path: Path) -> None:
    """Each migration is a transaction; the lock goes with its connection."""
    with empty_database(servers) as url:
        environ = servers.environ(COFFER_DATABASE_URL=url)
        killed = Process(UPGRADE, environ, tmp_path / "killed.log")
        killed.start()
        wait_until(lambda: "Running upgrade" in killed.said(), "the first migration", 60, 0.001)
        killed.kill()
        done = subprocess.run(UPGRADE, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        with psycopg.connect(plain(url)) as books:
            assert books.execute("SELECT version_num FROM alembic_version").fetchone() == (migrations()[-1],)


@contextmanager
def empty_database(servers: Servers) -> Iterator[str]:
    """The URL of a database without a table, beside the worker's own."""
    base = make_url(servers.template_url)
    name = f"{plumbing.PREFIX}_empty_{os.getpid()}"
    with plumbing._admin(base) as admin:
        admin.execute(plumbing._create(name, None))
    try:
        yield plumbing._url(base, name)
    finally:
        with plumbing._admin(base) as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def migrations() -> list[str]:
    """Their names in order."""
    return sorted(path.stem for path in (ROOT / "migrations" / "versions").glob("*.py"))


def plain(url: str) -> str:
    return url.replace("+psycopg", "")
