"""A Valkey and a PostgreSQL for one test alone, to be killed, frozen and started again."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import flask_migrate
import psycopg
from flask import Flask
from redis import Redis
from redis.exceptions import RedisError

from dashboard import create_app
from dashboard.config import Settings
from dashboard.core import ids
from dashboard.core.db import db
from dashboard.embedded import servers as cluster
from dashboard.embedded.place import ENVIRONMENT, make_directory, remove_outside, valkey_server
from tests.scenarios.processes import Process, free_port, wait_until
from tests.servers import HOME, Servers


class Valkey:
    """With a password; keeps nothing over a restart."""

    def __init__(self, folder: Path) -> None:
        port, password = free_port(), ids.new().hex
        options = {"port": str(port), "bind": "127.0.0.1", "requirepass": password, "dir": str(folder), "save": ""}
        argv = [str(valkey_server()), *(word for name, value in options.items() for word in (f"--{name}", value))]
        self.process = Process(argv, dict(os.environ), folder / "valkey.log")
        self.url = f"redis://:{password}@127.0.0.1:{port}/0"
        self.client = Redis.from_url(self.url, socket_timeout=2)

    def start(self) -> None:
        self.process.start()
        wait_until(self.answers, "Valkey")

    def answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisError:
            return False

    def freeze(self) -> None:
        self.process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.signal(signal.SIGCONT)

    def close(self) -> None:
        self.client.close()
        if self.process.running:
            self.process.kill()


class Postgres:
    """A migrated cluster. `kill` is a crash: the next start recovers."""

    def __init__(self, home: Path, redis_url: str) -> None:
        spec = cluster.prepare(home, fsync=False)["postgres"]
        state = cluster._read_state(home)
        self.url = (
            f"postgresql+psycopg://{cluster.USER}:{state['password']}@127.0.0.1:{state['postgres']}/{cluster.USER}"
        )
        self.dsn = self.url.replace("+psycopg", "")
        self.redis_url = redis_url
        owner = {"user": spec["uid"], "group": spec["uid"], "extra_groups": None if spec["uid"] is None else []}
        argv = cast("list[str]", spec["argv"])
        self.process = Process(argv, ENVIRONMENT, home / "log", {"cwd": "/", **owner})

    def start(self) -> None:
        """Until it takes queries; again where the killed one's processes are not gone yet."""
        wait_until(self._runs, f"PostgreSQL\n{self.process.said()[-2000:]}", pause=0.1)

    def _runs(self) -> bool:
        if not self.process.running:
            self.process.start()
        try:
            psycopg.connect(self.dsn, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def kill(self) -> None:
        self.process.kill()

    def stop(self) -> None:
        """As an administrator would restart it: connections are cut, nothing is lost."""
        self.process.signal(signal.SIGINT)
        self.process.wait()

    def app(self) -> Flask:
        return create_app(
            Settings(
                environment="test", database_url=self.url, redis_url=self.redis_url,
                password_hashing="cheap",
            )
        )  # fmt: skip


@contextmanager
def postgres(servers: Servers) -> Iterator[Postgres]:
    place = HOME / "scenarios" / str(os.getpid())
    home = place / "embedded"
    make_directory(home)
    try:
        made = Postgres(home, servers.redis_url)
        made.start()
        with made.app().app_context():
            flask_migrate.upgrade()
            db.engine.dispose()
        try:
            yield made
        finally:
            made.process.kill()
    finally:
        remove_outside(place)
        shutil.rmtree(place, ignore_errors=True)
