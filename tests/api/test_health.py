"""What load balancers ask, and what happens when PostgreSQL or Redis is away."""

from collections.abc import Callable
from typing import Any

from flask import Flask
from sqlalchemy import text

from dashboard.core.db import autocommit
from tests.api.conftest import Program, problem

NOWHERE = "postgresql+psycopg://nobody@127.0.0.1:1/none"


def test_alive_and_ready(program: Program) -> None:
    assert program.get("/healthz").get_json() == {"status": "ok"}
    response = program.get("/readyz")
    assert response.status_code == 200
    assert response.get_json() == {
        "status": "ok", "database": "ok", "migrations": "ok", "redis": "ok", "worker": "never seen",
    }  # fmt: skip


def test_a_worker_that_fell_silent_is_told_and_nothing_more(program: Program) -> None:
    for until, expected in (("now() + interval '1 minute'", "ok"), ("now() - interval '1 minute'", "late")):
        with program.app.app_context():
            autocommit().execute(
                text(
                    f"INSERT INTO leases (name, holder, token, until) VALUES ('tick', 'x', 1, {until})"
                    " ON CONFLICT (name) DO UPDATE SET until = excluded.until"
                )
            )
        response = program.get("/readyz")
        assert (response.status_code, response.get_json()["worker"]) == (200, expected)


def test_other_migrations_are_not_ready(program: Program, servers: Any) -> None:
    connection = servers.cleaner._connection
    version = connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
    connection.execute("UPDATE alembic_version SET version_num = 'old'")
    try:
        response = program.get("/readyz")
        assert (response.status_code, response.get_json()["migrations"]) == (503, "behind")
    finally:
        connection.execute("UPDATE alembic_version SET version_num = %s", (version,))


def test_postgresql_away_is_503_everywhere(make_app: Callable[..., Flask]) -> None:
    program = Program(make_app(database_url=NOWHERE))
    assert program.get("/healthz").status_code == 200
    response = program.get("/readyz")
    assert (response.status_code, response.get_json()["database"]) == (503, "away")
    for path, method in (("/api/v1/orgs", "GET"), ("/admin/api/v1/webhooks/payments", "POST")):
        found = program.call(method, path, "cofp_x", data=b"x")
        problem(found, 503, "unavailable")
        assert int(found.headers["Retry-After"]) > 0


def test_redis_away_changes_nothing(make_app: Callable[..., Flask]) -> None:
    program = Program(make_app(redis_url="redis://127.0.0.1:1/0"))
    org = program.org(funds=100)
    key = program.key(org, "wallet:charge")
    charged = program.post(f"/api/v1/orgs/{org.id}/wallet", key, json={"operation": "charge", "amount_micros": 1})
    assert charged.status_code == 201
    response = program.get("/readyz")
    assert (response.status_code, response.get_json()["redis"]) == (200, "away")
