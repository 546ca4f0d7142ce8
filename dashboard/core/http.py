"""The only HTTP client for URLs that customers enter. It connects only to public servers, and its time and size are
bounded.

https only, to known ports. The client resolves the name, checks every address, and connects to a checked address, so a
name that resolves differently a moment later has no effect. It follows no redirects and uses no proxy from the
environment.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from dashboard.core.errors import Invalid

SECONDS = 5.0
MOST_BYTES = 64 * 1024
LONGEST_URL = 2_000
AT_ONCE = 3
"""Out of 8 threads per process. The others keep working, however slow the customers' servers are."""
_asking: set[str] = set()
_lock = threading.Lock()
_PIECE = 8 * 1024
_PUBLIC_V6 = ipaddress.ip_network("2000::/3")
_CARRIES_V4 = tuple(map(ipaddress.ip_network, ("2001::/32", "2002::/16")))
"""IPv6 addresses that embed an IPv4 address, by Teredo and 6to4."""


class FetchFailed(Exception):
    """No usable response. The text is for the user who entered the URL."""


class NoRoom(FetchFailed):
    """No request was made: the limit of simultaneous requests is reached, or one for the same owner is running."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Which servers may be reached. `private` is for the loopback servers of development and tests."""

    ports: tuple[int, ...] = (443,)
    private: bool = False
    ca_file: str | None = None


def checked_url(text: str, policy: Policy) -> str:
    """Return `text` if it is a URL that `get` accepts. Raises Invalid."""
    text = text.strip()
    try:
        parts = urlsplit(text)
        usable = parts.scheme == "https" and parts.hostname and _port(parts) in policy.ports
    except ValueError:
        usable = False
    if not usable or not text.isascii() or not text.isprintable() or " " in text or len(text) > LONGEST_URL:
        ports = " or ".join(map(str, policy.ports))
        raise Invalid(f"Enter an address that begins with https://, on port {ports}.")
    if "@" in parts.netloc or parts.fragment or "\\" in text:
        raise Invalid("Enter an address without a name, a password or a #.")
    if (address := _literal(parts)) and not _allowed(address, policy):
        raise Invalid("This address lies in a private network.")
    return text


@contextlib.contextmanager
def room(owner: str) -> Iterator[None]:
    """A slot for one `get` on behalf of `owner`, who never has more than one, so that one customer's slow servers leave
    slots for others. Enter it before the attempt is recorded anywhere. Raises NoRoom."""
    with _lock:
        if owner in _asking or len(_asking) >= AT_ONCE:
            raise NoRoom("Too many servers are being asked at this moment. Try again.")
        _asking.add(owner)
    try:
        yield
    finally:
        with _lock:
            _asking.discard(owner)


def get(url: str, policy: Policy, *, accept: str = "application/json") -> bytes:
    """The body at `url` if the status is 200. Raises FetchFailed. Call it in a `room`, and never in a transaction."""
    try:
        parts = urlsplit(checked_url(url, policy))
    except Invalid as error:
        raise FetchFailed(error.detail) from None
    return _get(parts, policy, accept, time.monotonic() + SECONDS)


def _get(parts: SplitResult, policy: Policy, accept: str, deadline: float) -> bytes:
    host, port = parts.hostname or "", _port(parts)
    address = _resolved(host, port, policy, deadline)
    connection = _Connection(host, port, address, deadline, policy)
    # Each read has its own timeout. Without this, a server that sends a byte now and then would block the thread
    # forever.
    cut = threading.Timer(max(0.0, deadline - time.monotonic()), connection.cut)
    cut.daemon = True
    cut.start()
    try:
        headers = {"Accept": accept, "User-Agent": "Coffer", "Connection": "close"}
        connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else "") or "/", headers=headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise FetchFailed(f"It answered with status {answer.status}. Redirects are not followed.")
        return _read(answer, connection, deadline)
    except ssl.SSLError as error:
        raise FetchFailed(f"Its certificate or TLS is not usable ({error.reason or 'unknown reason'}).") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, TimeoutError) or time.monotonic() >= deadline:
            raise FetchFailed(f"No whole answer came within {SECONDS:.0f} seconds.") from None
        raise FetchFailed("The server could not be reached, or its answer is not HTTP.") from None
    finally:
        cut.cancel()
        connection.close()


class _Connection(http.client.HTTPSConnection):
    """Connects to an address that was checked, and verifies the certificate against the name."""

    def __init__(self, host: str, port: int, address: str, deadline: float, policy: Policy) -> None:
        self._tls = ssl.create_default_context(cafile=policy.ca_file)
        super().__init__(host, port, context=self._tls)
        self._address = address
        self._deadline = deadline

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), timeout=_left(self._deadline))
        try:
            plain.settimeout(_left(self._deadline))
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise

    def cut(self) -> None:
        """Called from another thread: the reading thread gets an end of file."""
        if self.sock:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)  # TLS's own shutdown would break a read in progress

    def wait_at_most(self, seconds: float) -> None:
        if self.sock:
            self.sock.settimeout(seconds)


def _read(answer: http.client.HTTPResponse, connection: _Connection, deadline: float) -> bytes:
    content = b""
    while len(content) <= MOST_BYTES:
        connection.wait_at_most(_left(deadline))
        piece = answer.read1(_PIECE)
        if not piece:
            return content
        content += piece
    raise FetchFailed(f"The answer is larger than {MOST_BYTES // 1024} KB.")


def _resolved(host: str, port: int, policy: Policy, deadline: float) -> str:
    """An address of `host`. All addresses that it resolves to must be allowed."""
    resolved: list[Any] = []

    def ask() -> None:
        try:
            resolved.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError):
            return

    # The system's resolver has its own timeouts, which may be longer than ours.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_left(deadline))
    addresses = [str(one[4][0]) for one in resolved]
    public = all(_allowed(ipaddress.ip_address(address.partition("%")[0]), policy) for address in addresses)
    if not addresses or not public:  # one message for both: the caller must not learn which internal names exist
        raise FetchFailed("Its name does not lead to a public address.")
    return addresses[0]


def _port(parts: SplitResult) -> int:
    return 443 if parts.port is None else parts.port


def _literal(parts: SplitResult) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address((parts.hostname or "").partition("%")[0])
    except ValueError:
        return None


def _allowed(address: ipaddress.IPv4Address | ipaddress.IPv6Address, policy: Policy) -> bool:
    if policy.private:
        return True
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return True
    return address in _PUBLIC_V6 and not any(address in net for net in _CARRIES_V4)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
