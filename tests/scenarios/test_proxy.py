"""The shipped proxy file before the real website: limits, headers, static files, and slow clients who starve nobody."""

import signal
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from uuid import UUID

import pytest
import requests
from flask import Flask

from dashboard.core import ids
from dashboard.models import Organization
from tests.factories import make_key, make_org
from tests.scenarios import processes
from tests.scenarios import proxy as proxies
from tests.scenarios.processes import WEBHOOK, Stack, wait_until
from tests.scenarios.programs import Program
from tests.scenarios.proxy import Proxy
from tests.servers import Servers
from tests.stripe_fake import signing

SLOW_FROM = "127.0.0.2"  # another client than the quick one; the kernel answers for all of 127/8
SLOW = 500


@pytest.fixture(scope="module")
def made(_servers: Servers, _stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Proxy]]:
    if not (program := proxies.nginx()):
        pytest.skip("no nginx: install the package `nginx-light`")
    _stack.stop_workers()
    folder = tmp_path_factory.mktemp("proxy")
    # The port is known once the stack is made, the address people use before it starts.
    with processes.stack(_servers.environ(), folder, COFFER_PROXY_HOPS="1") as stack:
        proxy = Proxy(program, folder, stack.url.removeprefix("http://"))
        stack.environ["COFFER_BASE_URL"] = proxy.url
        yield stack, proxy


@pytest.fixture(scope="module")
def _front(made: tuple[Stack, Proxy]) -> Iterator[Proxy]:
    with proxies.running(made[1]) as running:
        yield running


@pytest.fixture
def proxy(made: tuple[Stack, Proxy], _front: Proxy, servers: Servers) -> Proxy:
    """nginx and the website run."""
    made[0].start(worker=False)
    return _front


@pytest.fixture
def web(proxy: Proxy) -> requests.Session:
    http = requests.Session()
    http.trust_env = False
    http.verify = str(proxy.certificate)
    return http


def test_nginx_accepts_the_shipped_file(made: tuple[Stack, Proxy]) -> None:
    done = made[1].check()
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr or "http2" in done.stderr


def test_the_log_holds_nothing_that_opens_something(proxy: Proxy, web: requests.Session) -> None:
    link = "/invite/0192aa00000070008000000000000000_Canary"
    for path in (link, "/reset/Canary", "/api/v1/invites/peek?token=Canary", f"/login?next={link}", "/nothing"):
        web.get(proxy.url + path, timeout=10, headers={"Referer": proxy.url + link})
    requests.get(f"http://localhost:{proxy.plain}{link}", timeout=10, allow_redirects=False)
    lines = (
        '"GET /invite/***" 404', '"GET /reset/***"', '"GET /api/v1/invites/peek" 404', '"GET /login"', '"GET /nothing"',
        '"GET /invite/***" 308',
    )  # fmt: skip
    # Each is written after its answer, by either of two processes.
    processes.wait_until(lambda: all(line in proxy.log.read_text() for line in lines), "the line of every request")
    assert "Canary" not in proxy.log.read_text()


def test_pages_and_static_files_come_through(proxy: Proxy, web: requests.Session) -> None:
    page = web.get(f"{proxy.url}/login", timeout=10)
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Server"] == "nginx"
    assert "Content-Encoding" not in page.headers
    style = page.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    assert "?v=" in style
    kept = web.get(proxy.url + style, timeout=10)
    assert kept.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert kept.headers["Content-Encoding"] == "gzip"
    assert kept.headers["X-Content-Type-Options"] == "nosniff"
    assert kept.headers["Content-Type"].startswith("text/css")
    assert web.get(proxy.url + style.partition("?")[0], timeout=10).headers["Cache-Control"] == "no-cache"
    assert web.get(f"{proxy.url}/static/../wsgi.py", timeout=10).status_code == 404
    moved = requests.get(f"http://localhost:{proxy.plain}/login?next=/x", timeout=10, allow_redirects=False)
    assert (moved.status_code, moved.headers["Location"]) == (308, "https://localhost/login?next=/x")
    for path in ("/api/v1/orgs", "/admin/api/v1/orgs"):
        assert (
            requests.get(f"http://localhost:{proxy.plain}{path}", timeout=10, allow_redirects=False).status_code == 403
        )
    assert [web.get(proxy.url + path, timeout=10).status_code for path in ("/metrics", "/readyz", "/healthz")] == [
        404, 404, 200,
    ]  # fmt: skip


