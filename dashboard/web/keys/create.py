"""The form that creates a key. Sent twice, it creates one."""

from typing import Any
from uuid import UUID

from flask import Response, request, url_for
from flask_login import current_user
from sqlalchemy.exc import IntegrityError

from dashboard.core import ids
from dashboard.core.db import transaction
from dashboard.core.errors import Invalid, TooManyRequests
from dashboard.domain.access import key_rights, keys, scopes
from dashboard.domain.access.keys import ScopeTooWide
from dashboard.domain.access.permissions import Verb, grantable
from dashboard.domain.funds import expiry
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.domain.org_status import OrgAction
from dashboard.web import guards, one_time_secret, render
from dashboard.web.guards import Visit
from dashboard.web.keys.blueprint import pages

TYPED = ("name", "set", "expires_at", "cap", "cap_window", "idempotency_key")


@pages.get("/new")
def new(slug: str) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_OWN_KEYS, act=OrgAction.MEMBERS)
    return _form(visit, values={"scopes": [], "set": "", "idempotency_key": str(ids.new())}, errors={})


@pages.post("")
def create(slug: str) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_OWN_KEYS, act=OrgAction.MEMBERS)
    guards.require_recent()
    values: dict[str, Any] = {name: request.form.get(name, "") for name in TYPED}
    values["scopes"] = scopes.chosen(values["set"], request.form.getlist("scopes"), grantable(visit.caller))
    key_id = _id_of_form(visit, values["idempotency_key"])
    try:
        if not keys.find(visit.org.id, key_id):
            _make(visit, key_id, values)
    except (Invalid, ScopeTooWide) as refusal:
        return _form(visit, values=values, errors=render.errors_of(refusal, at="scopes"), status=refusal.status)
    except (keys.TooManyKeys, TooManyRequests) as refusal:
        return _form(visit, values=values, errors=render.errors_of(refusal), status=refusal.status)
    return render.redirect(url_for("keys.show", slug=slug, key_id=key_id))


def _make(visit: Visit, key_id: UUID, values: dict[str, Any]) -> None:
    until = values["expires_at"].strip()
    keys.check_form(
        values["name"], values["scopes"], lambda: until and expiry.end_of(until),
        lambda: Cap.parse(values["cap"], values["cap_window"]),
    )  # fmt: skip
    cap = Cap.parse(values["cap"], values["cap_window"])
    try:
        with transaction(org=visit.org.id):
            made = keys.make(
                visit.org,
                name=values["name"],
                scopes=values["scopes"],
                mode=visit.mode,
                by=visit.by,
                grantable=grantable(visit.caller),
                made_by=visit.by.id,
                expires_at=expiry.end_of(until) if until else None,
                cap=cap,
                key_id=key_id,
            )
    except IntegrityError:  # the same form, sent twice at once: the other request created the key
        return
    one_time_secret.keep(key_id, made.key, org_id=visit.org.id)


def _id_of_form(visit: Visit, text: str) -> UUID:
    chosen = one_time_secret.chosen_id(text)
    key = keys.find(visit.org.id, chosen)
    return chosen if key is None or key.created_by == visit.by.id else ids.new()


def _form(visit: Visit, *, values: dict[str, Any], errors: dict[str, str], status: int = 200) -> Response:
    may = grantable(visit.caller)
    if visit.org.funding != "own":
        may -= {"catalog:write"}  # the packs of other organizations are the platform's
    return render.render(
        "keys/new.html",
        fragment="keys/_form.html",
        status=status,
        visit=visit,
        values=values,
        errors=errors,
        scopes=scopes.options(may),
        sets=scopes.ready_sets(may),
        spends="wallet:charge" in may,
        bound=key_rights.bound_by(visit.org.id, current_user.id),
        dialog=render.is_htmx() if request.method == "GET" else "dialog" in request.form,
    )
