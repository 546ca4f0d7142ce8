"""The URL of this installation, and where a payer may be redirected to."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import current_app, has_request_context, request

from dashboard.core.errors import Invalid

URL_LIMIT = 2_000
LOCAL_HOSTS = ("localhost", "127.0.0.1")


def base_url() -> str:
    """The origin of our own pages, without a trailing slash.

    It is the setting. Without one, in development and test, it is the request's host if that is a loopback address, so
    that a forged Host header never appears in a link.
    """
    configured: str | None = current_app.config["COFFER"].base_url
    if configured:
        return configured
    if has_request_context() and is_loopback(urlsplit(request.host_url).hostname or ""):
        return request.host_url.rstrip("/")
    raise Invalid("Set COFFER_BASE_URL: this address is not a loopback address.", code="base_url_missing")


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def require_return_url(url: str, *, field: str, hosts: list[str], mode: str) -> str:
    """Return `url` if a payer may be redirected there: http(s) on our own origin, on a host in `hosts` or
    COFFER_RETURN_HOSTS, or in test mode on LOCAL_HOSTS with any port.

    A listed host without a port allows only the default ports. Raises Invalid.
    """
    readable = len(url) <= URL_LIMIT and url.isprintable() and "\\" not in url
    try:
        parts = urlsplit(url if readable else "")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    own = urlsplit(base_url())
    allowed = {*hosts, *current_app.config["COFFER"].return_hosts}
    named = host if port in (None, 80 if parts.scheme == "http" else 443) else f"{host}:{port}"
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    ours = (parts.scheme, parts.netloc.lower()) == (own.scheme, own.netloc)
    local = mode == "test" and host in LOCAL_HOSTS
    if "@" in parts.netloc or not (ours or (secure and (local or named in allowed))):
        raise Invalid("This address is not on an allowed host. An owner lists return hosts in Settings.", field=field)
    return url
