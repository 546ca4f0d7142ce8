"""The worker runs its own jobs only, whatever is written to Redis."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from rq import Callback, Queue
from rq.job import Job
from rq.serializers import JSONSerializer
from rq_scheduler import Scheduler
from rq_scheduler.utils import to_unix

import worker
from dashboard.config import settings
from dashboard.core import clock, metrics, queue
from dashboard.jobs import JOBS
from tests.each import each

OURS = "dashboard.jobs.purge.purge"


class Foreign:
    """Writes jobs as somebody would who has Redis's password."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.queue = Queue(queue.WORK, connection=redis, serializer=JSONSerializer)

    def add(self, function: str, *args: Any, **options: Any) -> Job:
        return self.queue.enqueue(function, *args, **options)

    def changed(self, **fields: str) -> Job:
        """A job of ours, with other values in its hash."""
        job = self.add(OURS, "expired")
        self.redis.hset(job.key, mapping=fields)
        return job


@pytest.fixture
def foreign(app_context: Flask) -> Iterator[Foreign]:
    yield Foreign(queue.connect(str(settings().redis_url), timeout=5.0))
    metrics._State.posted, metrics._State.counts = None, False  # this process is a worker no longer


def work(app: Flask) -> None:
    worker.make_worker(app, "work").work(burst=True, logging_level="CRITICAL")


def refusals(caplog: pytest.LogCaptureFixture) -> int:
    return sum("not ours" in record.message for record in caplog.records)


def test_a_function_of_the_system_is_not_run(
    foreign: Foreign, app_context: Flask, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mark = tmp_path / "ran"
    job = foreign.add("os.system", f"touch {mark}")
    ours = foreign.add(OURS, "expired")
    work(app_context)
    assert not mark.exists()
    assert refusals(caplog) == 1
    assert not Job.exists(job.id, connection=foreign.redis)
    assert "failed" not in {entry.message for entry in caplog.records if entry.levelno >= logging.ERROR}
    assert ours.get_status() == "finished"


FORMS: dict[str, Callable[[Foreign], Job]] = {
    "a module of ours": lambda foreign: foreign.add("dashboard.core.db.transaction"),
    "what a module of jobs imports": lambda foreign: foreign.add("dashboard.jobs.tick.settings"),
    "a number": lambda foreign: foreign.add(OURS, 1),
    "a list": lambda foreign: foreign.add(OURS, ["expired"]),
    "a named argument": lambda foreign: foreign.add(OURS, key="expired"),
    "after success": lambda foreign: foreign.add(OURS, "expired", on_success=Callback("os.system")),
    "after failure": lambda foreign: foreign.add(OURS, "expired", on_failure=Callback("os.system")),
    "after a stop": lambda foreign: foreign.add(OURS, "expired", on_stopped=Callback("os.system")),
    "an instance": lambda foreign: foreign.changed(data=f'["{OURS}", "os", ["expired"], {{}}]'),
    "no JSON": lambda foreign: foreign.changed(data="\x80\x04."),
    "no number": lambda foreign: foreign.changed(ttl="x"),
    "another queue's class": lambda foreign: foreign.changed(meta='{"queue_class_name": "os.system"}'),
    "another queue": lambda foreign: foreign.changed(origin="elsewhere"),
    "a post to an address": lambda foreign: foreign.changed(
        webhooks='[{"url": "http://127.0.0.1:1/", "job_status": "finished"}]'
    ),
}


@each("form", FORMS.values())
def test_what_is_not_as_we_write_it_is_refused(
    foreign: Foreign, app_context: Flask, caplog: pytest.LogCaptureFixture, form: Callable[[Foreign], Job]
) -> None:
    caplog.clear()
    job = form(foreign)
    work(app_context)
    assert refusals(caplog) == 1
    assert not Job.exists(job.id, connection=foreign.redis)


def test_the_scheduler_imports_nothing_that_a_job_names(foreign: Foreign, caplog: pytest.LogCaptureFixture) -> None:
    job = foreign.changed(meta='{"queue_class_name": "os.system"}')
    foreign.redis.delete(foreign.queue.key)
    foreign.redis.zadd(Scheduler.scheduled_jobs_key, {job.id: to_unix(clock.now().replace(tzinfo=None)) - 10})
    scheduler = Scheduler(queue.TICK, connection=foreign.redis, job_class=worker.OwnJob)
    scheduler.enqueue_jobs()
    assert refusals(caplog) == 1
    assert not foreign.redis.zscore(Scheduler.scheduled_jobs_key, job.id)


def test_refusals_are_counted(make_app: Callable[..., Flask], foreign: Foreign) -> None:
    app = make_app(metrics_token="a-token-for-the-monitor-only-0123456789")
    with app.app_context():
        foreign.add("os.getpid")
        work(app)
        assert ("jobs", ["unknown", "refused"], 1.0) in metrics.of_workers(foreign.redis)


def test_every_job_of_ours_is_let_through(foreign: Foreign) -> None:
    for name in JOBS:
        job = foreign.add(name, "a", job_timeout=queue.JOB_SECONDS, result_ttl=0, failure_ttl=3600)
        read = worker.OwnJob.fetch(job.id, connection=foreign.redis)
        assert (read.func_name, list(read.args)) == (name, ["a"])
