"""`/account/security`: the password, and the user's sessions."""

from uuid import UUID

from flask import Response, request, url_for
from flask_login import current_user

from dashboard.core.db import transaction
from dashboard.core.errors import Invalid, NotFound, TooManyRequests
from dashboard.domain.people import accounts, second_factor, sessions
from dashboard.domain.people.users import actor_of
from dashboard.models import PLATFORM_ORG_ID
from dashboard.web import device_cookie, render
from dashboard.web.account.blueprints import security_pages as pages
from dashboard.web.sessions import current_id

TYPED = {"old": "password", "new": "new_password", "code": "code"}


@pages.get("")
def show() -> Response:
    return _page({})


@pages.post("/password")
def password() -> Response:
    typed = {name: request.form.get(field, "") for name, field in TYPED.items()}
    try:
        accounts.change_password(current_user, **typed, keep=current_id())
    except (Invalid, TooManyRequests) as refusal:
        return _page({getattr(refusal, "field", None) or "password": refusal.detail}, refusal)
    render.toast_next("Your password is changed. You are signed out everywhere else.")
    response = render.redirect(url_for(".show"))
    device_cookie.remember(response, current_user.id)
    return response


@pages.post("/sessions/<uuid:session_id>/end")
def end(session_id: UUID) -> Response:
    with transaction(PLATFORM_ORG_ID):
        if not sessions.end_one(current_user.id, session_id, by=actor_of(current_user)):
            raise NotFound
    render.toast_next("The session is ended.")
    return render.redirect(url_for(".show"))


@pages.post("/sessions/end-others")
def end_others() -> Response:
    with transaction(PLATFORM_ORG_ID):
        sessions.end_others(current_user, but=current_id(), by=actor_of(current_user))
    render.toast_next("You are signed out everywhere else.")
    return render.redirect(url_for(".show"))


def _page(errors: dict[str, str], refusal: Invalid | TooManyRequests | None = None) -> Response:
    response = render.render(
        "account/security.html", status=refusal.status if refusal else 200, user=current_user,
        errors=errors, sessions=sessions.living(current_user.id), here=current_id(),
        codes_left=second_factor.codes_left(current_user),
    )  # fmt: skip
    if isinstance(refusal, TooManyRequests):
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response
