"""What recurs: the tick at the interval of the settings, and a job for whatever is due."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import repeat

import pytest
from flask import Flask
from rq import Queue
from rq.serializers import JSONSerializer
from rq.timeouts import JobTimeoutException, UnixSignalDeathPenalty
from rq_scheduler import Scheduler
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

import worker
from dashboard.config import settings
from dashboard.core import clock, queue
from dashboard.core.db import autocommit, db
from dashboard.domain.funds import expiry
from dashboard.jobs import schedule, tick
from dashboard.models import Lease


def test_a_changed_interval_counts_from_the_next_start(app_context: Flask) -> None:
    connection = queue.connect(str(settings().redis_url), timeout=5.0)
    scheduler = Scheduler(queue.TICK, connection=connection, job_class=worker.OwnJob)
    assert not worker.is_registered(scheduler)
    for seconds in (3600, 15):
        worker.register(scheduler, seconds)
        assert worker.is_registered(scheduler)
    (job,) = scheduler.get_jobs()
    assert job.meta["interval"] == 15


@contextmanager
def first(*duties: schedule.Due) -> Iterator[None]:
    """With these duties before the others."""
    schedule.SCHEDULE[:0] = [(due, "dashboard.jobs.purge.purge") for due in duties]
    try:
        yield
    finally:
        del schedule.SCHEDULE[: len(duties)]


def rung() -> list[list[str]]:
    connection = queue.connect(str(settings().redis_url), timeout=5.0)
    return [list(job.args) for job in Queue(queue.WORK, connection=connection, serializer=JSONSerializer).jobs]


def fail() -> Iterable[str]:
    raise RuntimeError("this duty is broken")


def take_too_long() -> Iterable[str]:
    connection = autocommit()
    connection.execute(text("SET statement_timeout = '20ms'"))
    try:
        connection.execute(text("SELECT pg_sleep(5)"))
    finally:
        connection.execute(text("RESET statement_timeout"))
    return ()


@pytest.mark.parametrize(("due", "said"), [(fail, "this duty is broken"), (take_too_long, "statement timeout")])
def test_a_duty_that_fails_keeps_no_other_from_its_bell(app_context: Flask, due: schedule.Due, said: str) -> None:
    with first(due, lambda: ["told"]), pytest.raises((RuntimeError, OperationalError), match=said):
        tick.tick()
    assert ["told"] in rung()
    assert db.session.query(Lease).filter_by(name=tick.LEASE).count() == 1


def test_a_duty_with_endless_work_leaves_the_others_their_turn(make_app: Callable[..., Flask]) -> None:
    app = make_app(jobs={"tick_seconds": 1})
    with app.app_context(), first(lambda: repeat("endless"), lambda: ["told"]):
        tick.tick()
        assert ["told"] in rung()


def test_each_tick_begins_with_another_duty_also_after_one_that_ran_out_of_time(app_context: Flask) -> None:
    begun: list[str] = []

    def run_out_of_time(name: str) -> Iterable[str]:
        begun.append(name)
        raise JobTimeoutException

    names = ["a", "b", "c"]
    with first(*(partial(run_out_of_time, name) for name in names)):
        for _ in names:
            with pytest.raises(JobTimeoutException):
                tick.tick()
    assert begun == names


def test_without_the_database_the_tick_ends_at_once(make_app: Callable[..., Flask]) -> None:
    asked = []
    app = make_app(database_url="postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    with app.app_context(), first(expiry.due, lambda: asked.append("again") or ()), pytest.raises(OperationalError):
        tick.tick()
    assert asked == []


def test_the_end_of_its_time_ends_the_tick(app_context: Flask) -> None:
    asked = []

    def wait() -> Iterable[str]:
        with UnixSignalDeathPenalty(1, JobTimeoutException):
            time.sleep(5)
        return ()

    with first(wait, lambda: asked.append("again") or ()), pytest.raises(JobTimeoutException):
        tick.tick()
    assert asked == []


def test_the_hourly_purge_is_rung_whatever_the_tick(app_context: Flask) -> None:
    hour = datetime(2026, 11, 20, 9, tzinfo=UTC)
    (purges,) = (due for due, job in schedule.SCHEDULE if job.endswith(".purge"))
    seconds = [second for second in range(0, 3600, 15) if at(hour + timedelta(seconds=second), purges)]
    assert 0 < len(seconds) <= 4


def at(moment: datetime, due: schedule.Due) -> bool:
    with clock.at(moment):
        return bool(list(due()))
