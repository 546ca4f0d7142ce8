"""The fake behind a port: API, hosted page, control surface, webhooks.

with FakeServer() as server:                      # any free port
    server.courier.deliver_to("http://127.0.0.1:8000/admin/api/v1/webhooks/payments", "whsec_...")
    server.url                                    # COFFER_PAYMENT__STRIPE__API_BASE
    server.fake.inject("reset", path="/v1/checkout/sessions")
"""

import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.stripe_fake import page
from tests.stripe_fake.control import VERBS
from tests.stripe_fake.delivery import Courier, Plan
from tests.stripe_fake.faults import Dropped
from tests.stripe_fake.model import Refusal
from tests.stripe_fake.signing import Json
from tests.stripe_fake.state import Fake


class FakeServer:
    """`fake` holds the state, `courier` the deliveries. Stops with its block."""

    def __init__(self, port: int = 0, plan: Plan | None = None) -> None:
        self._http = _Http(("127.0.0.1", port), _Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self.fake = Fake(self.url)
        self.courier = Courier(plan)
        self.fake.listeners.append(self.courier.take)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.courier.stop()
        self._http.shutdown()
        self._http.server_close()

    def wait(self) -> None:
        self._thread.join()


class _Http(ThreadingHTTPServer):
    owner: FakeServer
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed in the middle of a call are a part of the tests."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        at = urlsplit(self.path)
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        routes: list[tuple[str, Callable[[str, str, str], None]]] = [
            ("/v1/", self._api),
            ("/c/style.css", self._style),
            ("/c/pay/", self._pay),
            ("/_control/", self._control),
        ]
        for prefix, route in routes:
            if at.path.startswith(prefix):
                return route(at.path, at.query, sent)
        return self._send(404, b"Not found\n", {"Content-Type": "text/plain"})

    def _api(self, path: str, query: str, sent: str) -> None:
        text = sent if self.command == "POST" else query
        try:
            answer = self.server.owner.fake.answer(self.command, path, text, dict(self.headers.items()))
        except Dropped as drop:
            return self._drop(drop)
        except AssertionError as broken:
            return self._send(500, str(broken).encode(), {"Content-Type": "text/plain"})
        return self._send(answer.status, answer.body, answer.headers)

    def _drop(self, drop: Dropped) -> None:
        self.close_connection = True
        if drop.kind == "timeout":
            time.sleep(drop.seconds)
        else:
            # Lingering for no time turns the close into a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _style(self, path: str, query: str, sent: str) -> None:
        self._send(200, page.STYLE.encode(), {"Content-Type": "text/css"})

    def _pay(self, path: str, query: str, sent: str) -> None:
        fake, id_ = self.server.owner.fake, path.removeprefix("/c/pay/")
        try:
            session = fake.session(id_)
        except Refusal:
            return self._html(404, page.closed(None), page.policy())
        if session["status"] != "open":
            return self._html(410, page.closed(session), page.policy())
        if self.command == "GET":
            items = fake.holder(id_).lines[id_]
            return self._html(200, page.checkout(session, items, "declined" in query), page.policy(session))
        return self._act(session, parse_qs(sent).get("action", [""])[0])

    def _act(self, session: Json, action: str) -> None:
        fake, id_ = self.server.owner.fake, session["id"]
        if action in ("pay", "pay_later"):
            getattr(fake, action)(id_)
            target = session["success_url"].replace("{CHECKOUT_SESSION_ID}", id_)
        elif action == "decline":
            fake.decline(id_)
            target = f"/c/pay/{id_}?declined"
        elif action == "cancel":
            target = session["cancel_url"] or f"/c/pay/{id_}"
        else:
            return self._html(400, page.closed(session), page.policy())
        return self._send(303, b"", {"Location": target})

    def _control(self, path: str, query: str, sent: str) -> None:
        verb = VERBS.get(path.removeprefix("/_control/"))
        if verb is None:
            return self._json(404, {"error": f"one of {', '.join(sorted(VERBS))}"})
        try:
            return self._json(200, verb(self.server.owner, **(json.loads(sent) if sent else {})))
        except (Refusal, TypeError, ValueError, AssertionError) as wrong:
            return self._json(400, {"error": str(wrong) or repr(wrong)})

    def _json(self, status: int, answer: object) -> None:
        self._send(status, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _html(self, status: int, text: str, policy: str) -> None:
        headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy}
        self._send(status, text.encode(), headers)

    def _send(self, status: int, body: bytes, headers: Any) -> None:
        lines = [f"HTTP/1.1 {status} {self.responses.get(status, ('Status',))[0]}"]
        lines += [f"{name}: {value}" for name, value in {**headers, "Content-Length": len(body)}.items()]
        # In one write: two would cost the client 40 ms of delayed acknowledgment.
        self.wfile.write("\r\n".join([*lines, "", ""]).encode() + body)
