"""PostgreSQL and Valkey for a test run: one migrated template, a clone and a Valkey database per worker.

`COFFER_TEST_DATABASE_URL` and `COFFER_TEST_REDIS_URL` (or those without TEST) name given servers, whose role must
be allowed to create databases and roles; otherwise the embedded ones run with their data in `var/test`.
"""

import fcntl
import hashlib
import os
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import flask_migrate
import psycopg
from psycopg import sql
from redis import Redis
from sqlalchemy import make_url

from dashboard import create_app, embedded
from dashboard.config import Settings
from dashboard.core import db

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / "var" / "test"
PREFIX = "coffer_test"
VALKEY_DATABASES = 16  # what a plain Redis offers
TRIES = 5
FRESH_SECONDS = 600  # a sign-in counts as recent for half an hour
ROOMY = {"throttle_requests": 100_000, "throttle_failures": 100_000}
"""A test calls quicker than a program should. What throttles sets its own."""

T = TypeVar("T")


@dataclass
class Servers:
    """The URLs of this worker. The role of `database_url` owns the tables; the application's login owns nothing."""

    database_url: str
    app_url: str
    redis_url: str
    template_url: str
    pg_bin: Path | None
    """PostgreSQL's programs; None with a given server."""
    cleaner: "Cleaner"
    redis: Redis = field(repr=False)
    _made: dict[str, tuple[Any, str, float]] = field(default_factory=dict, repr=False)

    def settings(self, **changes: Any) -> Settings:
        chosen: dict[str, Any] = {
            "environment": "test",
            "database_url": self.app_url,
            "migration_database_url": self.database_url,
            "redis_url": self.redis_url,
            "password_hashing": "cheap",
            "api": ROOMY,
        }
        return Settings(**(chosen | changes))

    def environ(self, **changes: str) -> dict[str, str]:
        """The environment for real processes (gunicorn, worker.py, flask) that work on this worker's servers."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("COFFER_", "PYTEST_"))}
        ours = {
            "COFFER_ENVIRONMENT": "test",
            "COFFER_DATABASE_URL": self.app_url,
            "COFFER_MIGRATION_DATABASE_URL": self.database_url,
            "COFFER_REDIS_URL": self.redis_url,
            "COFFER_PASSWORD_HASHING": "cheap",
            **{f"COFFER_API__{name.upper()}": str(value) for name, value in ROOMY.items()},
        }
        return kept | ours | changes

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What `make` returns, with the rows it writes: made the first time, then copied wherever tables are clean."""
        if not self.cleaner.superuser or self.cleaner.touched():
            return make()
        result, copied, at = self._made.get(name, (None, "", 0.0))
        if copied and time.monotonic() - at < FRESH_SECONDS:
            self.cleaner.run(copied)
            return result  # type: ignore[no-any-return]
        result = make()
        self._made[name] = result, self.cleaner.kept(), time.monotonic()
        return result

    def clean(self) -> None:
        """Back to what the migrations leave; of writers only the scenarios' workers may live on."""
        self.cleaner.clean()
        self.redis.flushdb()


def templates() -> Path:
    """Where templates are kept compiled, by the rules of output: each of many applications would compile them again."""
    rules = zlib.crc32((ROOT / "dashboard/web/formats.py").read_bytes())
    place = HOME / f"templates-{rules:x}"
    place.mkdir(parents=True, exist_ok=True)
    return place


@contextmanager
def running(worker: str) -> Iterator[Servers]:
    """The servers for one xdist worker ("master" without xdist), until the end of its run."""
    HOME.mkdir(parents=True, exist_ok=True)
    database_url, redis_url = _given("DATABASE_URL"), _given("REDIS_URL")
    ours = None if database_url and redis_url else embedded.start(HOME, fsync=False)
    base = make_url(database_url or (ours.database_url if ours else ""))
    if base.drivername != "postgresql+psycopg":
        base = base.set(drivername="postgresql+psycopg")
    template = _template(base, redis_url or (ours.redis_url if ours else ""), prune=not database_url)
    clone = f"{PREFIX}_{worker}_{os.getpid()}"
    with _admin(base) as admin:
        if not database_url:  # on a given server they may belong to another machine
            _drop_stale_clones(admin)
        admin.execute(_create(clone, template))
    cleaner = Cleaner(_dsn(base, clone))
    try:
        with _valkey_database(redis_url or (ours.redis_url if ours else "")) as (url, redis):
            app_url = ours.app_url_of(clone) if ours and not database_url else _url(base, clone)
            yield Servers(
                _url(base, clone), app_url, url, _url(base, template), ours.pg_bin if ours else None, cleaner, redis
            )
    finally:
        cleaner.close()
        with _admin(base) as admin:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(clone)))
        if ours:
            ours.close()


