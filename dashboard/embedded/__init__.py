"""PostgreSQL and Valkey for development and tests, started from Python wheels.

Production sets `COFFER_DATABASE_URL` and `COFFER_REDIS_URL` and never uses this package.
"""

import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from dashboard.embedded.place import ENVIRONMENT, EmbeddedError, make_directory, pg_bin
from dashboard.embedded.servers import APP_ROLE, APP_USER, USER, prepare

__all__ = ["Embedded", "EmbeddedError", "start"]

START_SECONDS = 60
SUPERVISOR = Path(__file__).with_name("supervisor.py")


@dataclass
class Embedded:
    """Two running servers. They stop about 2 s after the last holder has closed or died.

    `pg_bin` contains PostgreSQL's programs (psql, pg_dump, pgbench ...). `database_url` is a superuser's. `app_url` is
    a login as the website and worker have it in production: a member of the application's role, and nothing else.
    """

    host: str
    postgres_port: int
    valkey_port: int
    password: str = field(repr=False)
    pg_bin: Path
    _lock: int = field(repr=False)

    @property
    def database_url(self) -> str:
        return self.url_of("coffer")

    @property
    def app_url(self) -> str:
        return self.app_url_of("coffer")

    @property
    def redis_url(self) -> str:
        return f"redis://:{self.password}@{self.host}:{self.valkey_port}/0"

    def url_of(self, database: str) -> str:
        return f"postgresql+psycopg://{USER}:{self.password}@{self.host}:{self.postgres_port}/{database}"

    def app_url_of(self, database: str) -> str:
        return f"postgresql+psycopg://{APP_USER}:{self.password}@{self.host}:{self.postgres_port}/{database}"

    def make_app_login(self) -> None:
        """Create the login of `app_url`. Older data gets it at the next start."""
        for role, terms in ((APP_ROLE, "NOLOGIN"), (APP_USER, f"LOGIN PASSWORD '{self.password}' IN ROLE {APP_ROLE}")):
            missing = f"NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}')"
            self._execute(f"DO $do$ BEGIN IF {missing} THEN CREATE ROLE {role} {terms}; END IF; END $do$")

    def create_database(self, name: str, *, template: str | None = None) -> str:
        """Create a database, or a copy of `template` (which must have no connections), and return its URL."""
        self._execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
        return self.url_of(name)

    def drop_database(self, name: str) -> None:
        """Drop a database and the connections to it. It may be missing."""
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def close(self) -> None:
        """Stop using the servers. Children that the caller forked hold them until they end."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _execute(self, sql: str) -> None:
        import psycopg

        target = self.url_of("postgres").replace("+psycopg", "")
        with psycopg.connect(target, autocommit=True) as connection:
            connection.execute(sql.encode())


def start(directory: Path, *, fsync: bool = True) -> Embedded:
    """Start the servers that keep their data in `directory`, or join those already running there.

    Any number of processes may call this at once; one pair of servers results. `fsync=False` (tests) gives up safety
    against a power cut for speed, and has no effect on servers that already run. The caller holds the servers until
    `close()` or until it ends, even if it drops the result. Raises EmbeddedError.
    """
    home = directory.resolve() / "embedded"
    make_directory(home)
    # Held shared as long as the caller lives: the kernel releases it even after kill -9. Opening waits while a
    # supervisor whose last user is gone shuts down.
    user = _lock(home / "users.lock", fcntl.LOCK_SH)
    try:
        starter = _lock(home / "start.lock", fcntl.LOCK_EX)
        try:
            return _join(home, user, fsync)
        finally:
            os.close(starter)
    except BaseException:
        os.close(user)
        raise


def _join(home: Path, user: int, fsync: bool) -> Embedded:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if not _supervised(home):
            _launch(home, fsync)
        embedded = _recorded(home, user)
        if embedded and _answers(home, embedded, deadline):
            embedded.make_app_login()
            return embedded
        time.sleep(0.05)
    raise EmbeddedError(f"PostgreSQL or Valkey did not start; see {home / 'log'}\n{_tail(home / 'log')}")


def _launch(home: Path, fsync: bool) -> None:
    """Start the supervisor. It outlives the caller and ends when nobody uses the servers."""
    spec = prepare(home, fsync=fsync)
    log = home / "log"
    if log.exists() and log.stat().st_size > 5_000_000:
        log.unlink()
    with log.open("ab") as output:
        os.chmod(log, 0o600)
        subprocess.run(  # noqa: S603
            [sys.executable, "-I", "-S", str(SUPERVISOR), json.dumps({"home": str(home), "servers": spec})],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env=ENVIRONMENT,
            start_new_session=True,
            check=True,
        )


def _recorded(home: Path, user: int) -> Embedded | None:
    try:
        state = json.loads((home / "state.json").read_text())
        return Embedded("127.0.0.1", state["postgres"], state["valkey"], state["password"], pg_bin(), user)
    except PermissionError as error:
        raise EmbeddedError(f"{home} belongs to another user; run as that user or remove it") from error
    except (OSError, ValueError, KeyError):
        return None


def _answers(home: Path, embedded: Embedded, deadline: float) -> bool:
    """Wait until both servers answer. False if their supervisor has ended instead."""
    while time.monotonic() < deadline:
        if _valkey_answers(embedded) and _postgres_answers(embedded):
            return True
        if not _supervised(home):
            return False
        time.sleep(0.05)
    return False


def _postgres_answers(embedded: Embedded) -> bool:
    probe = [str(embedded.pg_bin / "pg_isready"), "-q", "-h", embedded.host, "-p", str(embedded.postgres_port)]
    return subprocess.run(probe, env=ENVIRONMENT, cwd="/").returncode == 0  # noqa: S603


def _valkey_answers(embedded: Embedded) -> bool:
    try:
        with socket.create_connection((embedded.host, embedded.valkey_port), timeout=1) as connection:
            connection.sendall(f"AUTH {embedded.password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\n") < 2 and (part := connection.recv(100)):
                answer += part
            return answer == b"+OK\r\n+PONG\r\n"
    except OSError:
        return False


def _supervised(home: Path) -> bool:
    """Whether a supervisor lives. It holds this lock until it ends, so a recycled pid cannot mislead us."""
    try:
        os.close(_lock(home / "supervisor.lock", fcntl.LOCK_EX | fcntl.LOCK_NB))
    except BlockingIOError:
        return True
    return False


def _lock(path: Path, kind: int) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except PermissionError as error:
        raise EmbeddedError(f"{path.parent} belongs to another user; run as that user or remove it") from error
    try:
        fcntl.flock(descriptor, kind)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-15:])