def test_a_client_cannot_say_who_it_is(made: tuple[Stack, Proxy], proxy: Proxy, web: requests.Session) -> None:
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "evil.example", "X-Request-Id": "forged-by-client"}
    answer = web.get(f"{proxy.url}/o/none/", headers=forged, timeout=10, allow_redirects=False)
    assert answer.status_code == 303
    assert "evil" not in answer.headers["Location"]
    said = made[0].web.said()
    line = next(line for line in said.splitlines() if answer.headers["X-Request-Id"] in line)
    assert '"ip":"127.0.0.1"' in line
    assert "203.0.113.9" not in said
    assert "forged-by-client" not in said


def test_bodies_are_limited_where_they_come_in(
    made: tuple[Stack, Proxy], proxy: Proxy, web: requests.Session, app_context: Flask
) -> None:
    stack, org = made[0], make_org()
    wallet = f"{proxy.url}/api/v1/orgs/{org.id}/wallet"
    assert web.post(wallet, data=b"x" * 65_000, timeout=10).status_code in (401, 415)
    assert web.post(wallet, data=b"x" * 66_000, timeout=10).status_code == 413
    assert "POST" not in stack.web.said().rpartition("/wallet")[2]
    for size, status in ((300_000, 200), (1_100_000, 413)):
        about = {"id": "cus_1", "object": "customer", "description": "x" * size}
        event = {"id": f"evt_{size}", "object": "event", "type": "customer.updated", "created": int(time.time()),
                 "livemode": False, "api_version": None, "data": {"object": about}}  # fmt: skip
        body, headers = signing.signed(event, stack.webhook_secret)
        assert web.post(proxy.url + WEBHOOK, data=body, headers=headers, timeout=10).status_code == status


def test_one_address_cannot_flood_the_sign_in(proxy: Proxy, web: requests.Session) -> None:
    def sent(method: str, path: str) -> list[int]:
        return [web.request(method, proxy.url + path, timeout=10).status_code for _ in range(40)]

    assert 0 < sent("POST", "/login").count(429) < 25, "about 20 at once, then one in two seconds"
    assert 429 not in sent("GET", "/login")
    assert 429 not in sent("POST", "/logout")


def test_slow_clients_starve_nobody(proxy: Proxy, web: requests.Session, app_context: Flask) -> None:
    org = make_org(funds=1_000_000)
    program = program_of(proxy, web, org)
    with ExitStack() as open_ones:
        slow = [open_ones.enter_context(connection(proxy)) for _ in range(SLOW)]
        for number, one in enumerate(slow):
            one.sendall(b"GET /login HTTP/1.1\r\nHost: loc" if number % 5 else upload(org.id))
        for _ in range(4):
            for one in slow:
                with suppress(OSError):  # those it waited for long enough
                    one.sendall(b"x")
            for _ in range(50):  # none waits in vain
                assert program.charge(1, ids.new().hex).status_code == 201


def test_while_coffer_is_away_the_proxy_says_so(made: tuple[Stack, Proxy], proxy: Proxy, web: requests.Session) -> None:
    wait_until(lambda: len(made[0].web_workers()) == 2, "both processes")
    time.sleep(0.5)  # gunicorn's child that is told to stop while it starts does not hear it, and is killed after 30 s
    made[0].web.signal(signal.SIGTERM)
    made[0].web.wait(45)
    answer = web.get(f"{proxy.url}/login", timeout=10)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "does not answer for a moment" in answer.text
    made[0].start(worker=False)
    assert web.get(f"{proxy.url}/login", timeout=10).status_code == 200


def program_of(proxy: Proxy, web: requests.Session, org: Organization) -> Program:
    program = Program(proxy.url, org.id, make_key(org, "wallet:charge"))
    program.http.verify = web.verify
    return program


def connection(proxy: Proxy) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(proxy.certificate))
    plain = socket.create_connection(("127.0.0.1", proxy.port), timeout=10, source_address=(SLOW_FROM, 0))
    return context.wrap_socket(plain, server_hostname="localhost")


def upload(org_id: UUID) -> bytes:
    """The beginning of a charge whose body never ends."""
    head = f"POST /api/v1/orgs/{org_id}/wallet HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n"
    return head.encode() + b"Content-Type: application/json\r\n\r\n{"
