"""The database: one declarative base, one visible transaction, and hooks that run after its commit.

Reads run in autocommit: no transaction stays open between a page's queries. Writes go through `transaction()`, which
uses READ COMMITTED, never nests, and rejects rows of any organization other than the one it was opened for.
"""

import functools
import logging
import random
import select as readiness
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import psycopg
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    DateTime,
    Engine,
    MetaData,
    Select,
    Text,
    TextClause,
    Uuid,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine.interfaces import ExecutionContext
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import Pool

from dashboard.core import arrays
from dashboard.core.errors import Unavailable
from dashboard.core.money import Micros

APP_ROLE = "coffer_app"
SESSION_SETTINGS = (
    f"-c role={APP_ROLE} -c lock_timeout=3s -c statement_timeout=10s -c idle_in_transaction_session_timeout=15s"
)
CONNECT_TIMEOUT_SECONDS = 3
SILENCE_MILLISECONDS = 15_000
"""How long sent data may stay unacknowledged by PostgreSQL's machine: longer than any statement may take."""

UNREAD_MESSAGES = 8
AWAY = (OperationalError, InterfaceError, PoolTimeout)
"""What SQLAlchemy raises when PostgreSQL is unavailable or too slow."""

RETRYABLE = {"40001", "40P01"}
RETRIES = 3
PAUSE_SECONDS = (0.02, 0.1)

arrays.register()
log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")


def cannot_store(error: Exception) -> bool:
    """Whether the error is caused by text that PostgreSQL cannot store: a NUL or half of a surrogate pair."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, UnicodeEncodeError):
        return "surrogates" in cause.reason
    odd = isinstance(cause, psycopg.DataError) and any(word in str(cause) for word in ("NUL (0x00)", "surrogate"))
    return odd or isinstance(cause, psycopg.errors.UntranslatableCharacter)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        UUID: Uuid(),
        datetime: DateTime(timezone=True),
        Micros: BigInteger(),
        dict[str, Any]: JSONB(),
        list[str]: ARRAY(Text),
        str: Text(),
    }


db = SQLAlchemy(metadata=Base.metadata, session_options={"expire_on_commit": False})


def init_app(app: Flask, database_url: str, *, pool_size: int = 10) -> None:
    app.config["SQLALCHEMY_DATABASE_URI"] = database_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {
        "isolation_level": "AUTOCOMMIT",
        "pool_size": pool_size,
        "max_overflow": 10,
        "pool_timeout": CONNECT_TIMEOUT_SECONDS,
        "pool_use_lifo": True,
        "hide_parameters": True,  # an error in the log shows the statement, never the values
        "connect_args": {
            "options": SESSION_SETTINGS,
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "tcp_user_timeout": SILENCE_MILLISECONDS,
            "application_name": "coffer",
        },
    }
    db.init_app(app)


@contextmanager
def transaction(org: UUID | None = None) -> Iterator[Session]:
    """One transaction. Commits at the end of the block or rolls back if it raises, then runs the after-commit hooks.

    `org` names the only organization whose rows may be written; None allows only global rows. Raises RuntimeError if a
    transaction is already open: only entry points open one.
    """
    session = db.session()
    if session.info.get("transaction"):
        raise RuntimeError("a transaction is open already; only entry points open one")
    session.commit()  # ends the autocommit phase, so that the isolation level can change
    session.info["transaction"] = True
    session.info["org"] = org
    session.info["hooks"] = []
    try:
        session.connection(execution_options={"isolation_level": "READ COMMITTED"})
        yield session
        if org is not None and (check := session.info.get("guard")):
            check()
        session.commit()
    except BaseException:
        session.rollback()
        session.info["hooks"] = []
        raise
    finally:
        session.info["transaction"] = False
        hooks = session.info.pop("hooks", [])
    _run(hooks)


def guard(check: Callable[[], object] | None) -> None:
    """Call `check` before each commit of an organization's transaction from now on; None ends it. What it raises rolls
    the transaction back."""
    db.session().info["guard"] = check


def in_transaction() -> bool:
    return bool(db.session().info.get("transaction"))


def require_org(org_id: UUID) -> None:
    """Raise RuntimeError in a transaction of another organization. Code that writes without the ORM calls this."""
    info = db.session().info
    if info.get("transaction") and info.get("org") != org_id:
        raise RuntimeError(f"a write of organization {org_id} in the transaction of {info.get('org')}")


def after_commit(hook: Callable[[], object]) -> None:
    """Run `hook` after the open transaction commits, but not if it rolls back. Runs at once if none is open.

    An exception after the commit is logged and does not stop the other hooks: the commit is already done.
    """
    if in_transaction():
        db.session().info["hooks"].append(hook)
    else:
        hook()


def _run(hooks: list[Callable[[], object]]) -> None:
    for hook in hooks:
        try:
            hook()
        except Exception:
            log.exception("what follows a commit failed", extra={"hook": repr(hook)})


def lock(query: Select[R]) -> R | None:
    """The only row of `query`, locked and refreshed; None if there is none. Waits up to the lock timeout."""
    return db.session.execute(
        query.with_for_update(), execution_options={"populate_existing": True}
    ).scalar_one_or_none()


def autocommit() -> Connection:
    """The request's connection outside a transaction, for an operation that is one statement."""
    if in_transaction():
        raise RuntimeError("a transaction is open")
    return db.session.connection()


