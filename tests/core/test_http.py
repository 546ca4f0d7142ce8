"""The client for addresses of customers: to public servers only, however they are written, and never for long."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from dashboard.core import http
from dashboard.core.errors import Invalid
from dashboard.core.http import FetchFailed, NoRoom, Policy
from tests.each import each
from tests.identity_provider import KeyServer, serving

PUBLIC = Policy()

NOT_TO_BE_ASKED = [
    # not https, no name, odd ports, credentials, fragments
    "http://example.com/keys", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "//example.com/",
    "https://", "https:///keys", "example.com/keys", "", "javascript:alert(1)", "https://example.com:22/",
    "https://example.com:8443/", "https://example.com:0/", "https://example.com:99999/", "https://example.com:x/",
    "https://user@example.com/", "https://user:password@example.com/", "https://example.com/#a",
    "https://exa mple.com/",
    "https://example.com\\@localhost/", "https://example.com/\r\nHost: localhost", "https://exämple.com/",
    "https://[::1", "https://example.com/" + "x" * 2_000,
    # addresses of our own network, as they are written and as they are not
    "https://127.0.0.1/", "https://127.1.2.3/", "https://0.0.0.0/", "https://10.0.0.1/", "https://172.16.0.1/",
    "https://192.168.1.1/", "https://169.254.169.254/latest/meta-data/", "https://100.64.0.1/", "https://192.0.2.1/",
    "https://198.18.0.1/", "https://224.0.0.1/", "https://240.0.0.1/", "https://255.255.255.255/",
    "https://[::1]/", "https://[::]/", "https://[fe80::1]/", "https://[fc00::1]/", "https://[fd00:ec2::254]/",
    "https://[::ffff:127.0.0.1]/", "https://[::ffff:10.0.0.1]/", "https://[::127.0.0.1]/", "https://[ff02::1]/",
    "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://[2001:0:7f00:1::]/", "https://[fec0::1]/",
]  # fmt: skip

LED_INSIDE = [
    # names and numbers that only the resolver understands
    "https://localhost/", "https://LOCALHOST/", "https://localhost./", "https://2130706433/", "https://0x7f000001/",
    "https://0177.0.0.1/", "https://0x7f.1/", "https://127.1/", "https://0/",
]  # fmt: skip


@each("url", NOT_TO_BE_ASKED)
def test_odd_and_private_addresses_are_refused_before_anything_is_asked(url: str) -> None:
    with pytest.raises(Invalid):
        http.checked_url(url, PUBLIC)
    with pytest.raises(FetchFailed):
        http.get(url, PUBLIC)


@each("url", LED_INSIDE)
def test_a_name_that_leads_inside_is_refused_when_it_is_asked(url: str) -> None:
    with pytest.raises(FetchFailed, match="does not lead to a public address"):
        http.get(url, PUBLIC)


@each("url", ["https://example.com/", "https://example.com:443/a?b=c", "https://8.8.8.8/keys"])
def test_public_addresses_may_be_asked(url: str) -> None:
    assert http.checked_url(f" {url} ", PUBLIC) == url


@pytest.fixture
def server(tmp_path: Path) -> Iterator[KeyServer]:
    with serving(tmp_path) as made:
        yield made


def allowing(server: KeyServer) -> Policy:
    return Policy(**server.settings)


def test_a_server_inside_hears_nothing_of_a_refused_request() -> None:
    """A name that resolves here is refused by its address, before a connection is made."""
    with socket.create_server(("127.0.0.1", 0)) as inside:
        inside.settimeout(0.3)
        policy = Policy(ports=(inside.getsockname()[1],))
        with pytest.raises(FetchFailed, match="does not lead to a public address"):
            http.get(f"https://localhost:{inside.getsockname()[1]}/", policy)
        with pytest.raises(TimeoutError):
            inside.accept()


def test_what_stands_there_is_returned(server: KeyServer) -> None:
    server.answer = {"keys": []}
    assert http.get(server.url, allowing(server)) == b'{"keys": []}'


def test_no_redirect_is_followed_and_no_other_status_is_an_answer(server: KeyServer) -> None:
    server.headers = {"Location": server.url}
    for status in (204, 301, 302, 303, 307, 308, 404, 500):
        server.status = status
        with pytest.raises(FetchFailed, match=str(status)):
            http.get(server.url, allowing(server))
    assert server.asked == 8


def test_a_certificate_that_nobody_vouches_for_or_of_another_name_is_refused(server: KeyServer) -> None:
    for policy, url in (
        (Policy(ports=(server.port,), private=True), server.url),
        (allowing(server), server.url.replace("localhost", "127.0.0.1")),
    ):
        with pytest.raises(FetchFailed, match="certificate"):
            http.get(url, policy)
    assert server.asked == 0


def test_a_large_answer_is_cut_off(server: KeyServer) -> None:
    server.answer = b" " * (http.MOST_BYTES + 1)
    with pytest.raises(FetchFailed, match="larger than 64 KB"):
        http.get(server.url, allowing(server))
    server.answer = b" " * http.MOST_BYTES
    assert len(http.get(server.url, allowing(server))) == http.MOST_BYTES


@pytest.mark.slow
def test_a_slow_server_is_waited_for_five_seconds_in_all(server: KeyServer) -> None:
    server.delay = 30.0
    with pytest.raises(FetchFailed, match="within 5 seconds"):
        http.get(server.url, allowing(server))


@pytest.mark.slow
def test_a_server_that_drips_is_no_faster(tmp_path: Path) -> None:
    """Each byte comes in time, and the whole never does."""
    with socket.create_server(("127.0.0.1", 0)) as dripping:
        port = dripping.getsockname()[1]

        def drip() -> None:
            connection, _ = dripping.accept()
            with connection:
                connection.sendall(b"\x16\x03\x03\x40\x00")  # a part of a handshake follows, of 16 KB
                for _ in range(100):
                    try:
                        connection.sendall(b"\x02")
                    except OSError:
                        return
                    time.sleep(0.2)

        threading.Thread(target=drip, daemon=True).start()
        with pytest.raises(FetchFailed, match="within 5 seconds"):
            http.get(f"https://127.0.0.1:{port}/", Policy(ports=(port,), private=True))


@pytest.mark.slow
def test_a_header_that_never_ends_is_waited_for_no_longer(server: KeyServer) -> None:
    """Read byte by byte, each in time: this held a thread for as long as the other side wanted."""
    server.drips = True
    with pytest.raises(FetchFailed, match="within 5 seconds"):
        http.get(server.url, allowing(server))


def test_slow_servers_hold_a_few_threads_and_one_for_each_owner() -> None:
    with ExitStack() as busy:
        for number in range(http.AT_ONCE - 1):
            busy.enter_context(http.room(f"slow {number}"))
            with pytest.raises(NoRoom), http.room(f"slow {number}"):
                pass
        with http.room("another"), pytest.raises(NoRoom, match="Too many servers"), http.room("one too many"):
            pass
        with suppress(FetchFailed), http.room("another"):
            raise FetchFailed("whatever happens in it")
        with http.room("another"):
            pass


def test_a_proxy_of_the_environment_is_not_used(server: KeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert http.get(server.url, allowing(server))


def test_what_is_not_there_or_no_http_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="does not lead to a public address"):
        http.get("https://nothing.invalid/", PUBLIC)
    with pytest.raises(FetchFailed, match="could not be reached"):
        http.get("https://127.0.0.1:1/", Policy(ports=(1,), private=True))
