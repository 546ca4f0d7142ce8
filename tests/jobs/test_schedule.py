"""What recurs: the tick at the interval of the settings, and a bell for whatever is due."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from rq import Queue
from rq.serializers import JSONSerializer
from rq_scheduler import Scheduler

import worker
from dashboard.config import settings
from dashboard.core import clock, queue
from dashboard.core.db import db
from dashboard.jobs import schedule, tick
from dashboard.models import Lease


def test_a_changed_interval_counts_from_the_next_start(app_context: Flask) -> None:
    connection = queue.connect(str(settings().redis_url), timeout=5.0)
    scheduler = Scheduler(queue.TICK, connection=connection, job_class=worker.JsonJob)
    assert not worker.is_registered(scheduler)
    for seconds in (3600, 15):
        worker.register(scheduler, seconds)
        assert worker.is_registered(scheduler)
    (job,) = scheduler.get_jobs()
    assert job.meta["interval"] == 15


def test_a_duty_that_fails_keeps_no_other_from_its_bell(app_context: Flask) -> None:
    def fail() -> Iterable[str]:
        raise RuntimeError("this duty is broken")

    broken: schedule.Line = (fail, "dashboard.jobs.purge.purge")
    told: schedule.Line = (lambda: ["told"], "dashboard.jobs.purge.purge")
    schedule.DUTIES[:0] = [broken, told]
    try:
        with pytest.raises(RuntimeError, match="this duty is broken"):
            tick.tick()
    finally:
        del schedule.DUTIES[:2]
    connection = queue.connect(str(settings().redis_url), timeout=5.0)
    rung = [job.args for job in Queue(queue.WORK, connection=connection, serializer=JSONSerializer).jobs]
    assert ["told"] in [list(args) for args in rung]
    assert db.session.query(Lease).filter_by(name=tick.LEASE).count() == 1


def test_the_hourly_purge_is_rung_whatever_the_tick(app_context: Flask) -> None:
    hour = datetime(2026, 11, 20, 9, tzinfo=UTC)
    (purges,) = (due for due, job in schedule.DUTIES if job.endswith(".purge"))
    rung = [second for second in range(0, 3600, 15) if at(hour + timedelta(seconds=second), purges)]
    assert 0 < len(rung) <= 4


def at(moment: datetime, due: schedule.Due) -> bool:
    with clock.at(moment):
        return bool(list(due()))
