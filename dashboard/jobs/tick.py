"""The recurring bell: asks what is due and enqueues it. Late, doubled or lost ticks cost time only."""

import logging
import os
import socket

from sqlalchemy import text

from dashboard.config import settings
from dashboard.core import queue
from dashboard.core.db import autocommit, db
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
    """
    failures = []
    for due, job in DUTIES:
        try:
            for key in due():
                queue.enqueue(job, key)
        except Exception as error:
            db.session.rollback()
            log.exception("a duty could not be asked for", extra={"job": job})
            failures.append(error)
    seconds = settings().jobs.tick_seconds * MISSED_TICKS
    holder = f"{socket.gethostname()}:{os.getpid()}"
    autocommit().execute(_SEEN, {"name": LEASE, "holder": holder, "seconds": seconds})
    if failures:
        raise failures[0]
