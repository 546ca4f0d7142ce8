"""`/account`: name, time zone, theme, keys."""

from functools import cache
from typing import Any
from zoneinfo import available_timezones

from flask import Response, request, url_for
from flask_login import current_user

from dashboard.core.db import transaction
from dashboard.core.errors import Invalid
from dashboard.domain.identity import users
from dashboard.web import render
from dashboard.web.account import profile_pages as pages

THEMES = (("system", "As the device"), ("light", "Light"), ("dark", "Dark"))
NOT_PLACES = ("Etc/", "SystemV/", "posix/", "right/")


@pages.get("")
def profile() -> Response:
    kept = {name: getattr(current_user, name) for name in ("name", "timezone", "theme", "keyboard")}
    return _page(kept, {})


@pages.post("")
def save() -> Response:
    typed: dict[str, Any] = {name: request.form.get(name, "") for name in ("name", "timezone", "theme")}
    typed["keyboard"] = "keyboard" in request.form
    try:
        with transaction():
            users.change_profile(current_user, **typed)
    except Invalid as refusal:
        return _page(typed, {refusal.field or "": refusal.detail}, status=422)
    render.toast_next("Your profile is saved.")
    return render.redirect(url_for(".profile"))


def _page(values: dict[str, Any], errors: dict[str, str], *, status: int = 200) -> Response:
    return render.render(
        "account/profile.html", status=status, user=current_user,
        values=values, errors=errors, zones=_zones(), themes=THEMES,
    )  # fmt: skip


@cache
def _zones() -> list[tuple[str, str]]:
    """Every zone named after a place, and UTC."""
    named = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(NOT_PLACES))
    return [("UTC", "UTC"), *((zone, zone.replace("_", " ")) for zone in named)]
