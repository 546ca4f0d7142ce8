"""Renders responses. The only module that uses HTMX's headers: views say what to show, not how.

Every page is a normal page. For HTMX, the same URL answers with the fragment that the page includes.
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, current_app, flash, g, make_response, render_template, request, url_for
from werkzeug.exceptions import NotFound

from dashboard.config import settings
from dashboard.core.errors import CofferError
from dashboard.core.mail import Attachment
from dashboard.web import formats
from dashboard.web.shell import Shell
from dashboard.web.viewer import viewer

FOREVER = "public, max-age=31536000, immutable"


def is_htmx() -> bool:
    return request.headers.get("HX-Request") == "true"


def render(page: str, *, fragment: str | None = None, status: int = 200, **context: Any) -> Response:
    """The page, or for HTMX the `fragment` that it includes, if one is named."""
    template = fragment if fragment and is_htmx() else page
    return make_response(render_template(template, **context), status)


def invalid(page: str, *, fragment: str | None = None, **context: Any) -> Response:
    """422: the form again with the typed values (never secrets) and its `errors` by field."""
    return render(page, fragment=fragment, status=422, **context)


def errors_of(refusal: CofferError, *, at: str = "") -> dict[str, str]:
    """Each message at its field; those without a field are at `at`."""
    every = (refusal, *getattr(refusal, "others", ()))
    return {getattr(one, "field", None) or at: one.detail for one in every}


def redirect(url: str) -> Response:
    """303, or `HX-Redirect`: fetch could not follow a redirect to another origin such as the payment page."""
    if is_htmx():
        return Response(status=204, headers={"HX-Redirect": url})
    return Response(status=303, headers={"Location": url})


def unchanged() -> Response:
    """204: nothing new for a poll; HTMX leaves the page unchanged."""
    return Response(status=204)


def partials(template: str, *, close_dialog: bool = False, toast: str | None = None, **context: Any) -> Response:
    """Several `<hx-partial>` at once, for live parts and forms in place; optionally with a toast and closing the
    dialog."""
    body = render_template(template, **context)
    if toast:
        body += _toast_partial(toast)
    response = make_response(body)
    if close_dialog:
        response.headers["HX-Trigger"] = "modal:close"
    return response


def toast_next(text: str, *, bad: bool = False) -> None:
    """Show a toast on the page after a redirect. Never the only place for information."""
    flash(text, "bad" if bad else "ok")


def refusal(text: str, status: int, *, close_dialog: bool = False) -> Response:
    """An error response for HTMX that replaces nothing and shows the reason in a toast that stays."""
    response = make_response(_toast_partial(text, bad=True), status)
    response.headers["HX-Reswap"] = "none"
    if close_dialog:
        response.headers["HX-Trigger"] = "modal:close"
    return response


def file(one: Attachment) -> Response:
    """A file to view or download. We choose its name and type, never the user."""
    headers = {"Content-Disposition": f'inline; filename="{one.name}"'}
    return Response(one.content, mimetype=one.kind, headers=headers)


def shell() -> Shell | None:
    """The navigation of this request, built when a layout asks for it, so that fragments do not need it."""
    if "shell" not in g:
        maker = g.get("shell_maker")
        g.shell = maker() if maker else None
    return g.shell  # type: ignore[no-any-return]


def asset(path: str) -> str:
    """URL of a static file with the hash of its content, so that it may be cached forever."""
    return url_for("static", filename=path, v=_digest(path))


def support(subject: str = "") -> str:
    """A mailto link to the operator's support, with a subject; empty if no address is set."""
    address = settings().support_email
    return f"mailto:{address}{f'?subject={quote(subject)}' if subject else ''}" if address else ""


def take_focus() -> bool:
    """Whether this field gets the focus: only the first that asks, because a page can have only one."""
    first = "focus_taken" not in g
    g.focus_taken = True
    return first


def init_app(app: Flask) -> None:
    formats.init_app(app)
    app.jinja_env.globals.update(asset=asset, shell=shell, support=support, take_focus=take_focus, viewer=viewer)
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.after_request(_keep_static)


def _toast_partial(text: str, *, bad: bool = False) -> str:
    return render_template("components/_toast.html", text=text, bad=bad)


def _keep_static(response: Response) -> Response:
    if request.endpoint == "static" and request.view_args and response.status_code in (200, 304):
        current = request.args.get("v") == _digest(request.view_args["filename"])
        response.headers["Cache-Control"] = FOREVER if current else "no-cache"
    return response


def _digest(path: str) -> str:
    file = Path(current_app.static_folder or "") / path
    try:
        changed = file.stat().st_mtime_ns
    except FileNotFoundError:
        raise NotFound from None
    return _digest_of(file, changed)


@lru_cache(maxsize=64)
def _digest_of(file: Path, changed: int) -> str:
    """`changed` is part of the cache key, so that a file edited during development gets a new hash."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]
