"""Customers' programs and browsers, in many threads at once."""

import re
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from uuid import UUID

import requests

from tests.factories import PASSWORD

T = TypeVar("T")
CSRF = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


def at_once(calls: Iterable[Callable[[], T]]) -> list[T]:
    """Run all calls at the same instant, each in a thread of its own."""
    waiting = list(calls)
    gate = threading.Barrier(len(waiting))

    def go(call: Callable[[], T]) -> T:
        gate.wait(30)
        return call()

    with ThreadPoolExecutor(len(waiting)) as threads:
        return list(threads.map(go, waiting))


class Program:
    """Charges one organization's wallet with its key."""

    def __init__(self, url: str, org_id: UUID, key: str) -> None:
        self.wallet = f"{url}/api/v1/orgs/{org_id}/wallet"
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=200))
        self.http.headers["Authorization"] = f"Bearer {key}"

    def charge(self, micros: int, key: str, *, seconds: float = 30.0) -> requests.Response:
        body = {"operation": "charge", "amount_micros": micros, "description": "A run"}
        return self.http.post(self.wallet, json=body, headers={"Idempotency-Key": key}, timeout=seconds)

    def balance(self) -> requests.Response:
        return self.http.get(self.wallet, timeout=10)


def browser(url: str, email: str, password: str = PASSWORD) -> requests.Session:
    """Someone signed in, by the page as a browser would."""
    http = requests.Session()
    http.trust_env = False
    token = csrf_of(http.get(f"{url}/login", timeout=30).text)
    form = {"email": email, "password": password, "csrf_token": token}
    answer = http.post(
        f"{url}/login", data=form, timeout=30, allow_redirects=False, headers={"Referer": f"{url}/login"}
    )
    assert answer.status_code in (302, 303), (answer.status_code, answer.text[:500])
    return http


def csrf_of(page: str) -> str:
    found = CSRF.search(page)
    assert found, "the page has no form token"
    return found[1]
