"""`python worker.py`: runs the RQ workers, one worker each for the tick and for email, and the scheduler.

The parent only starts, monitors and restarts the processes. Each child ends with the parent, even if the parent is
killed.
"""
# ruff: noqa: E402

import gc

# As in wsgi.py.
gc.disable()

import argparse
import ctypes
import logging
import multiprocessing
import os
import signal
import sys
import time
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from typing import Any

from flask import Flask
from redis.exceptions import RedisError
from rq import SimpleWorker
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer
from rq_scheduler import Scheduler

from dashboard import create_app
from dashboard.config import settings
from dashboard.core import db, logs, metrics, queue
from dashboard.jobs import JOBS, platform_provider

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
STOPS = (signal.SIGTERM, signal.SIGINT)
RESTART_SECONDS = 1
STOP_SECONDS = 30
SCHEDULER_SECONDS = 5
HEARD_SECONDS = 60  # an idle worker sends a heartbeat at least this often; a killed one is forgotten a minute later
QUEUE_OF = {"work": queue.WORK, "tick": queue.TICK, "mail": queue.MAIL}
TICK_ID = "tick"
TICK_JOB = "dashboard.jobs.tick.tick"

log = logging.getLogger("coffer.worker")


class OwnJob(Job):
    """A job read from Redis: one of our own functions, called with text, and nothing else to import, call or post.

    Anyone who can write to Redis could name any function of any module, as the job or as its callback. Such a job is
    deleted, counted and logged; RQ and its scheduler then treat it as a job that no longer exists.
    """

    def __init__(self, id: str | None = None, connection: Any = None, serializer: Any = None) -> None:
        # rq-scheduler would use pickle.
        super().__init__(id=id, connection=connection, serializer=JSONSerializer)

    def restore(self, raw_data: Any) -> None:
        try:
            super().restore(raw_data)
            ours = self._is_ours()
        except Exception:  # whatever the data contains
            ours = False
        if not ours:
            log.error("a job that is not ours was refused", extra={"job": self.id})
            metrics.job_refused(self.connection)
            self.connection.delete(self.key)
            raise NoSuchJobError("This job is not one of ours.")

    def _is_ours(self) -> bool:
        callbacks = (self._success_callback_name, self._failure_callback_name, self._stopped_callback_name)
        return (
            self.func_name in JOBS
            and self.instance is None
            and not self.kwargs
            and all(isinstance(one, str) for one in self.args)
            and not any(isinstance(name, str) for name in callbacks)
            and not self.webhooks
            and all(name == "interval" and isinstance(value, int) for name, value in self.meta.items())
            and self.origin in queue.QUEUES
        )