@contextmanager
def extra(servers: Servers, name: str, source_url: str = "") -> Iterator[tuple[str, str]]:
    """Database and Valkey URLs beside a worker's own, which no test cleans: a copy of the template or of `source_url`.

    `name` is lower-case letters. Nobody may be connected to the source.
    """
    base = make_url(servers.template_url)
    copy = f"{PREFIX}_{name}_{os.getpid()}"
    source = make_url(source_url).database if source_url else base.database
    with _admin(base) as admin:
        admin.execute(_create(copy, source))
    try:
        with _valkey_database(servers.redis_url) as (redis_url, _):
            yield _url(base, copy), redis_url
    finally:
        with _admin(base) as admin:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(copy)))


class Cleaner:
    """Empties what a test wrote. Row by row is faster than TRUNCATE here: tests write few rows to few tables."""

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True)
        self._connection.execute("SET lock_timeout = '5s'")
        self.superuser = self._connection.info.parameter_status("is_superuser") == "on"
        if self.superuser:  # no triggers and no foreign keys on this connection: the ledger refuses DELETE otherwise
            self._connection.execute("SET session_replication_role = replica")
        found = self._connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1"
        )
        self._tables = [name for (name,) in found]
        rows = {name: self._read(name) for name in self._tables}
        self._reference = {name: lines for name, lines in rows.items() if lines}
        self._touched = " UNION ALL ".join(self._look(name) for name in self._tables)
        self._copies = count()

    def clean(self) -> None:
        """A worker process that lives on may be amid a job: who loses the deadlock tries again."""
        for _ in range(TRIES):
            with suppress(psycopg.errors.DeadlockDetected):
                if touched := self.touched():
                    with self._connection.transaction():
                        self._empty(touched)
                return
        raise RuntimeError("somebody keeps writing while the tables are emptied")

    def touched(self) -> list[str]:
        """The tables that do not hold what the migrations leave."""
        return [name for (name,) in self._connection.execute(self._touched, prepare=True)]  # type: ignore[arg-type]

    def kept(self) -> str:
        """Statements that write into clean tables what was written since the last cleaning, from a copy of it.

        They need a superuser, whom no trigger and no foreign key stops."""
        statements = []
        for name in self.touched():
            copy, columns = f"pg_temp.copy_{next(self._copies)}", ", ".join(self._columns(name))
            self.run(f'CREATE TABLE {copy} AS SELECT {columns} FROM "{name}"')
            statements.append(f'DELETE FROM "{name}"; INSERT INTO "{name}" ({columns}) SELECT * FROM {copy}')
        return ";".join(statements)

    def run(self, statements: str) -> None:
        self._connection.execute(statements)  # type: ignore[arg-type]

    def close(self) -> None:
        self._connection.close()

    def _empty(self, tables: list[str]) -> None:
        if not self.superuser and tables:
            # Others may refer to these, so everything goes, and the reference rows come back.
            tables = list(self._tables)
            for name in tables:
                self._run("ALTER TABLE {} DISABLE TRIGGER USER", name)
            names = sql.SQL(", ").join(map(sql.Identifier, tables))
            self._connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(names))
        else:
            self.run(";".join(f'DELETE FROM "{name}"' for name in tables))
        self._restore([name for name in tables if name in self._reference])
        if not self.superuser:
            for name in tables:
                self._run("ALTER TABLE {} ENABLE TRIGGER USER", name)

    def _restore(self, tables: list[str]) -> None:
        """Write the migrations' rows again; those that refer to rows not yet there wait for the next round."""
        for _ in range(len(tables)):
            waiting = []
            for name in tables:
                try:
                    with self._connection.transaction():
                        self._write(name, self._reference[name])
                except psycopg.errors.ForeignKeyViolation:
                    waiting.append(name)
            tables = waiting

    def _look(self, name: str) -> str:
        """Its name, if the table is not as it is now."""
        if name not in self._reference:
            return f"SELECT '{name}' WHERE EXISTS (SELECT FROM \"{name}\")"
        rows = f'SELECT md5(string_agg(one::text, chr(10) ORDER BY one::text)) FROM "{name}" AS one'
        ((now,),) = self._connection.execute(rows)  # type: ignore[arg-type]
        return f"SELECT '{name}' WHERE ({rows}) IS DISTINCT FROM '{now}'"

    def _columns(self, name: str) -> list[str]:
        """Without those that PostgreSQL computes."""
        query = """SELECT quote_ident(attname) FROM pg_attribute
            WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"""
        return [column for (column,) in self._connection.execute(query, [f'"{name}"'])]

    def _read(self, name: str) -> bytes:
        with self._connection.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(name))) as source:
            return b"".join(bytes(part) for part in source)

    def _write(self, name: str, lines: bytes) -> None:
        copy = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(name))
        with self._connection.cursor().copy(copy) as target:
            target.write(lines)

    def _run(self, statement: str, name: str) -> None:
        self._connection.execute(sql.SQL(statement).format(sql.Identifier(name)))  # type: ignore[arg-type]


