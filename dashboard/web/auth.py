"""Sign-in, sign-up, sign-out, and where they lead."""

from typing import Any

from flask import Blueprint, Response, request, url_for
from flask_login import current_user, login_required

from dashboard.config import settings
from dashboard.core.errors import Invalid, TooManyRequests, Unavailable
from dashboard.domain.access.permissions import ROLE_WORDS
from dashboard.domain.organizations import invites, registration, user_organizations
from dashboard.domain.people import authentication, passwords, second_factor
from dashboard.models import User
from dashboard.web import device_cookie, guards, pending_sign_in, render
from dashboard.web.sessions import safe_next, sign_in, sign_out

pages = Blueprint("auth", __name__)


@pages.get("/")
@login_required
def start() -> Response:
    return render.redirect(_landing(current_user))


@pages.route("/login", methods=["GET", "POST"])
def login() -> Response:
    target = safe_next(request.values.get("next"))
    if request.method != "POST":  # also for HEAD, which has no form token
        if current_user.is_authenticated:
            return render.redirect(target or _landing(current_user))
        return render.render("auth/login.html", values={}, errors={}, **_words(target))
    if "password" not in request.form and "code" in request.form:
        return code()
    try:
        email, password = request.form.get("email", ""), request.form.get("password", "")
        user = authentication.sign_in(email, password, ip=request.remote_addr or "", device=device_cookie.given())
    except (Invalid, TooManyRequests, Unavailable) as refusal:
        return _again("auth/login.html", refusal, **_words(target))
    if second_factor.on(user):
        pending_sign_in.keep(user)
        return code() if request.form.get("code") else render.redirect(url_for(".code", next=target))
    sign_in(user)
    return render.redirect(target or _landing(user))


@pages.route("/login/code", methods=["GET", "POST"])
def code() -> Response:
    """The second step, for a user who entered the right password in this browser within the last minutes."""
    target = safe_next(request.values.get("next"))
    user = pending_sign_in.user()
    if user is None:
        return render.redirect(url_for(".login", next=target))
    if request.method != "POST":
        return render.render("auth/code.html", next=target, values={}, errors={})
    try:
        authentication.second_step(user, request.form.get("code", ""))
    except (Invalid, TooManyRequests, Unavailable) as refusal:
        return _again("auth/code.html", refusal, next=target, field="code")
    sign_in(user)
    return render.redirect(target or _landing(user))


@pages.route("/signup", methods=["GET", "POST"])
def signup() -> Response:
    words: dict[str, Any] = {"password_help": f"At least {passwords.SHORTEST} characters."}
    if request.method != "POST":  # also for HEAD, which has no form token
        if current_user.is_authenticated:
            return render.redirect(_landing(current_user))
        return render.render("auth/signup.html", values={}, errors={}, **words)
    typed: dict[str, Any] = {name: request.form.get(name, "") for name in ("name", "email", "password", "timezone")}
    try:
        if settings().verifies_addresses:
            registration.ask_to_join(**typed, ip=request.remote_addr or "")
            return render.redirect(url_for("links.verification"))
        user = registration.sign_up(**typed, ip=request.remote_addr or "", mode=guards.platform_mode())
    except (Invalid, TooManyRequests, Unavailable) as refusal:
        return _again("auth/signup.html", refusal, **words)
    sign_in(user)
    return render.redirect(_landing(user))


@pages.post("/logout")
def logout() -> Response:
    sign_out()
    return render.redirect(url_for("auth.login"))


def _again(
    page: str, refusal: Invalid | TooManyRequests | Unavailable, *, field: str = "password", **context: Any
) -> Response:
    """The form again, with the message at its field and everything that was typed except the password."""
    values = {name: request.form.get(name, "") for name in ("name", "email")}
    errors = render.errors_of(refusal, at=field)
    response = render.render(page, status=refusal.status, values=values, errors=errors, **context)
    if not isinstance(refusal, Invalid):
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def _words(target: str | None) -> dict[str, Any]:
    return {"next": target, "verifies": settings().verifies_addresses}


def _landing(user: User) -> str:
    if user.is_manager:
        return url_for("admin.show")
    org = user_organizations.landing(user)
    return url_for("costs.show", slug=org.slug) if org else url_for("auth.no_organization")


@pages.get("/no-organization")
@login_required
def no_organization() -> Response:
    return render.render("auth/no_organization.html", my_invites=invites.open_to(current_user), words=ROLE_WORDS)
