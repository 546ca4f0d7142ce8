"""The bench's own PostgreSQL and Valkey, with fsync on: never those of `make run`."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flask_migrate
import psycopg
from flask import Flask

from dashboard import create_app, embedded
from dashboard.config import Settings
from dashboard.core.db import db

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / "var" / "bench"
TEMPLATE = "bench_template"


@dataclass
class Database:
    """A migrated database of the cluster. `dsn` is the owner's; the application works as its lesser role."""

    url: str
    redis_url: str
    pg_bin: Path

    @property
    def dsn(self) -> str:
        return self.url.replace("+psycopg", "")

    def owner(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(self.dsn, autocommit=True)

    def settings(self) -> Settings:
        return Settings(environment="test", database_url=self.url, redis_url=self.redis_url)

    @contextmanager
    def app(self) -> Iterator[Flask]:
        """The application on this database, with its context open."""
        app = create_app(self.settings())
        with app.app_context():
            yield app
            db.session.remove()
            db.engine.dispose()

    def environ(self) -> dict[str, str]:
        """The environment for real processes on this database."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COFFER_")}
        ours = {"COFFER_ENVIRONMENT": "test", "COFFER_DATABASE_URL": self.url, "COFFER_REDIS_URL": self.redis_url}
        ours["COFFER_API__THROTTLE_REQUESTS"] = "1000000"  # counted as in life, and never reached
        return kept | ours


@dataclass
class Cluster:
    servers: embedded.Embedded

    @contextmanager
    def database(self, name: str) -> Iterator[Database]:
        """A fresh migrated database, dropped at the end."""
        name = f"bench_{name}"
        self.servers.drop_database(name)
        url = self.servers.create_database(name, template=TEMPLATE)
        try:
            yield Database(url, self.servers.redis_url, self.servers.pg_bin)
        finally:
            self.servers.drop_database(name)

    def describe(self) -> dict[str, Any]:
        with psycopg.connect(self.servers.url_of("postgres").replace("+psycopg", "")) as connection:
            values = {name: connection.execute(f"SHOW {name}").fetchone()[0] for name in ("server_version", "fsync")}  # type: ignore[index]
        return {"postgres": values["server_version"], "fsync": values["fsync"], "cpus": os.cpu_count() or 0,
                "load": round(os.getloadavg()[0], 1), "commit": _commit()}  # fmt: skip


@contextmanager
def running() -> Iterator[Cluster]:
    """The servers with a freshly migrated template database."""
    HOME.mkdir(parents=True, exist_ok=True)
    with embedded.start(HOME) as servers:
        with psycopg.connect(servers.url_of("postgres").replace("+psycopg", ""), autocommit=True) as admin:
            admin.execute("ALTER SYSTEM SET max_wal_size = '4GB'")
            admin.execute("ALTER SYSTEM SET checkpoint_timeout = '15min'")
            admin.execute("SELECT pg_reload_conf()")
        servers.drop_database(TEMPLATE)
        url = servers.create_database(TEMPLATE)
        with Database(url, servers.redis_url, servers.pg_bin).app():
            flask_migrate.upgrade()
        yield Cluster(servers)


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"
