"""Circuit breaker: after one caller times out, the others fail fast."""

import logging
import threading
import time

log = logging.getLogger(__name__)


class Breaker:
    """Open for some seconds after a failure: no caller tries. Then one caller tries, and the others follow if it
    succeeds.

    `what` names the server, and what happens in the meantime, in the log.
    """

    def __init__(self, what: str, *, seconds: float) -> None:
        self._what = what
        self._seconds = seconds
        self._open_until = 0.0
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        return time.monotonic() < self._open_until

    def lets_through(self) -> bool:
        """Whether to try now. A caller that is let through must call `closed` or `failed`."""
        if not self._open_until:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._open_until:
                return False
            self._open_until = now + self._seconds  # the others wait for this caller's result
            return True

    def closed(self) -> None:
        """The server answered."""
        if self._open_until:
            with self._lock:
                self._open_until = 0.0

    def failed(self, error: Exception) -> None:
        with self._lock:
            self._open_until = time.monotonic() + self._seconds
        log.warning(self._what, extra={"error": type(error).__name__})
