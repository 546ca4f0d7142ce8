"""The product as it runs in life: gunicorn, `worker.py` and Stripe's stand-in, to be killed and started again.

Each process carries a mark in its environment, which its children inherit: so all of them are found, and none is left.
"""

import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import requests

from dashboard.core import ids
from tests.servers import ROOT
from tests.stripe_fake import signing
from tests.stripe_fake.delivery import PLAIN
from tests.stripe_fake.server import FakeServer
from tests.stripe_fake.signing import Json

MARK = "SCENARIO"
PR_SET_PDEATHSIG = 1
START_SECONDS = 60.0
WEBHOOK = "/admin/api/v1/webhooks/payments"
GUNICORN = ("-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app")

T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str, seconds: float = 30.0, pause: float = 0.05) -> T:
    """The first true answer of `condition`; fails with `what` after `seconds`."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {seconds} s in vain: {what}"
        time.sleep(pause)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits for its parent to notice its end does not."""
    try:
        return "(zombie)" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


@dataclass
class Process:
    """A program with a log of its own. `start` again after any end."""

    argv: list[str]
    environ: dict[str, str]
    log: Path
    options: dict[str, Any] = field(default_factory=dict)
    popen: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.popen = subprocess.Popen(
                self.argv, env=self.environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                preexec_fn=_end_with_parent, **({"cwd": ROOT} | self.options),
            )  # fmt: skip

    @property
    def pid(self) -> int:
        assert self.popen is not None
        return self.popen.pid

    @property
    def running(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def signal(self, number: int) -> None:
        kill(self.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()

    def wait(self, seconds: float = 30.0) -> int:
        assert self.popen is not None
        return self.popen.wait(seconds)

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Stack:
    """The website and the workers on given servers, paid by Stripe's stand-in; nothing runs until it is started."""

    def __init__(self, environ: dict[str, str], folder: Path, stripe: FakeServer, **changes: str) -> None:
        self.folder, self.stripe = folder, stripe
        self.mark = str(ids.new())
        self.webhook_secret = f"whsec_{_canary()}"
        self.stripe_key = f"sk_test_{_canary()}"
        self.secret_key = f"session-signing-{_canary()}"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.secrets = {"webhook": self.webhook_secret, "stripe": self.stripe_key, "signing": self.secret_key}
        self.environ = environ | {
            MARK: self.mark, "PORT": str(port), "GUNICORN_LOGLEVEL": "info", "PYTHONUNBUFFERED": "1",
            "COFFER_SECRET_KEY": self.secret_key, "COFFER_JOBS__TICK_SECONDS": "1", "COFFER_JOBS__CLAIM_SECONDS": "2",
            "COFFER_JOBS__WORKERS": "2", "COFFER_PAYMENT__PROVIDER": "stripe", "COFFER_BASE_URL": self.url,
            "COFFER_PAYMENT__STRIPE__API_KEY": self.stripe_key, "COFFER_PAYMENT__STRIPE__API_BASE": stripe.url,
            "COFFER_PAYMENT__STRIPE__WEBHOOK_SECRET": self.webhook_secret, **changes,
        }  # fmt: skip
        self.web = Process([sys.executable, *GUNICORN], self.environ, folder / "web.log")
        self.worker = Process([sys.executable, "worker.py"], self.environ, folder / "worker.log")

    def start(self, *, web: bool = True, worker: bool = True) -> None:
        """Start both, where they do not run, and wait for the website; the worker shows itself by its work."""
        if worker and not self.worker.running:
            self.worker.start()
        if web and not self.web.running:
            self.web.start()
        if web:
            self.ready()

    def ready(self) -> None:
        wait_until(self.answers, f"the website\n{self.web.said()[-3000:]}", START_SECONDS)

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/healthz", timeout=2).ok
        except requests.RequestException:
            return False

    def processes(self) -> dict[int, str]:
        """What runs now with our mark: process id and name (`coffer-work`, `coffer-tick`, `gunicorn` ...)."""
        return marked(self.mark)

    def workers(self, role: str = "") -> list[int]:
        """The children of `worker.py`, of one role where given."""
        return [pid for pid, name in self.processes().items() if name.startswith(f"coffer-{role}")]

    def web_workers(self) -> list[int]:
        return [pid for pid in children_of(self.web.pid) if alive(pid)]

    def kill_web_workers(self, seconds: float, *, until: Callable[[], object]) -> int:
        """Kill one after another for so long, and on until it has hit something. Returns how many were killed."""
        kills, end = 0, time.monotonic() + seconds
        while time.monotonic() < end or not until():
            time.sleep(random.uniform(0.2, 0.6))
            with suppress(IndexError):
                kill(random.choice(self.web_workers()))
                kills += 1
            assert time.monotonic() < end + 30, "no kill hit a call: this run proves nothing"
        return kills

    def deliver(self, event: Json, *, seconds: float = 10.0) -> requests.Response:
        """One webhook, signed now."""
        body, headers = signing.signed(event, self.webhook_secret)
        return requests.post(self.url + WEBHOOK, data=body, headers=headers, timeout=seconds)

    def deliver_until_taken(self, event: Json, seconds: float = 60.0) -> int:
        """As Stripe does: again until it is acknowledged. Returns how often it was tried."""
        tries = 0

        def taken() -> bool:
            nonlocal tries
            tries += 1
            with suppress(requests.RequestException):
                return self.deliver(event).status_code == 200
            return False

        wait_until(taken, f"an acknowledgment of {event['id']}", seconds, 0.1)
        return tries

    def logs(self) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def stop_workers(self) -> None:
        """Kill everything but the website, also what others started."""
        ours = [self.web.pid, *self.web_workers()] if self.web.popen else []
        while left := [pid for pid in self.processes() if pid not in ours]:
            for pid in left:
                kill(pid)
            if self.worker.popen:
                self.worker.wait()
            time.sleep(0.02)

    def close(self) -> None:
        while left := self.processes():
            for pid in left:
                kill(pid)
            for process in (self.web, self.worker):
                if process.popen:
                    process.wait()
            time.sleep(0.02)

    def require_no_secret_told(self) -> None:
        told = self.logs()
        leaked = [name for name, secret in self.secrets.items() if secret in told]
        assert not leaked, f"secrets in the logs: {leaked}"


@contextmanager
def stack(environ: dict[str, str], folder: Path, **changes: str) -> Iterator[Stack]:
    """A stack on the servers that `environ` names, not yet started. Nothing of it is left at the end."""
    with FakeServer(plan=PLAIN) as stripe:
        made = Stack(environ, folder, stripe, **changes)
        try:
            yield made
        finally:
            made.close()
        made.require_no_secret_told()


def marked(mark: str) -> dict[int, str]:
    found = {}
    line = f"{MARK}={mark}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if line in (entry / "environ").read_bytes().split(b"\0") and alive(int(entry.name)):
                found[int(entry.name)] = (entry / "comm").read_text().strip()
    return found


def children_of(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _canary() -> str:
    return ids.new().hex + ids.new().hex
