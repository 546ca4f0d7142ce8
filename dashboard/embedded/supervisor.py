"""Owns the embedded servers: keeps them running while anyone uses them, then stops them and ends.

Runs as a script (`supervisor.py '<json>'`) with the standard library only: it starts in milliseconds and must not
import the application. It is the parent of the servers, not the process that starts it, because that process may end
long before others that joined later.
"""

import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from types import FrameType

GRACE_SECONDS = 2.0
POLL_SECONDS = 0.1
STOP_SECONDS = 10.0
MAX_QUICK_DEATHS = 20
PR_SET_PDEATHSIG = 1


class Server:
    """One child process, restarted when it dies (kill -9, or its port was taken at the last moment)."""

    def __init__(self, argv: list[str], uid: int | None, stop: int) -> None:
        self.argv, self.uid, self.stop_signal = argv, uid, stop
        self.process: subprocess.Popen[bytes] | None = None
        self.quick_deaths = 0
        self.started = 0.0

    def keep(self) -> bool:
        """Start it unless it runs. False if it keeps dying."""
        if self.process and self.process.poll() is None:
            return True
        if self.process:
            sys.stderr.write(f"supervisor: {self.argv[0]} ended with {self.process.returncode}\n")
            self.quick_deaths = self.quick_deaths + 1 if time.monotonic() - self.started < 5 else 0
            # Backends of a killed postmaster need a moment to release its shared memory.
            time.sleep(min(0.1 * self.quick_deaths, 0.5))
        if self.quick_deaths > MAX_QUICK_DEATHS:
            return False
        self.started = time.monotonic()
        supervisor = os.getpid()

        def die_with_supervisor() -> None:
            if sys.platform == "linux":
                ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, self.stop_signal, 0, 0, 0)
            if os.getppid() != supervisor:
                os._exit(1)

        self.process = subprocess.Popen(  # noqa: S603
            self.argv,
            stdin=subprocess.DEVNULL,
            cwd="/",
            user=self.uid,
            group=self.uid,
            extra_groups=None if self.uid is None else [],
            preexec_fn=die_with_supervisor,
        )
        return True

    def signal_stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(self.stop_signal)

    def wait(self) -> None:
        if not self.process:
            return
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Users:
    """The lock that every user of the servers holds shared."""

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self.seen = time.monotonic()

    def gone(self) -> bool:
        """True if nobody has held the lock for the grace period. From then on we hold it, and new users wait."""
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.seen = time.monotonic()
            return False
        if time.monotonic() - self.seen > GRACE_SECONDS:
            return True
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        return False


def supervise(home: str, servers: list[Server]) -> None:
    users = Users(os.path.join(home, "users.lock"))
    ending = False

    def end(_signal: int, _frame: FrameType | None) -> None:
        nonlocal ending
        ending = True

    signal.signal(signal.SIGTERM, end)
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    while not ending and not users.gone() and all(server.keep() for server in servers):
        time.sleep(POLL_SECONDS)
    for server in servers:
        server.signal_stop()
    for server in servers:
        server.wait()


def main() -> None:
    spec = json.loads(sys.argv[1])
    # Held until the end. Taken before the fork, so the starter sees a supervisor as soon as this call returns.
    alive = os.open(os.path.join(spec["home"], "supervisor.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if os.fork():
        os._exit(0)
    supervise(
        spec["home"], [Server(server["argv"], server["uid"], server["stop"]) for server in spec["servers"].values()]
    )
    # Before the users' lock is released, or a new user would believe that we are running.
    os.close(alive)


if __name__ == "__main__":
    main()
