"""Counters for `/metrics`, incremented where events happen: requests and posted rows per process, jobs in Redis.

The processes of a website server count in shared files (`PROMETHEUS_MULTIPROC_DIR`, set by `gunicorn.conf.py`), so that
any of them can report all. Workers may run on other machines, so they add their counts to one hash in Redis. If Redis
is emptied, those counters restart at 0, which Prometheus handles. Without a token for `/metrics`, nothing is counted.
"""

import collections
import contextlib
import os
import time
from typing import cast

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from redis import Redis
from redis.exceptions import RedisError

KEY = "coffer:counts"
"""The hash of the workers' counts: `jobs|<name>|<result>`, `seconds|<name>`, `rows|<type>`."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

_local = CollectorRegistry()
_requests = Counter("coffer_requests", "Requests answered.", ["method", "route", "status"], registry=_local)
_seconds = Histogram("coffer_request_seconds", "Time to answer.", ["method", "route"], registry=_local, buckets=BUCKETS)
_rows = Counter("coffer_ledger_rows", "Ledger rows posted by the website.", ["type"], registry=_local)


class _State:
    """Per process: whether it counts and, in a worker, what the current job has posted."""

    counts = False
    posted: "collections.Counter[str] | None" = None
    began = 0.0


def init_app(app: Flask, *, enabled: bool) -> None:
    if enabled:
        _State.counts = True
        app.after_request(_count)


def posted(type: str, number: int = 1) -> None:
    """Count posted ledger rows."""
    if not _State.counts:
        return
    if _State.posted is None:
        _rows.labels(type).inc(number)
    else:
        _State.posted[type] += number


def job_begins() -> None:
    """Mark this process as a worker: rows posted from here on belong to the current job."""
    _State.posted, _State.began = collections.Counter(), time.monotonic()


def job_ends(redis: Redis, name: str, *, done: bool) -> None:
    """Count a job, its duration and the rows it posted. If Redis is unavailable, the count is lost but not the job."""
    if not _State.counts or _State.posted is None:
        return
    try:
        with redis.pipeline(transaction=False) as pipe:
            pipe.hincrby(KEY, f"jobs|{name}|{'done' if done else 'failed'}", 1)
            pipe.hincrbyfloat(KEY, f"seconds|{name}", time.monotonic() - _State.began)
            for type, number in _State.posted.items():
                pipe.hincrby(KEY, f"rows|{type}", number)
            pipe.execute()
    except RedisError:
        return


def job_refused(redis: Redis) -> None:
    """Count a message in a queue that is not one of our jobs. Its name may be anything, so it is not reported."""
    if not _State.counts:
        return
    with contextlib.suppress(RedisError):
        redis.hincrby(KEY, "jobs|unknown|refused", 1)


def registry() -> CollectorRegistry:
    """What the website has counted, over all processes of this server."""
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return _local
    result = CollectorRegistry()
    MultiProcessCollector(result)
    return result


def with_collector(collector: Collector) -> CollectorRegistry:
    result = CollectorRegistry()
    result.register(collector)
    return result


def of_workers(redis: Redis) -> list[tuple[str, list[str], float]]:
    """What workers counted: `jobs` by name and result, `seconds` by name, `rows` by type. Raises RedisError."""
    samples: list[tuple[str, list[str], float]] = []
    for field, value in cast("dict[bytes, bytes]", redis.hgetall(KEY)).items():
        kind, *labels = field.decode().split("|")
        samples.append((kind, labels, float(value)))
    return samples


def _count(response: Response) -> Response:
    method = request.method if request.method in METHODS else "other"
    route = request.url_rule.rule if request.url_rule else "none"
    _requests.labels(method, route, str(response.status_code)).inc()
    if "request_began" in g:
        _seconds.labels(method, route).observe(time.monotonic() - g.request_began)
    return response
