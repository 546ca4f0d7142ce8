"""Error pages: what happened, what did not, and what to do next. No technical details and no tracebacks."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from flask import Response, current_app, g, request, url_for
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from dashboard.core.errors import CofferError, NotFound, WrongRole
from dashboard.domain.organizations import memberships
from dashboard.web import guards, render
from dashboard.web.confirmation import CONFIRMATION, NOTHING, ConfirmationNeeded
from dashboard.web.sessions import safe_next
from dashboard.web.viewer import look_as_stranger, viewer

HOME = ("Go to home", "/")

WORDS: dict[int, tuple[str, str]] = {
    400: ("This request could not be read", "Nothing was changed. Go back and try again."),
    403: ("You don't have access", "Your role doesn't include this. An owner of the organization can change that."),
    404: ("Page not found", "The link may be old, or it leads to an organization you are not in."),
    405: ("This page cannot be opened this way", "Nothing was changed."),
    409: (
        "Someone changed this in the meantime",
        "Nothing was saved. Open the page again to see the new values.",
    ),
    410: ("This link isn't valid", "It has expired, was used or was withdrawn. Ask for a new one."),
    413: ("This is too large", "Nothing was changed. Send less at a time."),
    422: ("Check your entries", "Nothing was changed. Check your entries and try again."),
    429: ("Too many attempts", "Nothing was changed."),
    500: (
        "Something went wrong on our side",
        "The error is recorded. If it happens again, send us the reference.",
    ),
    503: ("Coffer is briefly unavailable", "Try again in a few seconds. Nothing that was confirmed is lost."),
}
PROGRAMS_WAIT = "API calls get the same answer. Calls that are sent again with the same idempotency key count once."
FOREIGN_FORM = "The form did not come from one of our pages, or its token is missing. Nothing was changed."

SECRETS = {"password": "Password", "code": "Code", "new_password": "New password", "secret": "Shared secret"}
"""Fields whose values are never put back into a page; the user must enter them again."""

CONFIRMING = {"confirm_password": "Your password", "confirm_code": "Code from your authenticator app"}
"""What `ConfirmationNeeded` asks for in the form that it returns. Only users with a second factor are asked for the
code."""

UNSPOKEN = (
    "csrf_token", "confirm", "confirm_unusual_rate", "dialog", "next", "idempotency_key", "timezone", "version_id",
    "key", "of", "revision", "to", "anew", "username",
)  # fmt: skip


def answer(error: Exception) -> Response:
    """The page for any error of an HTML route; a toast for HTMX. From status 500 on, it does not use the database."""
    if isinstance(error, CSRFError):
        if not (request.form and _from_here()):
            return _page(403, FOREIGN_FORM)
        current_app.logger.info("stale form token on %s", request.path)
        return _send_again("This page was open too long", "Your entries are kept; send again.", "Send again")
    if isinstance(error, ConfirmationNeeded):
        asked = {name: label for name, label in CONFIRMING.items() if viewer().second_factor or name != "confirm_code"}
        return _send_again(
            "Confirm that it is you", CONFIRMATION, "Confirm", asked=asked, wrong=error.wrong, status=error.status
        )
    if isinstance(error, WrongRole) and g.get("own_org") is not None:
        return _page(403, error.detail, asks=memberships.people_with(g.own_org.id, error.roles))
    if isinstance(error, CofferError):
        return _page(error.status, error.detail, retry_after=getattr(error, "retry_after", None))
    if isinstance(error, HTTPException):
        if error.code is not None and error.code < 400:
            return current_app.make_response(error)  # a redirect from routing, such as for a missing slash
        return _page(error.code or 500, "")
    return _page(500, "")


def _page(
    status: int, detail: str, *, retry_after: int | None = None, asks: Sequence[tuple[str, str]] = ()
) -> Response:
    """`asks`: the names and roles of people who can do what was refused."""
    title, usual = WORDS.get(status) or WORDS[400 if status < 500 else 500]
    text = detail if detail not in ("", f"{title}.", NotFound().detail) else usual
    if status == 429 and retry_after:
        text = f"{text} Try again in {wait_in_words(retry_after)}."
    if asks:
        text = f"{text} Ask {' or '.join(f'{name} ({role})' for name, role in asks)}."
    helped = _support(status) if not asks else []
    if status >= 500:
        look_as_stranger()
    if render.is_htmx() and status < 500:
        response = render.refusal(text, status)
    else:
        response = render.render(
            "errors/error.html",
            status=status,
            layout=_layout(status),
            title=title,
            text=text,
            more=PROGRAMS_WAIT if status == 503 else "",
            reference=g.get("request_id", "") if status == 500 else "",
            actions=([_members()] if asks else []) + _actions(status) + helped,
        )
    if retry_after:
        response.headers["Retry-After"] = str(retry_after)
    return response


def _layout(status: int) -> str:
    if status >= 500:
        return "layouts/bare.html"
    if not viewer().signed_in:
        return "layouts/plain.html"
    if render.shell() is None:
        g.shell = guards.shell_of_address()
    return "layouts/admin.html" if request.path.startswith("/admin") and current_user.is_manager else "layouts/app.html"


def _members() -> tuple[str, str]:
    return "See members", url_for("members.listing", slug=g.own_org.slug)


def _support(status: int) -> list[tuple[str, str]]:
    """The operator's support, for what nobody in the organization can change."""
    link = render.support(f"Reference {g.get('request_id', '')}") if status in (403, 500) else ""
    return [("Email support", link)] if link else []


