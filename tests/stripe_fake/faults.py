"""Things that go wrong between us and Stripe, to be injected one by one."""

import re
import threading
from dataclasses import dataclass

from tests.stripe_fake.model import Answer


class Dropped(Exception):
    """No answer: after `seconds` of silence, or by a reset at once."""

    def __init__(self, kind: str, seconds: float) -> None:
        super().__init__(kind)
        self.kind = kind
        self.seconds = seconds


@dataclass
class Fault:
    """One fault for the next `times` calls whose method and path fit (`path` is a regular expression).

    Kinds: `timeout`, `reset` (no answer), `broken` (200, cut off in the middle), `delay` (answers after `seconds`),
    `error` (`status`: 500 is Stripe's own and is remembered with its idempotency key; 429, 503 and the rest are not).
    With `executed` the act has happened, only the answer got lost.
    """

    kind: str
    times: int = 1
    method: str = ""
    path: str = ""
    executed: bool = False
    seconds: float = 30.0
    status: int = 500

    def __post_init__(self) -> None:
        assert self.kind in ("timeout", "reset", "broken", "delay", "error"), self.kind

    def fits(self, method: str, path: str) -> bool:
        return self.times > 0 and self.method in ("", method.upper()) and re.search(self.path, path) is not None

    @property
    def comes_first(self) -> bool:
        """Struck before anything happens, with no trace at Stripe."""
        return not self.executed and self.kind != "delay" and self.instead is None

    @property
    def instead(self) -> Answer | None:
        """The answer that Stripe keeps for the idempotency key."""
        return self._error() if self.kind == "error" and self.status == 500 and not self.executed else None

    def strike(self, answer: Answer | None) -> Answer:
        if self.kind in ("timeout", "reset"):
            raise Dropped(self.kind, self.seconds)
        if self.kind == "error" and self.instead is None:
            return self._error()
        if self.kind == "broken":
            return _made(200, b'{"id": "cs_te' if answer is None else answer.body[: len(answer.body) // 2])
        assert answer is not None
        return answer

    def _error(self) -> Answer:
        return _made(self.status, b'{"error": {"type": "api_error", "message": "Injected."}}')


def _made(status: int, body: bytes) -> Answer:
    return Answer(status, body, {"Content-Type": "application/json"})


class Faults:
    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._waiting.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def take(self, method: str, path: str) -> Fault | None:
        with self._lock:
            found = next((fault for fault in self._waiting if fault.fits(method, path)), None)
            if found is not None:
                found.times -= 1
            return found
