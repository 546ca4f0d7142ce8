"""Health of this process and its dependencies, for load balancers and monitors. No secrets, no authentication."""

from typing import Any

import orjson
from flask import Blueprint, Response
from sqlalchemy.exc import SQLAlchemyError

from dashboard.core import queue
from dashboard.core.db import db
from dashboard.domain.platform import system

api = Blueprint("health", __name__)


@api.get("/healthz")
def alive() -> Response:
    """Answers if the process runs."""
    return _json({"status": "ok"})


@api.get("/readyz")
def ready() -> Response:
    """503 without the database or if its migrations are not those of this code; Redis and worker are reported as
    details."""
    rows: dict[str, Any] = {"database": "ok", "migrations": "ok", "redis": "ok", "worker": "unknown"}
    try:
        rows["migrations"] = "ok" if system.software().migrated else "behind"
        rows |= _worker()
    except SQLAlchemyError:
        db.session.rollback()
        rows |= {"database": "away", "migrations": "unknown"}
    rows["redis"] = "ok" if queue.job_queue().answers() else "away"
    good = (rows["database"], rows["migrations"]) == ("ok", "ok")
    return _json({"status": "ok" if good else "unavailable", **rows}, 200 if good else 503)


def _worker() -> dict[str, Any]:
    """The scheduler's heartbeat; `worker_late_seconds` is the time since it expired."""
    tick = system.tick()
    if tick is None:
        return {"worker": "never seen"}
    return {"worker": "ok"} if tick.late is None else {"worker": "late", "worker_late_seconds": tick.late}


def _json(body: dict[str, Any], status: int = 200) -> Response:
    response = Response(orjson.dumps(body), status, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response
