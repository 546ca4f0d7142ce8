"""Changing an API key: rotation, cap, operator scopes, limit of calls, revocation. Each has a confirmation step."""

from typing import Any
from uuid import UUID

from flask import Response, request, url_for

from dashboard.core.db import transaction
from dashboard.core.errors import Invalid, TooManyRequests
from dashboard.core.money import plain_credits
from dashboard.domain.access import key_changes, keys, scopes
from dashboard.domain.access.key_changes import KeyEnded, KeyRotated
from dashboard.domain.access.keys import ScopeTooWide
from dashboard.domain.access.permissions import OPERATOR_SCOPES, Verb, grantable, require
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.domain.org_status import OrgAction
from dashboard.models import ApiKey
from dashboard.web import guards, one_time_secret, render
from dashboard.web.guards import Visit
from dashboard.web.keys import context
from dashboard.web.keys.blueprint import pages

GRACES = {  # the names in `key_changes.GRACES`
    "24h": "In 24 hours",
    "1h": "In 1 hour",
    "7d": "In 7 days",
    "now": "At once",
}
TITLES = {
    "rotate": "Rotate key",
    "cap": "Cap of a key",
    "operator": "Operator scopes",
    "calls": "Limit of calls",
    "revoke": "Revoke key",
}


@pages.get("/<uuid:key_id>/rotate")
def ask_rotate(slug: str, key_id: UUID) -> Response:
    visit, key = _enter_to_rotate(slug, key_id)
    return _rotate_form(visit, key, values={"grace": "24h"}, errors={})


@pages.post("/<uuid:key_id>/rotate")
def rotate(slug: str, key_id: UUID) -> Response:
    visit, key = _enter_to_rotate(slug, key_id)
    guards.require_recent()
    grace = request.form.get("grace", "")
    try:
        with transaction(org=visit.org.id):
            made = key_changes.rotate(
                key, grace=grace, by=visit.by, made_by=_person(visit), grantable=grantable(visit.caller)
            )
    except (Invalid, ScopeTooWide, TooManyRequests, keys.TooManyKeys, KeyEnded, KeyRotated) as refusal:
        return _rotate_form(
            visit, key, values={"grace": grace}, errors=render.errors_of(refusal), status=refusal.status
        )
    one_time_secret.keep(made.row.id, made.key, org_id=visit.org.id)
    return render.redirect(url_for("keys.show", slug=slug, key_id=made.row.id))


@pages.get("/<uuid:key_id>/cap")
def ask_cap(slug: str, key_id: UUID) -> Response:
    visit, key = _enter(slug, key_id, Verb.CAP_KEYS, act=OrgAction.MEMBERS)
    result = context.row(visit, key).cap
    amount = plain_credits(result.amount) if result else ""
    return _cap_form(visit, key, values={"cap": amount, "cap_window": result.window if result else "month"}, errors={})


@pages.post("/<uuid:key_id>/cap")
def cap(slug: str, key_id: UUID) -> Response:
    visit, key = _enter(slug, key_id, Verb.CAP_KEYS, act=OrgAction.MEMBERS)
    guards.require_recent()
    values = {name: request.form.get(name, "") for name in ("cap", "cap_window")}
    try:
        wanted = Cap.parse(values["cap"], values["cap_window"])
        with transaction(org=visit.org.id):
            key_changes.set_cap(key, wanted, by=visit.by)
    except (Invalid, KeyEnded) as refusal:
        return _cap_form(visit, key, values=values, errors=render.errors_of(refusal), status=refusal.status)
    render.toast_next(f"{key.name} is capped." if wanted else f"{key.name} has no cap.")
    return render.redirect(url_for("keys.show", slug=slug, key_id=key.id))


@pages.get("/<uuid:key_id>/operator-scopes")
def ask_operator_scopes(slug: str, key_id: UUID) -> Response:
    visit, key = _enter(slug, key_id, Verb.MANAGE_PLATFORM)
    return _operator_form(visit, key, values={"scopes": key.scopes, "reason": ""}, errors={})


