"""An identity provider for tests: signs tokens, and serves its public keys over TLS on the loopback address."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from dashboard.core import clock

ISSUER = "https://login.example.test/"
SECRET = "a shared secret of more than 32 characters"
_numbers = count()


@cache
def _rsa_key(_: int) -> RSAKey:
    """One of a few: each takes as long as several tests."""
    return RSAKey.generate_key(2048)


MAKERS: dict[str, Callable[[], Any]] = {
    "RS256": lambda: _rsa_key(next(_numbers) % 4),
    "ES256": lambda: ECKey.generate_key("P-256"),
    "EdDSA": lambda: OKPKey.generate_key("Ed25519"),
    "HS256": lambda: OctKey.import_key(SECRET),
}


class Signer:
    """One key with its name."""

    def __init__(self, algorithm: str = "ES256", kid: str | None = "k1") -> None:
        self.algorithm, self.kid = algorithm, kid
        self.key = MAKERS[algorithm]()

    @property
    def public(self) -> dict[str, Any]:
        named = {"kid": self.kid} if self.kid else {}
        return {**self.key.as_dict(private=False), **named}

    def token(self, audience: Any, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token that is good, but for what `claims` and `header` change; a claim of None is left out."""
        now = int(clock.now().timestamp())
        values = {"iss": ISSUER, "aud": audience, "sub": "user-7", "iat": now, "exp": now + 300} | claims
        told = {"alg": self.algorithm, **({"kid": self.kid} if self.kid else {}), **(header or {})}
        payload = json.dumps({name: value for name, value in values.items() if value is not None})
        return self.sign(told, payload)

    def sign(self, header: dict[str, Any], payload: str) -> str:
        return jws.serialize_compact(header, payload, self.key, algorithms=[header["alg"]])


class KeyServer:
    """Serves `answer` at /keys. `asked` counts how often; `delay` in seconds. `drips`: a header without end."""

    def __init__(self, folder: Path, answer: Any) -> None:
        self.answer: Any = answer
        self.status, self.delay, self.asked = 200, 0.0, 0
        self.drips = False
        self.headers: dict[str, str] = {}
        self.ca_file = str(folder / "ca.pem")
        _certify(folder)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"https://localhost:{self.port}/keys"

    @property
    def settings(self) -> dict[str, Any]:
        """With these the product may ask it."""
        return {"ports": (self.port, 443), "private": True, "ca_file": self.ca_file}

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked += 1
                body = server.answer if isinstance(server.answer, bytes) else json.dumps(server.answer).encode()
                if server.drips:
                    self._drip()
                    return
                self.send_response(server.status)
                for name, value in server.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                time.sleep(server.delay)
                self.wfile.write(body)

            def _drip(self) -> None:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
                try:
                    for _ in range(60):
                        self.wfile.write(b"x")
                        time.sleep(0.2)
                except OSError:
                    return

            def log_message(self, *_: Any) -> None:
                return

        return Handler


@contextmanager
def serving(folder: Path, *signers: Signer) -> Iterator[KeyServer]:
    made = KeyServer(folder, {"keys": [signer.public for signer in signers]})
    made.start()
    try:
        yield made
    finally:
        made.stop()


def _certify(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(clock.now() - timedelta(days=1))
        .not_valid_after(clock.now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