class AppWorker(SimpleWorker):
    """Runs each job in its own application context, in this process: our jobs process many rows, so there are few of
    them."""

    max_connection_wait_time = 2.0
    app: Flask

    def perform_job(self, job: Job, taken_from: Any) -> bool:
        with self.app.app_context():
            logs.bind_job(str(job.func_name))
            queue.begins(self.connection, str(job.func_name), job.args)
            metrics.job_begins()
            done = bool(super().perform_job(job, taken_from))
            metrics.job_ends(self.connection, str(job.func_name), done=done)
            return done

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Log one line if the database is unavailable, because every tick would repeat it; the traceback for anything
        else."""
        away = isinstance(exc_info[1], db.AWAY)
        extra = {"error": type(exc_info[1]).__name__}
        log.error("job failed, its work stays due", extra=extra, exc_info=None if away else exc_info)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "role", nargs="?", choices=("work", "tick", "mail", "schedule"), help="one process; default: all, kept alive"
    )
    role = parser.parse_args().role
    os.environ["TZ"] = "UTC"
    time.tzset()
    app = create_app()
    gc.freeze()
    gc.enable()
    if role is None:
        watch(app)
    else:
        run(app, role)


def watch(app: Flask) -> None:
    """Start every process, and restart any that ends, until told to stop; then let running jobs finish."""
    with app.app_context():
        platform_provider()  # imported once here instead of in each copy
    roles = ["schedule", "tick", "mail", *["work"] * app.config["COFFER"].jobs.workers]
    stopping: list[int] = []
    for number in STOPS:
        signal.signal(number, lambda received, _frame: stopping.append(received))
    children = [_start(app, role) for role in roles]
    while not stopping:
        for place, child in enumerate(children):
            if child.exitcode is not None:
                facts = {"role": child.name, "code": child.exitcode}
                log.warning("a background process ended, starting another", extra=facts)
                children[place] = _start(app, child.name)
        time.sleep(RESTART_SECONDS)
    _stop(children)


def run(app: Flask, role: str) -> None:
    if role == "schedule":
        with app.app_context():
            schedule()
    else:
        work(app, role)


def schedule() -> None:
    """Run `tick` at its interval. Registers it at the start and whenever Redis lost it, and keeps running without
    Redis."""
    seconds = settings().jobs.tick_seconds
    pause = min(seconds, SCHEDULER_SECONDS)
    connection = queue.connect(str(settings().redis_url), timeout=float(SCHEDULER_SECONDS))
    scheduler = Scheduler(queue.TICK, connection=connection, interval=pause, job_class=OwnJob)
    registered = False
    while True:
        try:
            if not registered or not is_registered(scheduler):
                register(scheduler, seconds)
                registered = True
            _ring(scheduler)
        except (RedisError, OSError) as error:
            log.warning("scheduler without Redis", extra={"error": type(error).__name__})
        time.sleep(pause)


def is_registered(scheduler: Scheduler) -> bool:
    return TICK_ID in scheduler and Job.exists(TICK_ID, connection=scheduler.connection)


def register(scheduler: Scheduler, seconds: int) -> None:
    """Have `tick` run now and every `seconds`. Replaces an earlier registration, including its interval."""
    first = datetime.now(UTC).replace(tzinfo=None)  # the library compares naive UTC times
    scheduler.schedule(first, TICK_JOB, interval=seconds, id=TICK_ID, timeout=queue.JOB_SECONDS)


def _ring(scheduler: Scheduler) -> None:
    if scheduler.acquire_lock():
        try:
            scheduler.enqueue_jobs()
        finally:
            scheduler.remove_lock()


def work(app: Flask, role: str) -> None:
    """Run the jobs of one queue until told to stop."""
    logging.getLogger("rq.worker").setLevel(logging.CRITICAL)  # it would log every failure again, at length
    try:
        make_worker(app, role).work(logging_level="CRITICAL")
    except RedisError as error:
        log.warning("worker without Redis", extra={"error": type(error).__name__})
        sys.exit(1)


def make_worker(app: Flask, role: str) -> AppWorker:
    """The worker of one queue."""
    AppWorker.app = app
    connection = queue.connect(app.config["COFFER"].redis_url, timeout=None)
    return AppWorker(
        [QUEUE_OF[role]], connection=connection, job_class=OwnJob, serializer=JSONSerializer, worker_ttl=HEARD_SECONDS
    )


def _start(app: Flask, role: str) -> BaseProcess:
    """Fork a copy of this process. Everything is already imported, so it starts at once; a new process takes
    seconds."""
    child = multiprocessing.get_context("fork").Process(target=_child, args=(app, role, os.getpid()), name=role)
    # A stop signal that arrives while the copy still has our handlers would only be noted, not obeyed.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        child.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    return child


def _child(app: Flask, role: str, parent: int) -> None:
    """The kernel ends this process when its parent ends, in whatever way."""
    for number in STOPS:
        signal.signal(number, signal.SIG_DFL)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        libc.prctl(PR_SET_NAME, f"coffer-{role}".encode(), 0, 0, 0)
    if os.getppid() == parent:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        run(app, role)


def _stop(children: list[BaseProcess]) -> None:
    for child in children:
        child.terminate()
    end = time.monotonic() + STOP_SECONDS
    for child in children:
        child.join(max(0.1, end - time.monotonic()))
        if child.exitcode is None:
            child.kill()


if __name__ == "__main__":
    main()
