"""A real gunicorn, configured as in production, serving the bench's site on a free port."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

from bench.servers import HOME, ROOT, Database

START_SECONDS = 60


class Site(NamedTuple):
    """A running server."""

    port: int
    pid: int


@contextlib.contextmanager
def serving(database: Database) -> Iterator[Site]:
    """The server. Its log is var/bench/gunicorn.log."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "bench.site:app"]
    environ = database.environ() | {"PORT": str(port), "GUNICORN_LOGLEVEL": "warning"}
    with (HOME / "gunicorn.log").open("w") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=log, stderr=log)
        try:
            _wait(server, port)
            yield Site(port, server.pid)
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.kill(server.pid, signal.SIGKILL)
                server.wait()


def _wait(server: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.suppress(OSError), contextlib.closing(connection):
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"the server did not start; see {HOME / 'gunicorn.log'}")
