"""The recurring bell: asks what is due and enqueues it. Late, doubled or lost ticks cost time only."""

import logging
import os
import socket

from psycopg.errors import QueryCanceled
from rq.timeouts import JobTimeoutException
from sqlalchemy import text

from dashboard.config import settings
from dashboard.core import queue
from dashboard.core.db import AWAY, autocommit, db
from dashboard.jobs.schedule import DUTIES

LEASE = "tick"
MISSED_TICKS = 3

log = logging.getLogger(__name__)

_SEEN = text("""INSERT INTO leases AS l (name, holder, token, until)
VALUES (:name, :holder, 1, now() + make_interval(secs => :seconds))
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, token = l.token + 1, until = excluded.until""")


def tick() -> None:
    """Ring for everything that is due, and leave a sign of life that runs out after three missed ticks.

    A duty that fails keeps no other from being rung for; the first failure is raised at the end, for the worker's log.
    The database being away and the end of the job's time fail them all, and end the tick at once.
    """
    failures = []
    for due, job in DUTIES:
        try:
            for key in due():
                queue.enqueue(job, key)
        except JobTimeoutException:
            raise
        except Exception as error:
            if _away(error):
                raise
            db.session.rollback()
            log.exception("a duty could not be asked for", extra={"job": job})
            failures.append(error)
    seconds = settings().jobs.tick_seconds * MISSED_TICKS
    holder = f"{socket.gethostname()}:{os.getpid()}"
    autocommit().execute(_SEEN, {"name": LEASE, "holder": holder, "seconds": seconds})
    if failures:
        raise failures[0]


def _away(error: Exception) -> bool:
    """That the database cannot be asked at all; a question that took too long keeps nobody from the next one."""
    return isinstance(error, AWAY) and not isinstance(error.__cause__, QueryCanceled)
