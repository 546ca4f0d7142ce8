"""`/account`: name, time zone, theme, keys."""

from typing import Any

from flask import Response, request, url_for
from flask_login import current_user

from dashboard.core import clock
from dashboard.core.db import transaction
from dashboard.core.errors import Conflict, Invalid, TooManyRequests
from dashboard.domain.funds import wallets
from dashboard.domain.people import email_change, users
from dashboard.domain.platform import erasure
from dashboard.web import guards, render
from dashboard.web.account.blueprints import profile_pages as pages
from dashboard.web.sessions import safe_next, sign_out

THEMES = (("system", "System"), ("light", "Light"), ("dark", "Dark"))
NOT_PLACES = ("Etc/", "SystemV/", "posix/", "right/")


@pages.get("")
def profile() -> Response:
    return _page(_kept(), {})


@pages.post("")
def save() -> Response:
    typed: dict[str, Any] = {name: request.form.get(name, "") for name in ("name", "timezone", "theme")}
    typed["keyboard"] = "keyboard" in request.form
    try:
        with transaction():
            users.change_profile(current_user, **typed)
    except Invalid as refusal:
        return _page(typed, render.errors_of(refusal), status=422)
    render.toast_next("Your profile is saved.")
    return render.redirect(url_for(".profile"))


@pages.get("/zones")
def zones() -> Response:
    """The names of all places with a time zone, one a line, for the fields that suggest them: loaded once a day."""
    named = sorted(zone for zone in clock.time_zones() if "/" in zone and not zone.startswith(NOT_PLACES))
    headers = {"Cache-Control": "private, max-age=86400"}
    return Response("\n".join(["UTC", *named]), mimetype="text/plain", headers=headers)


@pages.post("/zone")
def use_zone() -> Response:
    """Take the browser's time zone, which a script offers to users who see UTC."""
    own = {name: getattr(current_user, name) for name in ("name", "theme", "keyboard")}
    with transaction():
        users.change_profile(current_user, timezone=request.form.get("timezone", ""), **own)
    render.toast_next(f"Times are now shown in {current_user.timezone}.")
    return render.redirect(safe_next(request.form.get("next", "")) or url_for(".profile"))


@pages.post("/email")
def change_email() -> Response:
    guards.require_recent()
    typed = request.form.get("email", "")
    try:
        email_change.ask(current_user, typed)
    except (Invalid, TooManyRequests) as refusal:
        return _page(_kept() | {"email": typed}, {"email": refusal.detail}, status=refusal.status)
    render.toast_next("We emailed both addresses. Confirm the change from each.")
    return render.redirect(url_for(".profile"))


@pages.post("/email/call-off")
def call_off_email() -> Response:
    email_change.call_off(current_user)
    render.toast_next("The change was cancelled.")
    return render.redirect(url_for(".profile"))


@pages.get("/erase")
def ask_erase() -> Response:
    return _erase_form({})


@pages.post("/erase")
def erase() -> Response:
    guards.require_recent()
    if request.form.get("email", "").strip().lower() != current_user.email.lower():
        return _erase_form({"email": "Enter your address."}, status=422)
    try:
        erasure.erase(current_user, reason="They asked for it", by=users.actor_of(current_user))
    except Conflict as refusal:
        return _erase_form({"": refusal.detail}, status=refusal.status)
    sign_out()
    render.toast_next("Your account is erased.")
    return render.redirect(url_for("auth.login"))


def _kept() -> dict[str, Any]:
    return {name: getattr(current_user, name) for name in ("name", "timezone", "theme", "keyboard")}


def _erase_form(errors: dict[str, str], *, status: int = 200) -> Response:
    own = users.personal_organization(current_user.id)
    balance = wallets.of_organization(own.id, guards.platform_mode()).balance if own else 0
    typed = request.form.get("email", "")
    return render.render("account/erase.html", status=status, errors=errors, typed=typed, balance=max(balance, 0))


def _page(values: dict[str, Any], errors: dict[str, str], *, status: int = 200) -> Response:
    return render.render(
        "account/profile.html", status=status, user=current_user,
        change=email_change.pending(current_user), values=values, errors=errors, themes=THEMES,
    )  # fmt: skip