def retrying(unit: Callable[P, R]) -> Callable[P, R]:
    """Run a whole unit of work again, up to three times, if PostgreSQL reports that it lost a race (40001, 40P01).

    Pauses briefly first: a caller that retries at once can overtake the winner before it resumes, and lock it out
    again. For functions that open their own transaction and call no external service. Raises Unavailable after the last
    attempt.
    """

    @functools.wraps(unit)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        for number in range(RETRIES):
            if number:
                time.sleep(number * random.uniform(*PAUSE_SECONDS))  # noqa: S311 - apart, not secret
            try:
                return unit(*args, **kwargs)
            except OperationalError as error:
                if sqlstate(error) not in RETRYABLE or in_transaction():
                    raise
        raise Unavailable("Too many changes at once. Try again.", code="busy", retry_after=1)

    return run


def sqlstate(error: DBAPIError) -> str | None:
    """PostgreSQL's code for the error; None if the server was not reached."""
    return getattr(error.orig, "sqlstate", None)


def planned_each_time(sql: str) -> TextClause:
    """A statement whose plan depends on its values, so that PostgreSQL keeps none."""
    return text(sql).execution_options(planned_each_time=True)


@event.listens_for(Engine, "do_execute")
def _execute_unprepared(cursor: Any, statement: str, values: Any, context: ExecutionContext) -> bool:
    """Execute such a statement, and say whether this was one."""
    if context.execution_options.get("planned_each_time"):
        cursor.execute(statement, values, prepare=False)
        return True
    return False


@event.listens_for(Pool, "checkout")
def _replace_dead(connection: Any, *_: Any) -> None:
    """Replace a pooled connection that the server has closed, before anything is sent on it.

    An idle connection has nothing to read; a closed one has its end of file. The check costs no round trip. Without it,
    each process would return 503 once after PostgreSQL restarts, no matter how long ago that was.
    """
    waiting = readiness.poll()
    waiting.register(connection.fileno(), readiness.POLLIN)
    for _number in range(UNREAD_MESSAGES):
        if not waiting.poll(0):
            return  # nothing to read, or only a notice, which is now consumed
        try:
            connection.pgconn.consume_input()
        except psycopg.OperationalError as error:
            raise InvalidatePoolError from error
    raise InvalidatePoolError


@event.listens_for(Session, "before_flush")
def _guard_writes(session: Session, *_: Any) -> None:
    """Enforce that the ORM writes only in a visible transaction, and only rows of its organization."""
    changed = [*session.new, *session.dirty, *session.deleted]
    if not changed:
        return
    if not session.info.get("transaction"):
        raise RuntimeError(f"a write outside a transaction: {changed[0]!r}")
    for row in changed:
        org = getattr(row, "org_id", None)
        if getattr(row, "__tenant__", False) and org != session.info.get("org"):
            raise RuntimeError(f"a row of organization {org} in the transaction of {session.info.get('org')}")
