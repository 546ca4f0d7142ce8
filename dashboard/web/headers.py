"""Security headers of every response, including caching."""

from collections.abc import Callable
from urllib.parse import urlsplit

from flask import Flask, Response, g, request

from dashboard.config import Settings

UNUSED = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
"""Browser features that none of our pages uses."""

PAYMENT_HOSTS = ("https://checkout.stripe.com", "https://billing.stripe.com")


def policy(form_hosts: tuple[str, ...]) -> str:
    """The content security policy. Forms may lead only to `form_hosts`: browsers also check redirects."""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        f"connect-src 'self'; form-action 'self' {' '.join(form_hosts)}; "
        "base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
    )


def allow_form_to(url: str) -> None:
    """Allow forms of this response to lead to the origin of `url`, such as a payment page that redirects back."""
    parts = urlsplit(url)
    if parts.scheme in ("http", "https") and parts.netloc:
        g.form_hosts = (*g.get("form_hosts", ()), f"{parts.scheme}://{parts.netloc}")


def allow_own_frame() -> None:
    """Allow this response to show one of our own pages in a frame."""
    g.more_policy = "; frame-src 'self'"


def only_looks() -> None:
    """This response is someone's HTML in one of our frames: it may use styles, and nothing else."""
    g.whole_policy = (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'; "
        "sandbox"
    )


def init_app(app: Flask, settings: Settings, *, is_call: Callable[[str], bool]) -> None:
    """`is_call` says whether a path is for programs: only its pages get the headers that browsers act on."""
    hosts: tuple[str, ...] = PAYMENT_HOSTS
    if not settings.production:
        # The fake's payment page, and a base URL that names the same server with another host.
        hosts += tuple(origin for origin in (settings.payment.stripe.api_base, settings.base_url) if origin)

    @app.after_request
    def protect(response: Response) -> Response:
        # a redirect from routing, such as for a missing slash, which names the Host that was sent
        if response.status_code == 308:
            path = response.headers["Location"].partition("://")[2].partition("/")[2]
            response.headers["Location"] = "/" + path.lstrip("/")
        response.headers["X-Content-Type-Options"] = "nosniff"
        if settings.production:
            response.headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
        if request.endpoint != "static":
            response.headers.setdefault("Cache-Control", "no-store")
        if is_call(request.path) and response.mimetype != "text/html":
            return response
        usual = policy((*hosts, *g.get("form_hosts", ()))) + g.get("more_policy", "")
        response.headers["Content-Security-Policy"] = g.get("whole_policy", usual)
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["X-Frame-Options"] = "SAMEORIGIN" if "whole_policy" in g else "DENY"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers["Permissions-Policy"] = UNUSED
        if request.endpoint != "static":
            response.vary.add("HX-Request")
        return response
