"""A breaker before a server that may be away: who just waited for it in vain is not followed by everyone else."""

import logging
import threading
import time

log = logging.getLogger(__name__)


class Breaker:
    """Open for some seconds after a failure: then nobody asks. After that one asks first, and the others when it could.

    `what` names the server, and what happens meanwhile, in the log.
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
        """Whether to ask now. Whoever is let through tells `closed` or `failed`."""
        if not self._open_until:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._open_until:
                return False
            self._open_until = now + self._seconds  # the others wait for this one's answer
            return True

    def closed(self) -> None:
        """It answers."""
        if self._open_until:
            with self._lock:
                self._open_until = 0.0

    def failed(self, error: Exception) -> None:
        with self._lock:
            self._open_until = time.monotonic() + self._seconds
        log.warning(self._what, extra={"error": type(error).__name__})