def _given(name: str) -> str | None:
    return os.environ.get(f"COFFER_TEST_{name}") or os.environ.get(f"COFFER_{name}")


def _template(base: Any, redis_url: str, *, prune: bool) -> str:
    """The name of the migrated database, made once and kept until the migrations change."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "migrations").rglob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    name = f"{PREFIX}_template_{digest.hexdigest()[:12]}"
    with (HOME / "template.lock").open("w") as lock, _admin(base) as admin:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
            half = f"{name}_half"  # renamed when complete, so a killed run leaves no half-migrated template
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(half)))
            admin.execute(_create(half, None))
            _migrate(_url(base, half), redis_url)
            admin.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*map(sql.Identifier, (half, name))))
            if prune:
                _drop_other_templates(admin, name)
    return name


def _migrate(database_url: str, redis_url: str) -> None:
    app = create_app(Settings(environment="test", database_url=database_url, redis_url=redis_url))
    with app.app_context():
        flask_migrate.upgrade()
        db.db.engine.dispose()


def _drop_other_templates(admin: "psycopg.Connection[Any]", name: str) -> None:
    pattern = f"{PREFIX}_template_%"
    others = admin.execute("SELECT datname FROM pg_database WHERE datname LIKE %s AND datname <> %s", (pattern, name))
    for (other,) in others.fetchall():
        try:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(other)))
        except psycopg.errors.ObjectInUse:  # another run is cloning it
            continue


def _drop_stale_clones(admin: "psycopg.Connection[Any]") -> None:
    """Clones of runs that were killed: their process, named at the end, is gone."""
    pattern = rf"^{PREFIX}_[a-z]+[0-9]*_[0-9]+$"
    for (name,) in admin.execute("SELECT datname FROM pg_database WHERE datname ~ %s", (pattern,)).fetchall():
        try:
            os.kill(int(name.rpartition("_")[2]), 0)
        except ProcessLookupError:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        except PermissionError:
            continue


@contextmanager
def _valkey_database(base: str) -> Iterator[tuple[str, Redis]]:
    """A numbered database that no other worker on this checkout uses."""
    for index in range(1, VALKEY_DATABASES):
        with (HOME / f"valkey-{index}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            url = make_url(base).set(database=str(index)).render_as_string(hide_password=False)
            redis = Redis.from_url(url)
            redis.flushdb()
            yield url, redis
            redis.close()
            return
    raise RuntimeError("every Valkey database is in use by another test run")


def _create(name: str, template: str | None) -> sql.Composed:
    source = sql.SQL(" TEMPLATE {}").format(sql.Identifier(template)) if template else sql.SQL("")
    return sql.SQL("CREATE DATABASE {}{}").format(sql.Identifier(name), source)


@contextmanager
def _admin(base: Any) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(_dsn(base, "postgres"), autocommit=True) as connection:
        yield connection


def _url(base: Any, database: str) -> str:
    return str(base.set(database=database).render_as_string(hide_password=False))


def _dsn(base: Any, database: str) -> str:
    return _url(base, database).replace("postgresql+psycopg://", "postgresql://")
