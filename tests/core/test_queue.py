"""The job queue: what waits already is not queued again."""

from flask import Flask
from rq import Queue
from rq.serializers import JSONSerializer

from dashboard.core import queue

JOB = "dashboard.jobs.purge.purge"


def waiting() -> list[list[str]]:
    found = Queue(queue.WORK, connection=queue.job_queue().redis, serializer=JSONSerializer)
    return [list(job.args) for job in found.jobs]


def test_a_job_that_waits_is_not_queued_again(app_context: Flask) -> None:
    jobs = queue.job_queue()
    for _ in range(3):
        assert jobs.enqueue(JOB, "a")
        assert jobs.enqueue(JOB, "b")
    assert waiting() == [["a"], ["b"]]


def test_a_message_sent_after_the_job_began_is_not_lost(app_context: Flask) -> None:
    jobs = queue.job_queue()
    jobs.enqueue(JOB, "a")
    queue.begins(jobs.redis, JOB, ["a"])
    jobs.enqueue(JOB, "a")
    assert waiting() == [["a"], ["a"]]


def test_a_lost_queue_is_rung_for_again_after_a_while(app_context: Flask) -> None:
    queue.init_app(app_context, str(app_context.config["COFFER"].redis_url), patience=1)
    jobs = queue.job_queue()
    jobs.enqueue(JOB, "a")
    Queue(queue.WORK, connection=jobs.redis, serializer=JSONSerializer).empty()
    assert 0 < jobs.redis.pttl(next(jobs.redis.scan_iter("coffer:pending:*"))) <= 1_000
    jobs.redis.delete(*jobs.redis.scan_iter("coffer:pending:*"))  # a second later
    jobs.enqueue(JOB, "a")
    assert waiting() == [["a"]]
