"""Limits how many requests wait for the payment provider at once, so that a hanging provider blocks nobody else.

A user or a program waits for a request, so requests fail fast. Workers may wait: they have their own limit, and they
delay only their own work.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from flask import has_request_context

from dashboard.core.breaker import Breaker
from dashboard.providers.base import ProviderBusy, ProviderUnavailable

MOST_WAITING = 4
"""Out of eight threads per process. The others serve what needs no provider."""

SLOW_SECONDS = 1.0
"""A call that failed faster than this delayed nobody, so the next one may try."""

PAUSE_SECONDS = 5.0


class Admission:
    """The limit of one process. Both contexts raise ProviderBusy at once, before any call is made."""

    def __init__(self, *, slow_seconds: float = SLOW_SECONDS) -> None:
        self._slow_seconds = slow_seconds
        self._places = threading.BoundedSemaphore(MOST_WAITING)
        self._breaker = Breaker("payment provider does not answer, requests fail at once", seconds=PAUSE_SECONDS)
        self._thread = threading.local()

    @contextmanager
    def flow(self) -> Iterator[None]:
        """Hold one place for several calls and for waiting between them. A flow within a flow takes no second place."""
        if not has_request_context() or getattr(self._thread, "inside", False):
            yield
            return
        if self._breaker.is_open or not self._places.acquire(blocking=False):
            raise ProviderBusy("Too many requests wait for the payment provider.", "provider_busy")
        self._thread.inside = True
        try:
            yield
        finally:
            self._thread.inside = False
            self._places.release()

    @contextmanager
    def call(self) -> Iterator[None]:
        """One call. After a call timed out, other calls fail for some seconds without trying."""
        with self.flow():
            if not has_request_context():
                yield
                return
            if not self._breaker.lets_through():
                raise ProviderBusy("The payment provider did not answer just now.", "provider_busy")
            began = time.monotonic()
            try:
                yield
            except ProviderUnavailable as error:
                if time.monotonic() - began >= self._slow_seconds:
                    self._breaker.failed(error)
                else:
                    self._breaker.closed()
                raise
            except BaseException:
                self._breaker.closed()
                raise
            self._breaker.closed()
