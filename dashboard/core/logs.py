"""Logs: one event is one line (JSON; readable text in development), with the request's id and without secrets."""

import logging
import re
import sys
import time
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

import orjson
import structlog
from flask import Flask, Response, g, request
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars
from structlog.typing import EventDict, WrappedLogger

from dashboard.core import ids

REQUEST_ID_HEADER = "X-Request-Id"
STARS = "***"
LONGEST_TEXT = 16_000
DEPTH = 6

_SECRET_NAMES = re.compile(
    r"password|passwd|secret|authorization|cookie|api_?key|csrf|token$|encryption_keys|signature", re.IGNORECASE
)
_RUN = r"[A-Za-z0-9_\-]"
# These patterns search texts of up to 64 KB from any caller, so each character is examined a bounded number of times: a
# part that may fail at its end starts only at the start of a run of characters and does not backtrack (`++`).
_SECRET_TEXTS = re.compile(
    rf"(?P<key>\b(?:cofp_|cofs_|cof_|sk_|rk_|pk_|whsec_))[A-Za-z0-9_\-*]+"
    rf"|(?P<signed>(?<!{_RUN})(?={_RUN}++\.{_RUN}++\.){_RUN}*?\beyJ){_RUN}+\.{_RUN}+\.{_RUN}*"
    r"|(?P<bearer>\b(?:Bearer|Basic)\s++)[A-Za-z0-9._~+/=\-]{6,}"
    r"|(?P<cookie>\b(?:__Host-)?coffer=)[^;\s\"']+"
    r"|(?P<client>_secret_)\w+"
    r"|(?P<link>/(?:invite|verify|reset|email-change)/|[?&]token=|\b[0-9a-f]{32}_(?=[\w-]{43}(?![\w-])))[\w\-]+"
    r"|(?P<field>\b(?:password|csrf_token)[\"']?\s*+[=:]\s*[\"']?)[^&\s\"',;]+"
    r"|(?P<url>\b[a-z][a-z0-9+.\-]{1,20}://[^\s:/@]*+:)[^\s/@]++(?=@)",
    re.IGNORECASE,
)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), 0x7F, *range(0x80, 0xA0), 0x2028, 0x2029)}
_REPEATED = ("message", "asctime")  # set on the record by an earlier formatter
_QUIET_PATHS = ("/healthz", "/readyz", "/metrics", "/static/")

log = structlog.get_logger("coffer.request")


class _StandardError(logging.StreamHandler[Any]):
    """Looks up standard error for each line, because it may be replaced while the process runs."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        return sys.stderr


def configure(*, readable: bool, level: int = logging.INFO) -> None:
    """Send all logging, ours and the libraries', through one handler on standard error. May be called more than
    once."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redacted,
    ]
    last = structlog.dev.ConsoleRenderer(colors=False) if readable else structlog.processors.JSONRenderer(_json)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
    )
    handler = _StandardError()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    # Only our own and the default handlers are removed; others (a test's, an operator's) stay.
    kept = [one for one in root.handlers if type(one) not in (_StandardError, logging.StreamHandler)]
    root.handlers = [*kept, handler]
    root.setLevel(level)
    # Its own line per request would contain the query, which may hold a checkout session's id.
    for chatty in ("werkzeug", "stripe", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *[step for step in shared if not isinstance(step, structlog.stdlib.ExtraAdder)],
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def init_app(app: Flask, *, trust_request_id: bool = False) -> None:
    """Give each request an id, return it in the response, and log the request when it is done.

    `trust_request_id`: use the id set by our own proxy; from anyone else it could be forged.
    """

    @app.before_request
    def begin() -> None:
        given = request.headers.get(REQUEST_ID_HEADER, "") if trust_request_id else ""
        g.request_id = given if _REQUEST_ID.fullmatch(given) else str(ids.new())
        g.request_began = time.monotonic()
        clear_contextvars()
        bind_contextvars(request_id=g.request_id, ip=request.remote_addr)

    @app.after_request
    def end(response: Response) -> Response:
        if "request_id" in g:
            response.headers[REQUEST_ID_HEADER] = g.request_id
            if not request.path.startswith(_QUIET_PATHS):
                milliseconds = round((time.monotonic() - g.request_began) * 1000)
                log.info(
                    "request", method=request.method, path=request.path, status=response.status_code, ms=milliseconds
                )
        return response


def request_id() -> str | None:
    """The id of the current request or job."""
    row = get_contextvars().get("request_id")
    return str(row) if row else None


def client_ip() -> str | None:
    """The IP address of the current request; None in jobs and commands."""
    row = get_contextvars().get("ip")
    return str(row) if row else None


def network_of(ip: str) -> str:
    """The network by which an address is counted: for IPv6 its first 64 bits, since every user has at least that many
    addresses. Any other text is returned unchanged."""
    if ":" not in ip:
        return ip
    try:
        address = ip_address(ip)
    except ValueError:
        return ip
    if not isinstance(address, IPv6Address):
        return ip
    return str(address.ipv4_mapped or ip_network((address.packed, 64), strict=False))


def bind_job(job: str, **values: str) -> None:
    """Mark the following lines as those of a job or command."""
    clear_contextvars()
    bind_contextvars(request_id=str(ids.new()), job=job, **values)


def redacted(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """The event with secrets masked, by name and by pattern, and with control characters escaped."""
    return {str(name): _clean(str(name), value, DEPTH) for name, value in event.items() if name not in _REPEATED}


def clean(text: str) -> str:
    """`text` without anything that looks like a secret; for any external error that is stored or shown."""
    return _SECRET_TEXTS.sub(lambda match: f"{match.group(match.lastgroup or 0)}{STARS}", text)


def is_secret(name: str) -> bool:
    """Whether a value under this name is a secret, whatever it looks like."""
    return _SECRET_NAMES.search(name) is not None


def _clean(name: str, value: Any, depth: int) -> Any:
    if name.startswith("_"):  # structlog's own key: the record that the event came from
        return value
    if is_secret(name):
        return STARS
    if isinstance(value, bool | int | float | None):
        return value
    if depth == 0:
        return STARS
    if isinstance(value, Mapping):
        return {str(key): _clean(str(key), one, depth - 1) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("item", one, depth - 1) for one in value]
    text = clean(str(value)[:LONGEST_TEXT])
    return text if name == "exception" else text.translate(_CONTROLS)


def _json(event: EventDict, **_: Any) -> str:
    return orjson.dumps(event, default=str).decode()
