"""The bell: jobs on RQ, named by dotted path, carrying ids only.

What is due stands in PostgreSQL, so a lost job costs time, not truth.

An enqueue waits for the commit. Redis away, slow or full never fails the caller: short time-outs, no retries, and a
breaker that stops asking for some seconds.
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
"""For what waits on a mail server: one that never answers holds up other mails, and nothing else."""

QUEUES = (WORK, TICK, MAIL)
ROUTES: dict[str, str] = {}
"""Jobs that do not belong on WORK, by the module that names them."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queue: how many jobs stand in it, and since when the oldest does."""

    name: str
    jobs: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Running:
    """An RQ worker as it last told of itself."""

    name: str
    queue: str
    state: str
    started: datetime | None
    heard: datetime | None


class Bell:
    """One connection pool and its breaker. `ring` swallows Redis's errors and says whether the job was queued."""

    def __init__(self, url: str, patience: int) -> None:
        self._patience = patience
        self.redis = connect(url, timeout=TIMEOUT_SECONDS)
        self._breaker = Breaker("queue away, jobs wait for the next tick", seconds=BREAKER_SECONDS)

    def ring(self, function: str, *args: str) -> bool:
        """Once for as long as the job waits: it finds all that is due when it begins, however often it was rung for."""
        if self._breaker.is_open:
            return False
        try:
            if not self.redis.set(_rung(function, args), 1, nx=True, ex=self._patience):
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
        """The queues as they are; None while Redis is away."""
        if self._breaker.is_open:
            return None
        try:
            return [self._waiting(name) for name in QUEUES]
        except RedisError as error:
            self._breaker.failed(error)
            return None

    def running(self) -> list[Running] | None:
        """The workers of all queues; None while Redis is away. A killed one is listed until its last word expires."""
        if self._breaker.is_open:
            return None
        try:
            found = Worker.all(connection=self.redis, serializer=JSONSerializer)
        except RedisError as error:
            self._breaker.failed(error)
            return None
        return sorted(map(_running, found), key=lambda one: (one.queue, one.name))

    def _waiting(self, name: str) -> Waiting:
        queue = Queue(name, connection=self.redis, serializer=JSONSerializer)
        oldest = queue.get_job_ids(0, 1)
        since = self.redis.hget(Job.key_for(oldest[0]), "enqueued_at") if oldest else None
        text = since.decode().replace("Z", "+00:00") if isinstance(since, bytes) else None
        return Waiting(name, queue.count, datetime.fromisoformat(text) if text else None)


def begins(connection: Redis, function: str, args: Sequence[str]) -> None:
    """The job is about to look for work: who rings from now on rings for what it may not see."""
    connection.delete(_rung(function, args))


def _rung(function: str, args: Sequence[str]) -> str:
    """Where it stands that the job waits. Forgotten by itself: the queue may be lost, or a worker that just took it."""
    return f"coffer:rung:{function}:{':'.join(args)}"


def _running(worker: BaseWorker) -> Running:
    queues, state = ", ".join(worker.queue_names()), str(worker.get_state())
    return Running(worker.name, queues, state, worker.birth_date, worker.last_heartbeat)


def connect(url: str, *, timeout: float | None) -> Redis:
    """A client without retries of its own: with them a 0.2 s time-out lasts 6 s when Redis hangs."""
    return Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0))


def init_app(app: Flask, redis_url: str, *, patience: int) -> None:
    """`patience`: seconds for which a job that was rung for is taken to wait, where nothing is heard of it."""
    app.extensions["bell"] = Bell(redis_url, patience)


def bell() -> Bell:
    found: Bell = current_app.extensions["bell"]
    return found


def enqueue(function: str, *args: str) -> None:
    """Queue the job `function` (dotted path) with ids as text, once the open transaction has committed."""
    db.after_commit(functools.partial(bell().ring, function, *args))
