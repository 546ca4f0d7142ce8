"""The recurring tick: finds due work and enqueues it. A late, repeated or lost tick only delays work."""

import logging
import os
import socket
import time
from collections.abc import Iterable

from psycopg.errors import QueryCanceled
from rq.timeouts import JobTimeoutException
from sqlalchemy import text

from dashboard.config import settings
from dashboard.core import queue
from dashboard.core.db import AWAY, autocommit, db
from dashboard.jobs.schedule import SCHEDULE

LEASE = "tick"
MISSED_TICKS = 3

log = logging.getLogger(__name__)

# Counted first, so that a tick that does not finish is counted too.
_BEGUN = text("""INSERT INTO leases AS l (name, holder, token, until) VALUES (:name, :holder, 1, now())
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, token = l.token + 1 RETURNING token""")

_SEEN = text("UPDATE leases SET until = now() + make_interval(secs => :seconds) WHERE name = :name")


def tick() -> None:
    """Enqueue all due work, and record a heartbeat that expires after three missed ticks.

    A task that fails does not stop the others; the first error is raised at the end, for the worker's log. A task with
    much to do does not block the others: its turn ends after a third of the interval, and the next tick continues. Each
    tick begins with another task, so that a task that uses up the job's time does not always delay the same ones. If
    the database is unavailable or the job's time is over, the tick ends at once.
    """
    holder = f"{socket.gethostname()}:{os.getpid()}"
    number = autocommit().execute(_BEGUN, {"name": LEASE, "holder": holder}).scalar_one()
    start = (number - 1) % len(SCHEDULE)
    failures = []
    for due, job in SCHEDULE[start:] + SCHEDULE[:start]:
        try:
            _take_turn(due(), job)
        except JobTimeoutException:
            raise
        except Exception as error:
            if _away(error):
                raise
            db.session.rollback()
            log.exception("a duty could not be asked for", extra={"job": job})
            failures.append(error)
    autocommit().execute(_SEEN, {"name": LEASE, "seconds": settings().jobs.tick_seconds * MISSED_TICKS})
    if failures:
        raise failures[0]


def _take_turn(keys: Iterable[str], job: str) -> None:
    end = time.monotonic() + settings().jobs.tick_seconds / 3
    for key in keys:
        queue.enqueue(job, key)
        if time.monotonic() > end:
            log.warning("more is due than a turn can enqueue", extra={"job": job})
            return


def _away(error: Exception) -> bool:
    """Whether the database is unavailable. A query that timed out does not count, so that the next task still runs."""
    return isinstance(error, AWAY) and not isinstance(error.__cause__, QueryCanceled)
