"""The second factor: switching it on with a first code, switching it off, and the recovery codes."""

import segno
from flask import Response, request, session, url_for
from flask_login import current_user
from markupsafe import Markup

from dashboard.core import crypto
from dashboard.core.db import transaction
from dashboard.core.errors import Invalid, TooManyRequests
from dashboard.domain.audit import Actor
from dashboard.domain.people import second_factor, users
from dashboard.models import PLATFORM_ORG_ID
from dashboard.web import guards, render
from dashboard.web.account.blueprints import security_pages as pages
from dashboard.web.sessions import current_id

UNSEEN = "new_recovery_codes"


@pages.post("/two-factor/start")
def start_two_factor() -> Response:
    guards.require_recent()
    with transaction():
        second_factor.prepare(current_user)
    return render.redirect(url_for(".two_factor"))


@pages.get("/two-factor")
def two_factor() -> Response:
    if current_user.totp_secret is None or second_factor.on(current_user):
        return render.redirect(url_for(".show"))
    return _enrolment({})


@pages.post("/two-factor")
def enable_two_factor() -> Response:
    guards.require_recent()
    try:
        codes = second_factor.enable(current_user, request.form.get("code", ""), keep=current_id())
    except (Invalid, TooManyRequests) as refusal:
        return _enrolment({"code": refusal.detail}, status=refusal.status)
    _keep(codes)
    return render.redirect(url_for(".codes"))


@pages.get("/two-factor/off")
def ask_two_factor_off() -> Response:
    if not second_factor.on(current_user):
        return render.redirect(url_for(".show"))
    return render.render("account/off.html", fragment="account/_off.html", dialog=render.is_htmx())


@pages.post("/two-factor/off")
def two_factor_off() -> Response:
    guards.require_recent()
    if second_factor.on(current_user):
        home = users.personal_org_id(current_user.id)
        with transaction(home):
            second_factor.disable(current_user, by=Actor("user", current_user.id), home=home, keep=current_id())
        render.toast_next("The second factor is off.")
    return render.redirect(url_for(".show"))


@pages.get("/codes")
def codes() -> Response:
    """The recovery codes, the first time they are viewed; afterwards they are gone."""
    sealed = session.pop(UNSEEN, None) if request.method == "GET" else None
    if sealed is None:
        return render.redirect(url_for(".show"))
    shown = crypto.decrypt(sealed, org_id=PLATFORM_ORG_ID, purpose=_purpose())
    return render.render("account/codes.html", codes=shown.split())


@pages.post("/codes")
def renew_codes() -> Response:
    guards.require_recent()
    home = users.personal_org_id(current_user.id)
    with transaction(home):
        made = second_factor.renew_codes(current_user, home=home)
    _keep(made)
    return render.redirect(url_for(".codes"))


def _enrolment(errors: dict[str, str], *, status: int = 200) -> Response:
    secret = second_factor.secret_of(current_user)
    code = segno.make(second_factor.address(current_user), error="m", micro=False)
    return render.render(
        "account/two_factor.html",
        status=status,
        errors=errors,
        secret=" ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
        picture=Markup(code.svg_inline(scale=4, border=4, dark="#000", light="#fff", svgclass="qr", lineclass=None)),  # noqa: S704
    )


def _keep(codes: list[str]) -> None:
    """Until they are viewed, they are kept in the session, encrypted, because a redirect must not contain them."""
    session[UNSEEN] = crypto.encrypt(" ".join(codes), org_id=PLATFORM_ORG_ID, purpose=_purpose())


def _purpose() -> str:
    return f"new recovery codes {current_user.id}"
