"""Signed-in people who look at pages over one connection, and how long each page took."""

import http.client
import time
from collections.abc import Sequence
from statistics import median

from bench import books
from bench.servers import Database
from bench.size import ROUNDS
from dashboard.core import ids
from dashboard.core.db import db, transaction
from dashboard.domain.people import sessions
from dashboard.models import Membership, User
from dashboard.web.sessions import RowSessions

VIEWS = 20
"""Of a page in one round; the median counts. More than PostgreSQL needs to settle for a plan."""


class Browser:
    """One signed-in person and one connection."""

    def __init__(self, port: int, cookie: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._headers = {"Cookie": cookie, "Accept-Encoding": "identity"}

    def get(self, path: str) -> tuple[float, str]:
        """Milliseconds and the page. Raises RuntimeError unless it is one."""
        try:
            return self._get(path)
        except (http.client.RemoteDisconnected, ConnectionError):  # the server closes what is idle for seconds
            self._connection.close()
            return self._get(path)

    def _get(self, path: str) -> tuple[float, str]:
        started = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        took = (time.perf_counter() - started) * 1e3
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}")
        return took, body.decode()

    def views(self, path: str) -> float:
        """The median time of a page, in milliseconds."""
        return median(self.get(path)[0] for _ in range(VIEWS))


View = tuple[Browser, str]


def compare(one: View, other: View) -> tuple[list[float], list[float]]:
    """Median times of two pages, round by round, after one round that warms every connection of the server."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(ROUNDS + 1):
        for (browser, path), each in zip((one, other), times, strict=True):
            took = browser.views(path)
            if number:
                each.append(took)
    return times


def signed_in(database: Database, numbers: Sequence[int], *, manager: bool = False) -> str:
    """The cookie of someone who owns these organizations, or of a platform manager."""
    with database.app() as app:
        role = "platform_manager" if manager else None
        user = User(
            id=ids.new(), email=f"{ids.new()}@example.test", name="Bench", password_hash="-", platform_role=role
        )
        with transaction():
            db.session.add(user)
        for number in numbers:
            with transaction(books.org_id(number)):
                db.session.add(Membership(org_id=books.org_id(number), user_id=user.id, role="owner"))
        with transaction():
            token = sessions.start(user_id=user.id, csrf_token=None, state={}).token
        found = app.session_interface
        assert isinstance(found, RowSessions)
        return f"{found.cookie}={token}"
