"""`/admin/external-keys`: the operator's own ids for organizations: set for one, or confirmed and cleared in a list."""

from uuid import UUID

from flask import Blueprint, Response, request, url_for

from dashboard.core.db import retrying, transaction
from dashboard.core.errors import Conflict, Invalid
from dashboard.domain import audit
from dashboard.domain.access.permissions import Verb
from dashboard.domain.audit import Actor
from dashboard.domain.platform import external_keys
from dashboard.models import Organization
from dashboard.web import guards, render

pages = Blueprint("admin_external_keys", __name__, url_prefix="/admin")
guards.signed_in_only(pages)

SHOWN = 50
REASONS = {
    "confirm": "An owner had set this key; confirmed as the operator's",
    "clear": "An owner had set this key; not the operator's",
}


@pages.get("/external-keys")
def listing() -> Response:
    """Keys that owners set in earlier versions and that wait for a decision."""
    guards.require_platform(Verb.PLATFORM_READ)
    rows = external_keys.unconfirmed(limit=SHOWN)
    return render.render("admin/external_keys/listing.html", rows=rows, most=SHOWN)


@pages.post("/external-keys/<uuid:org_id>/<any(confirm, clear):act>")
def settle(org_id: UUID, act: str) -> Response:
    org, caller = guards.look_into(org_id, Verb.MANAGE_PLATFORM)
    guards.require_recent()
    try:
        _settle(org, request.form.get("external_key", ""), act, by=caller.actor)
    except Conflict as refusal:
        render.toast_next(refusal.detail)
    else:
        render.toast_next(f"The external key of {org.name} is {'confirmed' if act == 'confirm' else 'cleared'}.")
    return render.redirect(url_for(".listing"))


@pages.get("/orgs/<uuid:org_id>/external-key")
def ask(org_id: UUID) -> Response:
    org, _ = guards.look_into(org_id, Verb.MANAGE_PLATFORM)
    return _form(org, {})


@pages.post("/orgs/<uuid:org_id>/external-key")
def assign(org_id: UUID) -> Response:
    org, caller = guards.look_into(org_id, Verb.MANAGE_PLATFORM)
    guards.require_recent()
    try:
        _assign(org, request.form.get("external_key", ""), request.form.get("reason", ""), by=caller.actor)
    except Invalid as refusal:
        return _form(org, {refusal.field or "": refusal.detail}, status=422)
    except Conflict as refusal:
        return _form(org, {"external_key": refusal.detail}, status=refusal.status)
    render.toast_next(f"The external key of {org.name} is saved.")
    return render.redirect(url_for("admin_orgs.show", org_id=org.id))


@retrying
def _settle(org: Organization, seen: str, act: str, *, by: Actor) -> None:
    with transaction(org=org.id):
        external_keys.settle(org, seen=seen, keep=act == "confirm", reason=REASONS[act], by=by)


@retrying
def _assign(org: Organization, key: str, reason: str, *, by: Actor) -> None:
    with transaction(org=org.id):
        external_keys.assign(org, key, reason=reason, by=by)


def _form(org: Organization, errors: dict[str, str], *, status: int = 200) -> Response:
    directory = external_keys.of(org)
    typed = request.form or {"external_key": directory.external_key}
    return render.render(
        "admin/external_keys/form.html", status=status, org=org, directory=directory, errors=errors, typed=typed,
        longest=external_keys.LONGEST, reason_limit=audit.REASON_LIMIT,
    )  # fmt: skip
