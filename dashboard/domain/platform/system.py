"""The state of the installation, for the people who operate it. Nothing here is secret.

The only external call is to the payment provider, and only until it has answered once in this process.
"""

import functools
import platform
from dataclasses import dataclass
from datetime import datetime, timedelta

from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy import TextClause, func, select, text

from dashboard.config import settings
from dashboard.core import clock, queue
from dashboard.core.db import autocommit, db
from dashboard.core.queue import Running, Waiting
from dashboard.domain.catalog import configured
from dashboard.domain.funds import seals
from dashboard.domain.funds.seals import Lag, checkpoints
from dashboard.domain.funds.seals.checkpoints import Checkpoint
from dashboard.models import PLATFORM_ORG_ID, InboxEvent, OutboxEmail
from dashboard.providers.base import Provider

VERSION = "0.1.0"

_MIGRATION = text("SELECT version_num FROM alembic_version")

_TICK = text("""SELECT holder, until, until > now() AS alive,
  greatest(0, CAST(extract(epoch FROM now() - until) AS bigint)) AS late
FROM leases WHERE name = 'tick'""")

# With CREATEROLE, a login can make itself a member of the owner's role (always before PostgreSQL 16).
_OWNER_LOGIN = text("""SELECT r.rolsuper OR r.rolcreaterole OR pg_has_role(r.oid, t.relowner, 'MEMBER')
FROM pg_roles r, pg_class t WHERE r.rolname = session_user AND t.oid = 'transactions'::regclass""")

_DATABASE = text("SELECT clock_timestamp() AS now, current_setting('server_version') AS version,"
                 " pg_database_size(current_database()) AS bytes")  # fmt: skip

_INBOX = text("""SELECT state, count(*) AS number, min(created_at) AS oldest FROM inbox_events
WHERE state IN ('received', 'failed') GROUP BY state
UNION ALL SELECT state, count(*), min(created_at) FROM inbox_events WHERE state = 'parked' GROUP BY state""")

_MAIL = text("""SELECT state, count(*) AS number, min(created_at) AS oldest FROM outbox_emails
WHERE state IN ('waiting', 'failed') GROUP BY state
UNION ALL SELECT state, count(*), min(created_at) FROM outbox_emails WHERE state = 'parked' GROUP BY state""")


@dataclass(frozen=True, slots=True)
class Tick:
    """The recurring tick: `late` is the number of seconds since its heartbeat expired, None while it is fresh."""

    holder: str
    until: datetime
    late: int | None


@dataclass(frozen=True, slots=True)
class Database:
    """PostgreSQL: its version, size, response time, and how far our clock is ahead of its clock.

    `owner_login`: the login of this process can become the tables' owner. After an SQL injection, an attacker could
    then do what the application's role must not do.
    """

    version: str
    bytes: int
    took: timedelta
    ahead: timedelta
    owner_login: bool


@dataclass(frozen=True, slots=True)
class Pile:
    """How many rows wait in one state, and since when the oldest one waits."""

    state: str
    count: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Software:
    """The versions of the running software."""

    version: str
    python: str
    migration: str | None
    wanted_migration: str | None

    @property
    def migrated(self) -> bool:
        return self.migration == self.wanted_migration


@dataclass(frozen=True, slots=True)
class Paying:
    """The provider as configured, and when it last sent an event. `problem`: why nothing can be sold now."""

    provider: str
    mode: str
    api_version: str | None
    last_event: datetime | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class System:
    """All of it at one moment. `queues` and `workers` are None if Redis is unavailable."""

    software: Software
    database: Database
    tick: Tick | None
    queues: list[Waiting] | None
    workers: list[Running] | None
    inbox: list[Pile]
    mail: list[Pile]
    mail_server: bool
    last_sent: datetime | None
    paying: Paying
    seals: Lag
    head: Checkpoint | None


def look(provider: Provider) -> System:
    """Collect everything. Raises database errors; an unavailable Redis is part of the result."""
    return System(
        software(), _database(), tick(), queue.job_queue().waiting(), queue.job_queue().running(), inbox(), mail(),
        settings().smtp.url is not None, _last_sent(), _paying(provider), seals.lag(), checkpoints.recorded(),
    )  # fmt: skip


def software() -> Software:
    row: str | None = autocommit().execute(_MIGRATION).scalar_one_or_none()
    wanted = _newest_migration(current_app.extensions["migrate"].directory)
    return Software(VERSION, platform.python_version(), row, wanted)


def tick() -> Tick | None:
    """None if it never ran."""
    row = autocommit().execute(_TICK).one_or_none()
    return Tick(row.holder, row.until, None if row.alive else row.late) if row else None


def inbox() -> list[Pile]:
    """Unfinished events: received, failed (retried) and parked."""
    return _piles(_INBOX)


def mail() -> list[Pile]:
    """Unsent emails: waiting, failed (retried) and parked."""
    return _piles(_MAIL)


def _piles(statement: TextClause) -> list[Pile]:
    return [Pile(row.state, row.number, row.oldest) for row in autocommit().execute(statement)]


def _database() -> Database:
    """Our clock is read halfway between query and answer."""
    before = clock.now()
    row = autocommit().execute(_DATABASE).one()
    took = clock.now() - before
    owner_login: bool = autocommit().execute(_OWNER_LOGIN).scalar_one()
    return Database(row.version, row.bytes, took, before + took / 2 - row.now, owner_login)


def _paying(provider: Provider) -> Paying:
    newest = select(InboxEvent.created_at).filter_by(org_id=PLATFORM_ORG_ID).order_by(InboxEvent.id.desc()).limit(1)
    last, problem = db.session.scalar(newest), configured.account_problem(provider)
    return Paying(provider.name, provider.mode, provider.api_version, last, problem)


def _last_sent() -> datetime | None:
    newest: datetime | None = db.session.scalar(select(func.max(OutboxEmail.sent_at)))
    return newest


@functools.cache
def _newest_migration(directory: str) -> str | None:
    return ScriptDirectory(directory).get_current_head()
