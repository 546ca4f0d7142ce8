"""The bell: what waits already is not queued again."""

from flask import Flask
from rq import Queue
from rq.serializers import JSONSerializer

from dashboard.core import queue

JOB = "dashboard.jobs.purge.purge"


def waiting() -> list[list[str]]:
    found = Queue(queue.WORK, connection=queue.bell().redis, serializer=JSONSerializer)
    return [list(job.args) for job in found.jobs]


def test_a_job_that_waits_is_not_queued_again(app_context: Flask) -> None:
    bell = queue.bell()
    for _ in range(3):
        assert bell.ring(JOB, "a")
        assert bell.ring(JOB, "b")
    assert waiting() == [["a"], ["b"]]


def test_whoever_rings_once_the_job_has_begun_is_heard(app_context: Flask) -> None:
    bell = queue.bell()
    bell.ring(JOB, "a")
    queue.begins(bell.redis, JOB, ["a"])
    bell.ring(JOB, "a")
    assert waiting() == [["a"], ["a"]]


def test_a_lost_queue_is_rung_for_again_after_a_while(app_context: Flask) -> None:
    queue.init_app(app_context, str(app_context.config["COFFER"].redis_url), patience=1)
    bell = queue.bell()
    bell.ring(JOB, "a")
    Queue(queue.WORK, connection=bell.redis, serializer=JSONSerializer).empty()
    assert 0 < bell.redis.pttl(next(bell.redis.scan_iter("coffer:rung:*"))) <= 1_000
    bell.redis.delete(*bell.redis.scan_iter("coffer:rung:*"))  # a second later
    bell.ring(JOB, "a")
    assert waiting() == [["a"]]
