"""`/metrics`: counters and queue sizes in Prometheus' text format, for callers with its token."""

import hmac
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from flask import Blueprint, Response, request
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from dashboard.config import settings
from dashboard.core import clock, metrics, queue
from dashboard.core.db import db
from dashboard.core.errors import NotFound, Unauthenticated
from dashboard.domain.funds import seals
from dashboard.domain.platform import system
from dashboard.domain.platform.system import Pile

api = Blueprint("metrics", __name__)

INBOX_OPEN = ("received", "failed", "parked")
OUTBOX_OPEN = ("waiting", "failed", "parked")


@api.get("/metrics")
def show() -> Response:
    """404 if no token is configured, as if the page did not exist. Also answers without the database or Redis."""
    token = settings().metrics_token
    if token is None:
        raise NotFound
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), token.get_secret_value().encode()):
        raise Unauthenticated("The token for these figures is missing or wrong.")
    body = generate_latest(metrics.registry()) + generate_latest(metrics.with_collector(_Waiting()))
    response = Response(body, content_type=CONTENT_TYPE_PLAIN_0_0_4)
    response.headers["Cache-Control"] = "no-store"
    return response


class _Waiting(Collector):
    """What the tables and Redis report at the moment."""

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("coffer_up", "Whether Coffer's dependencies respond.", labels=["part"])
        yield from _part(up, "database", _database, SQLAlchemyError)
        yield from _part(up, "redis", _redis, RedisError)
        yield up


def _part(
    up: GaugeMetricFamily, name: str, read: Callable[[], Iterable[Metric]], away: type[Exception]
) -> list[Metric]:
    """The metrics of one of the two; nothing if it is unavailable, which `up` reports."""
    try:
        samples = list(read())
    except away:
        db.session.rollback()
        samples = []
    up.add_metric([name], 1 if samples else 0)
    return samples


def _database() -> Iterable[Metric]:
    yield from _piles("inbox_events", "Webhook events that are not done", INBOX_OPEN, system.inbox())
    yield from _piles("outbox_emails", "Mails that are not sent", OUTBOX_OPEN, system.mail())
    lag = seals.lag()
    yield GaugeMetricFamily("coffer_unsealed_rows", "Ledger rows without a seal.", value=lag.rows)
    yield GaugeMetricFamily("coffer_seal_lag_seconds", "Age of the oldest row without a seal.", value=lag.seconds)
    tick = system.tick()
    if tick:
        yield GaugeMetricFamily("coffer_tick_late_seconds", "How long the tick has been missing.", value=tick.late or 0)


def _redis() -> Iterable[Metric]:
    waiting = queue.job_queue().waiting()
    if waiting is None:
        return
    depth = GaugeMetricFamily("coffer_queue_jobs", "Jobs that wait.", labels=["queue"])
    age = GaugeMetricFamily("coffer_queue_age_seconds", "Age of the oldest job that waits.", labels=["queue"])
    for one in waiting:
        depth.add_metric([one.name], one.jobs)
        age.add_metric([one.name], _seconds(one.oldest))
    jobs = CounterMetricFamily("coffer_jobs", "Jobs by name and result.", labels=["job", "result"])
    took = CounterMetricFamily("coffer_job_seconds", "Time that jobs took.", labels=["job"])
    rows = CounterMetricFamily("coffer_worker_ledger_rows", "Ledger rows posted by workers.", labels=["type"])
    families = {"jobs": jobs, "seconds": took, "rows": rows}
    for kind, labels, value in metrics.of_workers(queue.job_queue().redis):
        families[kind].add_metric(labels, value)
    yield from (depth, age, *families.values())


def _piles(noun: str, says: str, states: tuple[str, ...], piles: list[Pile]) -> Iterator[Metric]:
    """Number and age by state, including states without rows: an alert needs the zero."""
    number = GaugeMetricFamily(f"coffer_{noun}", f"{says}.", labels=["state"])
    age = GaugeMetricFamily(f"coffer_{noun}_age_seconds", f"{says}: age of the oldest.", labels=["state"])
    by_state = {pile.state: pile for pile in piles}
    for state in states:
        pile = by_state.get(state)
        number.add_metric([state], pile.count if pile else 0)
        age.add_metric([state], _seconds(pile.oldest) if pile else 0)
    yield from (number, age)


def _seconds(since: datetime | None) -> int:
    return max(0, int((clock.now() - since).total_seconds())) if since else 0
