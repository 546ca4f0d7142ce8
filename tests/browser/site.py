"""The product as it runs in life, with the demo in it, and how people get into it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import requests

from tests import servers as plumbing
from tests.scenarios.processes import WEBHOOK, Stack
from tests.servers import ROOT, Servers
from tests.stripe_fake.delivery import Plan
from tests.stripe_fake.server import FakeServer

PASSWORD = "coffer-demo"
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@dataclass
class Site:
    """A running website with its workers. `stripe` is the payment provider's stand-in, also where nobody asks it."""

    stack: Stack
    database_url: str
    _cookies: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.stack.url

    @property
    def stripe(self) -> FakeServer:
        return self.stack.stripe

    def cookies(self, person: str) -> list[dict[str, str]]:
        """A browser's cookies of a signed-in person of the demo; one session of theirs for the whole run."""
        if person not in self._cookies:
            with requests.Session() as session:
                token = TOKEN.search(session.get(f"{self.url}/login", timeout=10).text)
                assert token
                form = {"csrf_token": token[1], "email": f"{person}@demo.test", "password": PASSWORD}
                answer = session.post(f"{self.url}/login", data=form, timeout=10, allow_redirects=False)
                assert answer.status_code == 303, answer.text
                self._cookies[person] = [
                    {"name": cookie.name, "value": cookie.value or "", "url": self.url} for cookie in session.cookies
                ]
        return self._cookies[person]

    def ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """The books behind the product's back."""
        with psycopg.connect(self.database_url.replace("+psycopg", ""), autocommit=True) as connection:
            return connection.execute(query, values).fetchall()  # type: ignore[arg-type]

    def tell(self, statement: str, *values: Any) -> None:
        with psycopg.connect(self.database_url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(statement, values)  # type: ignore[arg-type]

    def org_id(self, slug: str = "demo") -> UUID:
        found = self.ask("SELECT org_id FROM org_directory WHERE slug = %s", slug)
        return UUID(str(found[0][0]))

    def balance(self, slug: str = "demo") -> int:
        found = self.ask("SELECT balance FROM wallets WHERE org_id = %s AND mode = 'test'", self.org_id(slug))
        return int(found[0][0])

    def command(self, *words: str) -> str:
        return command(self.stack.environ, *words)


def command(environ: dict[str, str], *words: str) -> str:
    """`flask --app wsgi <words>`; what it printed."""
    argv = [sys.executable, "-m", "flask", "--app", "wsgi", *words]
    done = subprocess.run(argv, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@contextmanager
def running(servers: Servers, name: str, source_url: str, folder: Path, **changes: str) -> Iterator[Site]:
    """A site on its own copy of the database at `source_url`. Stripe's stand-in delivers late, twice, out of order."""
    untidy = Plan(seed=7)
    with plumbing.extra(servers, name, source_url) as (database_url, redis_url), FakeServer(plan=untidy) as stripe:
        environ = servers.environ(COFFER_DATABASE_URL=database_url, COFFER_REDIS_URL=redis_url)
        stack = Stack(environ, folder, stripe, COFFER_JOBS__WORKERS="1", **changes)
        stripe.courier.deliver_to(stack.url + WEBHOOK, stack.webhook_secret)
        try:
            stack.start()
            yield Site(stack, database_url)
        finally:
            stack.close()
        stack.require_no_secret_told()