@pages.post("/<uuid:key_id>/operator-scopes")
def operator_scopes(slug: str, key_id: UUID) -> Response:
    visit, key = _enter(slug, key_id, Verb.MANAGE_PLATFORM)
    guards.require_recent()
    wanted, reason = request.form.getlist("scopes")[: len(OPERATOR_SCOPES)], request.form.get("reason", "")
    try:
        with transaction(org=visit.org.id):
            key_changes.give_operator_scopes(key, wanted, reason=reason, by=visit.by)
    except (Invalid, KeyEnded) as refusal:
        values = {"scopes": wanted, "reason": reason}
        return _operator_form(visit, key, values=values, errors=render.errors_of(refusal), status=refusal.status)
    render.toast_next(f"The scopes of {key.name} are changed.")
    return render.redirect(url_for("keys.show", slug=slug, key_id=key.id))


@pages.get("/<uuid:key_id>/call-limit")
def ask_call_limit(slug: str, key_id: UUID) -> Response:
    visit, key = _enter(slug, key_id, Verb.MANAGE_PLATFORM)
    return _show("calls", visit, key, 200, values={"call_limit": key.call_limit or "", "reason": ""}, errors={})


@pages.post("/<uuid:key_id>/call-limit")
def call_limit(slug: str, key_id: UUID) -> Response:
    visit, key = _enter(slug, key_id, Verb.MANAGE_PLATFORM)
    guards.require_recent()
    values = {name: request.form.get(name, "") for name in ("call_limit", "reason")}
    try:
        most = context.whole_number(values["call_limit"])
        with transaction(org=visit.org.id):
            key_changes.set_call_limit(key, most, reason=values["reason"], by=visit.by)
    except (Invalid, KeyEnded) as refusal:
        return _show(
            "calls", visit, key, refusal.status, values=values, errors=render.errors_of(refusal, at="call_limit")
        )
    render.toast_next(f"The limit of {key.name} is changed.")
    return render.redirect(url_for("keys.show", slug=slug, key_id=key.id))


@pages.get("/<uuid:key_id>/revoke")
def ask_revoke(slug: str, key_id: UUID) -> Response:
    visit, key = _enter(slug, key_id, Verb.MANAGE_OWN_KEYS)
    return _show("revoke", visit, key, 200)


@pages.post("/<uuid:key_id>/revoke")
def revoke(slug: str, key_id: UUID) -> Response:
    visit, key = _enter(slug, key_id, Verb.MANAGE_OWN_KEYS)
    guards.require_recent()
    with transaction(org=visit.org.id):
        keys.revoke(key, by=visit.by)
    render.toast_next(f"{key.name} is revoked.")
    return render.redirect(url_for("keys.listing", slug=slug))


def _enter(slug: str, key_id: UUID, verb: Verb, *, act: OrgAction = OrgAction.READ) -> tuple[Visit, ApiKey]:
    """Find the key first: a missing key is a 404 for everyone."""
    visit = guards.enter(slug, Verb.MANAGE_OWN_KEYS, act=act)
    key = context.find(visit, key_id)
    require(verb, visit.caller)
    return visit, key


def _enter_to_rotate(slug: str, key_id: UUID) -> tuple[Visit, ApiKey]:
    visit, key = _enter(slug, key_id, Verb.MANAGE_OWN_KEYS, act=OrgAction.MEMBERS)
    key_changes.require_may_rotate(visit.caller, key)
    return visit, key


def _person(visit: Visit) -> UUID:
    assert visit.by.id is not None  # users have ids
    return visit.by.id


def _rotate_form(
    visit: Visit, key: ApiKey, *, values: dict[str, Any], errors: dict[str, str], status: int = 200
) -> Response:
    return _show("rotate", visit, key, status, values=values, errors=errors, graces=list(GRACES.items()))


def _cap_form(
    visit: Visit, key: ApiKey, *, values: dict[str, Any], errors: dict[str, str], status: int = 200
) -> Response:
    return _show("cap", visit, key, status, values=values, errors=errors)


def _operator_form(
    visit: Visit, key: ApiKey, *, values: dict[str, Any], errors: dict[str, str], status: int = 200
) -> Response:
    return _show("operator", visit, key, status, values=values, errors=errors, scopes=scopes.options(OPERATOR_SCOPES))


def _show(name: str, visit: Visit, key: ApiKey, status: int, **more: Any) -> Response:
    """The form's page, or for HTMX only the form, in the dialog if it was opened there."""
    return render.render(
        "keys/confirm.html",
        fragment=f"keys/_{name}.html",
        status=status,
        name=name,
        title=TITLES[name],
        visit=visit,
        row=context.row(visit, key),
        call_rate=context.call_rate(key),
        dialog=render.is_htmx() if request.method == "GET" else "dialog" in request.form,
        **more,
    )
