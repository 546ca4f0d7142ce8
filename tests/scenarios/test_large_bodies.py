"""Who sends too much is answered and let go, also without a proxy in front."""

import select
import socket
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from tests.factories import make_key, make_org
from tests.scenarios.processes import WEBHOOK, Stack
from tests.scenarios.programs import Program


@pytest.mark.parametrize("path", ["/api/v1/invites/accept", "/login", WEBHOOK])
@pytest.mark.parametrize("size", ["Content-Length: 100000000", "Transfer-Encoding: chunked"])
def test_who_goes_on_sending_is_answered_and_let_go(stack: Stack, path: str, size: str) -> None:
    stack.start(worker=False)
    begin = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{size}\r\nContent-Type: application/json\r\n\r\n"
    with socket.create_connection(("127.0.0.1", urlsplit(stack.url).port or 0), timeout=20) as client:
        client.sendall(begin.encode())
        piece = b"x" * 65_536 if "Length" in size else b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        with suppress(OSError):  # the other side has closed: what it said before can still be read
            while not select.select([client], [], [], 0)[0]:
                client.sendall(piece)
        answer = b""
        while b"\r\n\r\n" not in answer and (more := client.recv(65_536)):
            answer += more
    head = answer.partition(b"\r\n\r\n")[0].decode()
    assert " 4" in head.splitlines()[0], head
    assert "connection: close" in head.lower()


@pytest.mark.parametrize("size", [65_537, 1_000_000])
@pytest.mark.usefixtures("app_context")
def test_the_next_call_of_a_pooled_client_is_answered(stack: Stack, size: int) -> None:
    """Who is told that a connection stays open sends the next call on it, which may be a charge."""
    stack.start(worker=False)
    org = make_org("Acme", funds=1_000)
    program = Program(stack.url, org.id, make_key(org, "wallet:charge", "wallet:read"))
    for number in range(5):
        large = program.http.post(program.wallet, data=b"x" * size, headers={"Content-Type": "application/json"})
        assert (large.status_code, large.headers["Connection"]) == (413, "close")
        assert program.charge(1, str(number)).status_code == 201
    assert program.balance().json()["wallet_balance"] == 995
