"""gunicorn: 2 processes with 8 threads each. Override with GUNICORN_CMD_ARGS, e.g. "--bind=0.0.0.0:80 --workers=4"."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

bind = f"127.0.0.1:{os.environ.get('PORT', '8000')}"
worker_class = "gthread"
workers = 2
threads = 8
# One import instead of one per process. An invalid setting then ends the start at once instead of causing a restart
# loop.
preload_app = True
graceful_timeout = 30
timeout = 60
keepalive = 5
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else tempfile.gettempdir()  # noqa: S108
COUNTS = "coffer-counts-"
# A heartbeat file on a disk can block a worker for so long that it is considered dead.
worker_tmp_dir = MEMORY
# The application writes one log line per request itself.
accesslog = None
errorlog = "-"
loglevel = os.environ.get("GUNICORN_LOGLEVEL", "info")
control_socket_disable = True
LARGE_BYTES = 64 * 1024
"""The most that programs and forms need; only webhooks may be larger."""


def _counts_place() -> Path:
    """A directory for the counters of this server's processes, for /metrics. Removes those of servers that were killed.

    Other users of this machine may write beside it, so part of its name is random: nobody can create it first.
    """
    for left in Path(MEMORY).glob(f"{COUNTS}*"):
        try:
            os.kill(int(left.name.removeprefix(COUNTS).partition("-")[0]), 0)
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
        except (PermissionError, ValueError):
            continue
    return Path(tempfile.mkdtemp(prefix=f"{COUNTS}{os.getpid()}-", dir=MEMORY))


# Read when the application is imported. A server that takes over from another one inherits that server's directory.
if COUNTS in os.environ.get("PROMETHEUS_MULTIPROC_DIR", COUNTS):
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_counts_place())


def pre_request(_worker: Any, request: Any) -> None:
    """Answer a large body with `Connection: close`. Otherwise, if the request is rejected, a thread would read the rest
    of the body here before it closes the connection."""
    for name, value in request.headers:
        if name == "TRANSFER-ENCODING" or (name == "CONTENT-LENGTH" and int(value) > LARGE_BYTES):
            request.force_close()


def on_exit(_server: Any) -> None:
    place = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    if place.name.startswith(f"{COUNTS}{os.getpid()}-"):
        shutil.rmtree(place, ignore_errors=True)


def post_fork(_server: Any, _worker: Any) -> None:
    """Connections opened before the fork belong to the parent; sharing one would mix up two conversations."""
    from dashboard.core.db import db
    from wsgi import app

    with app.app_context():
        db.engine.dispose(close=False)
