"""`make run`: runs the servers, the demo data, the website and the worker in one terminal, and ends them together."""

import contextlib
import ctypes
import logging
import os
import signal
import socket
import sys
import time
import traceback
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

import click
import flask_migrate
from flask import Flask
from flask.cli import ScriptInfo
from gunicorn.app import wsgiapp

from dashboard import ROOT, config, create_app, with_servers
from dashboard.core import db

SIGN_INS = ("owner", "admin", "member", "viewer", "manager")
PASSWORD = "coffer-demo"  # noqa: S105 - printed for everyone who tries the demo
READY_SECONDS = 60
STOP_SECONDS = 8
PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GUNICORN = ("-c", "gunicorn.conf.py", "wsgi:app")


class Stop(Exception):
    """Ends the runner. The text, if any, says why."""


@dataclass
class Child:
    """A process that ends with this one, even if this one is killed."""

    name: str
    argv: list[str]
    pid: int = 0
    code: int | None = None
    retry_at: float = 0.0

    def start(self, inside: Callable[[], None] | None = None) -> None:
        """Start `argv`; or, with `inside`, fork a copy of this process, which has everything imported, and call
        `inside` in it."""
        runner = os.getpid()
        self.code = None
        if pid := os.fork():
            self.pid = pid
            return
        try:
            # Its own process group, so that Ctrl-C reaches only the runner, which then ends the children in order.
            os.setpgid(0, 0)
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            if sys.platform == "linux":
                ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            if os.getppid() == runner:
                if inside:
                    inside()
                else:
                    os.execv(self.argv[0], self.argv)  # noqa: S606
        except SystemExit as ended:
            os._exit(ended.code if isinstance(ended.code, int) else 1)
        except BaseException:
            traceback.print_exc()
        os._exit(1)

    def ended(self) -> bool:
        if self.pid and self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is not None

    def keep(self) -> None:
        """Restart it one second after it died."""
        if not self.ended():
            return
        if not self.retry_at:
            say(f"{self.name} ended with {self.code}; starting it again")
            self.retry_at = time.monotonic() + 1
        elif time.monotonic() >= self.retry_at:
            self.retry_at = 0.0
            self.start()

    def signal(self, number: int) -> None:
        """A kill reaches the whole group, including processes that the child started."""
        with contextlib.suppress(ProcessLookupError):
            if number == signal.SIGKILL:
                os.killpg(self.pid, number)
            elif not self.ended():
                os.kill(self.pid, number)


def main() -> int:
    for number in SIGNALS:
        signal.signal(number, _stop)
    os.chdir(ROOT)
    website = Child("the website", [sys.executable, "-m", "gunicorn", *GUNICORN])
    worker = Child("the worker", [sys.executable, "worker.py"])
    children = [website, worker]
    try:
        port = _free_port(os.environ.get("PORT", "8000"))
        os.environ["PORT"] = str(port)
        os.environ.setdefault("GUNICORN_LOGLEVEL", "warning")
        _prepare()
        website.start(_gunicorn)
        worker.start()
        _wait_until_ready(children, f"http://127.0.0.1:{port}/healthz")
        _announce(f"http://127.0.0.1:{port}/")
        _keep(children)
    except Stop as stop:
        return _end(children, str(stop))
    except config.ConfigError as error:
        return _end(children, str(error))
    return 0


def _prepare() -> None:
    """Start the servers if none are configured, migrate, and create the demo data (a no-op the second time).

    This runs in the same process, because importing the application takes most of a command's time. This process holds
    the servers until it ends; the children get their URLs.
    """
    chosen = with_servers(config.load())
    # The children use the login that owns nothing, so they cannot undo what the migrations forbid.
    os.environ["COFFER_DATABASE_URL"] = str(chosen.database_url)
    os.environ["COFFER_REDIS_URL"] = str(chosen.redis_url)
    app = create_app(chosen)
    with app.app_context():
        flask_migrate.upgrade()
    say("Checking the demo data (the first time takes some seconds)")
    _command(app, "seed-demo")
    with app.app_context():
        db.db.engine.dispose()


def _command(app: Flask, *arguments: str) -> None:
    try:
        with app.app_context():
            app.cli.main(args=list(arguments), obj=ScriptInfo(create_app=lambda: app), standalone_mode=False)
    except (click.ClickException, SystemExit) as ended:
        if not isinstance(ended, SystemExit) or ended.code:
            raise Stop(f"`flask {' '.join(arguments)}` failed: {ended}") from ended


def _wait_until_ready(children: list[Child], url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        _check_parent()
        for child in children:
            if child.ended():
                raise Stop(f"{child.name} could not start (it ended with {child.code}); the lines above say why")
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own address
            return
        time.sleep(0.05)
    raise Stop(f"{url} did not answer within {READY_SECONDS} seconds")


def _keep(children: list[Child]) -> None:
    while True:
        _check_parent()
        for child in children:
            child.keep()
        time.sleep(0.2)


def _end(children: list[Child], reason: str) -> int:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if reason:
        say(reason)
    started = [child for child in children if child.pid]
    for child in started:
        child.signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while not all(child.ended() for child in started) and time.monotonic() < deadline:
        time.sleep(0.05)
    for child in started:
        child.signal(signal.SIGKILL)
    return 1 if reason else 0


def _gunicorn() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_NAME, b"gunicorn", 0, 0, 0)
    sys.argv = ["gunicorn", *GUNICORN]
    wsgiapp.run()


def _announce(url: str) -> None:
    people = "\n".join(f"    {name}@demo.test" for name in SIGN_INS)
    say(
        f"\n  Coffer runs at {url}\n\n  Sign in with the password {PASSWORD} as\n{people}\n\n"
        "  Ctrl-C ends everything.\n"
    )


def _free_port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise Stop(f"PORT is {text!r}; it must be a number from 1 to 65535")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(text)))
        except OSError as error:
            raise Stop(f"port {text} cannot be used ({error.strerror}); choose another: PORT=8001 make run") from error
    return int(text)


_PARENT = os.getppid()


def _check_parent() -> None:
    """Under make, end if make was killed: Ctrl-C could no longer reach this process."""
    if "MAKELEVEL" in os.environ and os.getppid() != _PARENT:
        raise Stop("make is gone; ending")


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise Stop


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    logging.getLogger("alembic").setLevel(logging.WARNING)
    sys.exit(main())
