"""`/account/tokens`: tokens with which a user's own scripts act as that user."""

from typing import Any
from uuid import UUID

from flask import Response, request, url_for
from flask_login import current_user
from sqlalchemy.exc import IntegrityError

from dashboard.core import clock, ids
from dashboard.core.db import transaction
from dashboard.core.errors import Invalid, NotFound
from dashboard.domain.access import keys, scopes
from dashboard.domain.access.keys import ScopeTooWide, TooManyKeys
from dashboard.domain.access.permissions import personal_scopes
from dashboard.domain.funds import expiry
from dashboard.domain.people import personal_tokens
from dashboard.domain.people.users import actor_of
from dashboard.models import PLATFORM_ORG_ID, PersonalToken
from dashboard.web import guards, one_time_secret, render
from dashboard.web.account.blueprints import token_pages as pages

TYPED = ("name", "set", "expires_at", "idempotency_key")


@pages.get("")
def listing() -> Response:
    items = personal_tokens.of_user(current_user.id)
    return render.render("account/tokens.html", rows=[(row, *_state(row)) for row in items])


@pages.get("/new")
def new() -> Response:
    return _form(values={"scopes": [], "set": "", "idempotency_key": str(ids.new())}, errors={})


@pages.post("")
def create() -> Response:
    guards.require_recent()
    values: dict[str, Any] = {name: request.form.get(name, "") for name in TYPED}
    may = personal_scopes(current_user)
    values["scopes"] = scopes.chosen(values["set"], request.form.getlist("scopes"), may)
    token_id = one_time_secret.chosen_id(values["idempotency_key"])
    try:
        if not personal_tokens.find(current_user.id, token_id):
            _make(token_id, values)
    except (Invalid, ScopeTooWide, TooManyKeys) as refusal:
        at = "name" if isinstance(refusal, TooManyKeys) else "scopes"
        return _form(values=values, errors=render.errors_of(refusal, at=at), status=refusal.status)
    return render.redirect(url_for(".show", token_id=token_id))


@pages.get("/<uuid:token_id>")
def show(token_id: UUID) -> Response:
    row = _find(token_id)
    state, tone = _state(row)
    secret = one_time_secret.take(row.id, org_id=PLATFORM_ORG_ID)
    return render.render("account/token.html", row=row, state=state, tone=tone, words=scopes.SCOPES, secret=secret)


@pages.get("/<uuid:token_id>/revoke")
def ask_revoke(token_id: UUID) -> Response:
    return render.render(
        "account/token_revoke.html", fragment="account/_token_revoke.html", row=_find(token_id),
        dialog=render.is_htmx(),
    )  # fmt: skip


@pages.post("/<uuid:token_id>/revoke")
def revoke(token_id: UUID) -> Response:
    row = _find(token_id)
    guards.require_recent()
    with transaction(org=PLATFORM_ORG_ID):
        personal_tokens.revoke(row, by=actor_of(current_user))
    render.toast_next(f"{row.name} is revoked.")
    return render.redirect(url_for(".listing"))


def _find(token_id: UUID) -> PersonalToken:
    row = personal_tokens.find(current_user.id, token_id)
    if row is None:
        raise NotFound
    return row


def _make(token_id: UUID, values: dict[str, Any]) -> None:
    until = values["expires_at"].strip()
    keys.check_form(values["name"], values["scopes"], lambda: until and expiry.end_of(until))
    try:
        with transaction(org=PLATFORM_ORG_ID):
            made = keys.make_personal(
                current_user,
                name=values["name"],
                scopes=values["scopes"],
                by=actor_of(current_user),
                grantable=personal_scopes(current_user),
                expires_at=expiry.end_of(until) if until else None,
                token_id=token_id,
            )
    except IntegrityError:  # the same form, sent twice at once: the other request created the token
        return
    one_time_secret.keep(token_id, made.key, org_id=PLATFORM_ORG_ID)


def _form(*, values: dict[str, Any], errors: dict[str, str], status: int = 200) -> Response:
    return render.render(
        "account/token_new.html",
        fragment="account/_token_form.html",
        status=status,
        values=values,
        errors=errors,
        scopes=scopes.options(personal_scopes(current_user)),
        sets=scopes.ready_sets(personal_scopes(current_user)),
        dialog=render.is_htmx() if request.method == "GET" else "dialog" in request.form,
    )


def _state(row: PersonalToken) -> tuple[str, str]:
    if row.revoked_at:
        return "Revoked", "bad"
    return ("Expired", "") if row.expires_at and row.expires_at <= clock.now() else ("Active", "ok")
