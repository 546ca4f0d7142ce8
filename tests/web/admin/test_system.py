"""The system page: what runs and what waits, also when half of it is away."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from dashboard.config import settings
from dashboard.core import clock, ids, queue
from dashboard.core import mail as mails
from dashboard.core.db import db, transaction
from dashboard.domain.platform import system
from dashboard.jobs.tick import tick
from dashboard.models import PLATFORM_ORG_ID, OutboxEmail, User
from tests.factories import grant, make_org, wallet_of
from tests.servers import ROOT, Servers
from tests.web.admin.test_webhooks import store
from tests.web.people import Team, make_team, ready_team

SECRET = "a-password-nobody-may-read"


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers)


def shown(team: Team) -> str:
    answer = team.manager.get("/admin/system")
    assert answer.status_code == 200
    return answer.text


def mail(state: str, **values: object) -> None:
    with transaction(org=PLATFORM_ORG_ID) as session:
        session.add(
            OutboxEmail(
                org_id=PLATFORM_ORG_ID, key=ids.new().hex, event="receipt", to_address="a@example.test", context={},
                state=state, **values,
            )
        )  # fmt: skip


def test_a_fresh_installation_says_what_is_missing(app: Flask, team: Team) -> None:
    page = shown(team)
    assert "Worker is late" in page
    assert "No worker is running" in page
    assert page.count("Nothing waits") == 2
    with app.app_context():
        newest = system.software().wanted_migration
    assert f'Up to date</span> <span class="mono">{newest}</span>' in page
    assert "this code wants" not in page


def test_a_login_that_can_become_the_owner_is_warned_of(servers: Servers, make_app: Callable[..., Flask]) -> None:
    for url, warned in ((servers.app_url, servers.app_url == servers.database_url), (servers.database_url, True)):
        app = make_app(database_url=url)
        page = shown(make_team(app))
        assert ("The database login owns the ledger" in page) is warned
        servers.clean()


def test_what_runs_and_waits_is_told(app: Flask, team: Team) -> None:
    store(app)
    with app.app_context():
        connection = queue.connect(str(settings().redis_url), timeout=5.0)
        work = Queue(queue.WORK, connection=connection, serializer=JSONSerializer)
        worker = SimpleWorker([work], connection=connection, serializer=JSONSerializer, name="a-worker")
        worker.register_birth()
        tick()
        mail("waiting")
        mail("parked", created_at=clock.now() - timedelta(minutes=7))
        mail("sent", sent_at=clock.now() - timedelta(minutes=9))
    page = shown(team)
    assert "All systems running" in page
    assert "a-worker" in page
    assert "On time" in page
    assert "oldest" in page.partition("Queue work")[2][:200]
    assert "Received" in page
    assert "7 min ago" in page
    assert "9 min ago" in page


def test_late_seals_stand_here_and_on_the_work_list(app: Flask, team: Team) -> None:
    with app.app_context():
        tick()
        with clock.at(clock.now() - timedelta(minutes=16)):
            grant(wallet_of(make_org("Late")), 100)
    work = team.manager.get("/admin/").text
    assert "Seals are late" in work
    assert 'href="/admin/system"' in work
    assert "Seals are late" in shown(team)


def test_jobs_that_wait_for_long_are_told(app: Flask, team: Team) -> None:
    with app.app_context():
        connection = queue.connect(str(settings().redis_url), timeout=5.0)
        work = Queue(queue.WORK, connection=connection, serializer=JSONSerializer)
        job = work.enqueue("dashboard.jobs.purge.purge", "")
        old = (clock.now() - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        connection.hset(job.key, "enqueued_at", old)
    page = shown(team)
    assert "Jobs have waited too long" in page
    assert "5 min ago" in page


def test_without_redis_the_page_stands(make_app: Callable[..., Flask]) -> None:
    app = make_app(redis_url=f"redis://:{SECRET}@127.0.0.1:1/0")
    team = make_team(app)
    page = shown(team)
    assert "Redis is away" in page
    assert "so the workers are not known" in page
    assert SECRET not in page


def test_no_secret_is_shown(make_app: Callable[..., Flask]) -> None:
    smtp = {"url": f"smtp://mailer:{SECRET}@127.0.0.1:2525", "from": "Coffer <no-reply@example.test>"}
    app = make_app(metrics_token=SECRET, smtp=smtp)
    page = shown(make_team(app))
    assert SECRET not in page
    assert app.config["COFFER"].secret_key.get_secret_value() not in page
    assert "postgresql://" not in page


def test_the_poll_answers_the_part_that_asks(app: Flask, team: Team) -> None:
    part = team.manager.get("/admin/system/live", htmx=True).text
    assert part.lstrip().startswith('<div class="stack-gap" id="system"')
    assert 'id="system"' in shown(team)


def test_other_migrations_than_the_codes_are_told(team: Team, servers: Servers) -> None:
    connection = servers.cleaner._connection
    (newest,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    connection.execute("UPDATE alembic_version SET version_num = '0001_identity'")
    try:
        page = shown(team)
    finally:
        connection.execute("UPDATE alembic_version SET version_num = %s", (newest,))
    assert "Up to date" not in page
    found = re.search(
        r"Behind</span> <span class=\"mono\">(\w+)</span>, this code wants <span class=\"mono\">(\w+)<", page
    )
    assert found
    assert found.groups() == ("0001_identity", newest)


def test_the_version_is_that_of_the_project() -> None:
    assert f'version = "{system.VERSION}"' in (ROOT / "pyproject.toml").read_text()


def test_a_test_email_goes_to_the_person_who_asks(app: Flask, team: Team) -> None:
    team.manager.post("/admin/system/test-mail")
    assert "the test email waits" in shown(team)
    with app.app_context():
        row = db.session.query(OutboxEmail).one()
        (manager,) = db.session.query(User.email).filter_by(platform_role="platform_manager").one()
        letter = mails.render(row.event, row.context)
    assert (row.org_id, row.to_address, row.state) == (PLATFORM_ORG_ID, manager, "waiting")
    assert letter.subject == "Test email from Coffer"
    assert "/admin/system" in letter.text
    assert "/admin/system" in letter.html