def _actions(status: int) -> list[tuple[str, str]]:
    if status == 503 and request.method == "GET":
        return [("Try again", request.full_path.rstrip("?")), HOME]
    return [HOME]


def wait_in_words(seconds: int) -> str:
    if seconds < 90:
        return f"{seconds} second{'s' if seconds != 1 else ''}"
    return f"{-(-seconds // 60)} minutes"


def _from_here() -> bool:
    """Only our own pages get their entries back: otherwise another site could fill in a form here and have the user
    send it."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    try:
        source = urlsplit(request.headers.get("Origin") or request.headers.get("Referer") or "")
    except ValueError:  # such as an unterminated IPv6 address
        return False
    return bool(source.netloc) and f"{source.scheme}://{source.netloc}" == request.host_url.rstrip("/")


def _back() -> str:
    """The page of the form; for an action without its own page, the page where it was requested."""
    adapter = current_app.create_url_adapter(request)
    if adapter is not None and adapter.test(request.path, method="GET"):
        return request.path
    before = urlsplit(request.referrer or "").path if _from_here() else ""
    return (safe_next(before) if before != request.path else None) or "/"


def _send_again(
    title: str,
    text: str,
    verb: str,
    *,
    asked: Mapping[str, str] = NOTHING,
    wrong: Mapping[str, str] = NOTHING,
    status: int = 403,
) -> Response:
    """The form again, with a new token and the typed values. Secrets, and what else is `asked`, must be typed."""
    entries = [(name, value) for name, value in request.form.items(multi=True) if name != "csrf_token"]
    hidden = [(name, value) for name, value in entries if name not in SECRETS and name not in CONFIRMING]
    shown = [(name.replace("_", " ").capitalize(), value) for name, value in hidden if name not in UNSPOKEN and value]
    return render.render(
        "errors/stale.html",
        fragment="errors/_stale.html",
        status=status,
        layout=_layout(status),
        title=title,
        text=text,
        verb=verb,
        action=request.full_path.rstrip("?"),
        hidden=hidden,
        shown=shown,
        secrets=[(name, SECRETS[name]) for name in SECRETS if request.form.get(name)] + list(asked.items()),
        wrong=wrong,
        back_href=_back(),
    )
