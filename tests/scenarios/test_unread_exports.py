"""Readers who take an export and then read nothing are cut off, also without a proxy in front."""

import socket
from urllib.parse import urlsplit

import pytest
from flask import Flask

from dashboard.core.db import transaction
from dashboard.web import exports
from tests.factories import make_org, make_user
from tests.scenarios.processes import Stack, wait_until
from tests.scenarios.programs import browser
from tests.web.test_payments import MANY

pytestmark = pytest.mark.soak  # it waits for as long as such readers may


def test_who_reads_nothing_keeps_no_place(stack: Stack, app_context: Flask) -> None:
    owner = make_user("reader@example.test")
    org = make_org(owner=owner)
    with transaction(org=org.id) as session:
        session.execute(MANY, {"org": org.id, "many": 60_000})
    stack.start(worker=False)
    http = browser(stack.url, owner.email)
    path = f"/o/{org.slug}/payments.csv"
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in http.cookies)
    asked = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookies}\r\n\r\n".encode()
    places = exports.AT_ONCE * 2  # of two processes
    idle = []
    for _ in range(3 * places):
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.settimeout(30)
        reader.connect(("127.0.0.1", urlsplit(stack.url).port or 0))
        reader.sendall(asked)
        assert reader.recv(12) in (b"HTTP/1.1 200", b"HTTP/1.1 429")
        idle.append(reader)

    def there_is_room() -> bool:
        with http.get(stack.url + path, timeout=30, stream=True) as answer:
            return answer.status_code == 200

    assert [http.get(f"{stack.url}/o/{org.slug}/payments", timeout=10).status_code for _ in range(10)] == [200] * 10
    assert not there_is_room()
    wait_until(there_is_room, "the end of readers who read nothing", 2 * exports.READER_SECONDS, 1)
    for reader in idle:
        reader.close()
