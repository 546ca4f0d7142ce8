"""The job queue (RQ). Jobs are named by dotted path and carry only ids.

Pending work is stored in PostgreSQL, so a lost job delays work but never loses it.

Jobs are enqueued after the commit. If Redis is unavailable, slow or full, the caller never fails: timeouts are short,
there are no retries, and a circuit breaker stops trying for some seconds.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Flask, current_app
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue, Worker
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker

from dashboard.core import db
from dashboard.core.breaker import Breaker

TIMEOUT_SECONDS = 0.3
BREAKER_SECONDS = 5
JOB_SECONDS = 60
WORK = "work"
TICK = "tick"
MAIL = "mail"
"""For work that waits for a mail server: a server that never answers delays only other emails."""

QUEUES = (WORK, TICK, MAIL)
ROUTES: dict[str, str] = {}
"""Jobs that do not belong on WORK, by dotted path. The module that defines the job adds it."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queue: how many jobs wait in it, and since when the oldest one has waited."""

    name: str
    jobs: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Running:
    """An RQ worker, as of its last heartbeat."""

    name: str
    queue: str
    state: str
    started: datetime | None
    heard: datetime | None


class JobQueue:
    """One connection pool and its circuit breaker. `enqueue` ignores Redis errors and returns whether the job is
    queued."""

    def __init__(self, url: str, patience: int) -> None:
        self._patience = patience
        self.redis = connect(url, timeout=TIMEOUT_SECONDS)
        self._breaker = Breaker("queue away, jobs wait for the next tick", seconds=BREAKER_SECONDS)

    def enqueue(self, function: str, *args: str) -> bool:
        """Enqueue a job unless it is already waiting: when it begins, it finds all due work, however often it was
        enqueued."""
        if self._breaker.is_open:
            return False
        try:
            if not self.redis.set(_pending_key(function, args), 1, nx=True, ex=self._patience):
                return True
            Queue(ROUTES.get(function, WORK), connection=self.redis, serializer=JSONSerializer).enqueue(
                function, *args, job_timeout=JOB_SECONDS, result_ttl=0, failure_ttl=3600
            )
        except RedisError as error:
            self._breaker.failed(error)
            return False
        return True

    def answers(self) -> bool:
        """Whether Redis answers now; for health pages."""
        try:
            return bool(self.redis.ping())
        except RedisError as error:
            self._breaker.failed(error)
            return False

    def waiting(self) -> list[Waiting] | None:
        """The current queues; None if Redis is unavailable."""
        if self._breaker.is_open:
            return None
        try:
            return [self._waiting(name) for name in QUEUES]
        except RedisError as error:
            self._breaker.failed(error)
            return None

    def running(self) -> list[Running] | None:
        """The workers of all queues; None if Redis is unavailable. A killed worker is listed until its heartbeat
        expires."""
        if self._breaker.is_open:
            return None
        try:
            result = Worker.all(connection=self.redis, serializer=JSONSerializer)
        except RedisError as error:
            self._breaker.failed(error)
            return None
        return sorted(map(_running, result), key=lambda one: (one.queue, one.name))

    def _waiting(self, name: str) -> Waiting:
        queue = Queue(name, connection=self.redis, serializer=JSONSerializer)
        oldest = queue.get_job_ids(0, 1)
        since = self.redis.hget(Job.key_for(oldest[0]), "enqueued_at") if oldest else None
        text = since.decode().replace("Z", "+00:00") if isinstance(since, bytes) else None
        return Waiting(name, queue.count, datetime.fromisoformat(text) if text else None)


def begins(connection: Redis, function: str, args: Sequence[str]) -> None:
    """Called when a job begins, before it looks for work: work added from now on needs another job."""
    connection.delete(_pending_key(function, args))


def _pending_key(function: str, args: Sequence[str]) -> str:
    """The Redis key that says a job is waiting. It expires, because the queue or the worker that took the job may be
    lost."""
    return f"coffer:pending:{function}:{':'.join(args)}"


def _running(worker: BaseWorker) -> Running:
    queues, state = ", ".join(worker.queue_names()), str(worker.get_state())
    return Running(worker.name, queues, state, worker.birth_date, worker.last_heartbeat)


def connect(url: str, *, timeout: float | None) -> Redis:
    """A client without retries: with them, a timeout of 0.2 s lasts 6 s if Redis hangs."""
    return Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0))


def init_app(app: Flask, redis_url: str, *, patience: int) -> None:
    """`patience`: seconds for which an enqueued job counts as waiting if nothing more is known about it."""
    app.extensions["job_queue"] = JobQueue(redis_url, patience)


def job_queue() -> JobQueue:
    result: JobQueue = current_app.extensions["job_queue"]
    return result


def enqueue(function: str, *args: str) -> None:
    """Enqueue the job `function` (dotted path) with ids as text, after the open transaction commits."""
    db.after_commit(functools.partial(job_queue().enqueue, function, *args))
