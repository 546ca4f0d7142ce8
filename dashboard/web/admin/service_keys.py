"""`/admin/service-keys`: the credentials of the platform's own backend. Each change takes a reason."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request, url_for
from flask_login import current_user
from sqlalchemy.exc import IntegrityError

from dashboard.core import ids
from dashboard.core.db import transaction
from dashboard.core.errors import Conflict, Invalid, TooManyRequests
from dashboard.core.money import plain_credits
from dashboard.domain import audit
from dashboard.domain.access import key_changes, keys, scopes, service_keys
from dashboard.domain.access.permissions import SERVICE_SCOPES, Verb
from dashboard.domain.audit import Actor
from dashboard.domain.funds import expiry
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.models import PLATFORM_ORG_ID, ApiKey
from dashboard.web import examples, guards, one_time_secret, render
from dashboard.web.keys import context
from dashboard.web.keys.edit import GRACES

pages = Blueprint("admin_service_keys", __name__, url_prefix="/admin/service-keys")
guards.signed_in_only(pages)

TYPED = ("name", "expires_at", "cap", "cap_window", "reason", "idempotency_key")
TITLES = {
    "rotate": "Rotate service key",
    "cap": "Cap of a service key",
    "calls": "Limit of calls",
    "revoke": "Revoke service key",
}
WORDS = {scope: words.partition(" (")[0] for scope, words, _ in scopes.options(SERVICE_SCOPES)}
"""What each scope allows, without who else may give or have it."""

ACTS = "<any(rotate, cap, calls, revoke):act>"


@pages.get("")
def listing() -> Response:
    guards.require_platform(Verb.PLATFORM_READ)
    rows = context.views(PLATFORM_ORG_ID, service_keys.listing(), for_manager=True)
    return render.render("admin/service_keys/listing.html", rows=rows, left=_left([row.key for row in rows]))


@pages.get("/new")
def new() -> Response:
    guards.require_platform(Verb.MANAGE_PLATFORM)
    return _form({"scopes": [], "idempotency_key": str(ids.new())}, {})


@pages.post("")
def create() -> Response:
    caller = guards.require_platform(Verb.MANAGE_PLATFORM)
    guards.require_recent()
    values: dict[str, Any] = {name: request.form.get(name, "") for name in TYPED}
    values["scopes"] = request.form.getlist("scopes")[: len(SERVICE_SCOPES)]
    key_id = _id_of_form(values["idempotency_key"])
    try:
        if not keys.find(PLATFORM_ORG_ID, key_id):
            _make(values, key_id, by=caller.actor)
    except (Invalid, Conflict, TooManyRequests) as refusal:
        return _form(values, render.errors_of(refusal), status=refusal.status)
    return render.redirect(url_for(".show", service_key_id=key_id))


@pages.get("/<uuid:service_key_id>")
def show(service_key_id: UUID) -> Response:
    guards.require_platform(Verb.PLATFORM_READ)
    key = service_keys.find(service_key_id)
    secret = one_time_secret.take(key.id, org_id=PLATFORM_ORG_ID)
    return render.render(
        "admin/service_keys/show.html", row=_view(key), secret=secret, words=WORDS, call_rate=context.call_rate(key),
        left=_left([key]), example=_example(key, secret or "your-key"),
    )  # fmt: skip


@pages.get(f"/<uuid:service_key_id>/{ACTS}")
def ask(service_key_id: UUID, act: str) -> Response:
    guards.require_platform(Verb.MANAGE_PLATFORM)
    key = service_keys.find(service_key_id)
    cap = _view(key).cap
    values = {"grace": "24h", "cap": plain_credits(cap.amount) if cap else "", "cap_window": cap.window if cap else ""}
    values["call_limit"] = str(key.call_limit or "")
    return _confirm(act, key, values, {})


@pages.post(f"/<uuid:service_key_id>/{ACTS}")
def change(service_key_id: UUID, act: str) -> Response:
    caller = guards.require_platform(Verb.MANAGE_PLATFORM)
    key = service_keys.find(service_key_id)
    guards.require_recent()
    values = {name: request.form.get(name, "") for name in ("grace", "cap", "cap_window", "call_limit", "reason")}
    try:
        return _CHANGES[act](key, values, caller.actor)
    except (Invalid, Conflict, TooManyRequests) as refusal:
        return _confirm(act, key, values, render.errors_of(refusal), status=refusal.status)


def _make(values: dict[str, Any], key_id: UUID, *, by: Actor) -> None:
    until, cap = values["expires_at"].strip(), Cap.parse(values["cap"], values["cap_window"])
    try:
        with transaction(org=PLATFORM_ORG_ID):
            made = service_keys.make(
                name=values["name"], scopes=values["scopes"], mode=guards.platform_mode(), reason=values["reason"],
                by=by, expires_at=expiry.end_of(until) if until else None, cap=cap, key_id=key_id,
            )  # fmt: skip
    except IntegrityError:  # the same form, sent twice at once: the other request created the key
        return
    one_time_secret.keep(key_id, made.key, org_id=PLATFORM_ORG_ID)


def _id_of_form(text: str) -> UUID:
    chosen = one_time_secret.chosen_id(text)
    key = keys.find(PLATFORM_ORG_ID, chosen)
    return chosen if key is None or key.created_by == current_user.id else ids.new()


def _rotate(key: ApiKey, values: dict[str, str], by: Actor) -> Response:
    reason = audit.checked_reason(values["reason"])
    with transaction(org=PLATFORM_ORG_ID):
        made = key_changes.rotate(
            key, grace=values["grace"], by=by, made_by=current_user.id, grantable=SERVICE_SCOPES, reason=reason
        )
    one_time_secret.keep(made.row.id, made.key, org_id=PLATFORM_ORG_ID)
    return render.redirect(url_for(".show", service_key_id=made.row.id))


def _set_cap(key: ApiKey, values: dict[str, str], by: Actor) -> Response:
    wanted, reason = Cap.parse(values["cap"], values["cap_window"]), audit.checked_reason(values["reason"])
    with transaction(org=PLATFORM_ORG_ID):
        key_changes.set_cap(key, wanted, by=by, reason=reason)
    render.toast_next(f"{key.name} is capped." if wanted else f"{key.name} has no cap.")
    return render.redirect(url_for(".show", service_key_id=key.id))


def _set_call_limit(key: ApiKey, values: dict[str, str], by: Actor) -> Response:
    most = context.whole_number(values["call_limit"])
    with transaction(org=PLATFORM_ORG_ID):
        key_changes.set_call_limit(key, most, reason=values["reason"], by=by)
    render.toast_next(f"The limit of {key.name} is changed.")
    return render.redirect(url_for(".show", service_key_id=key.id))


def _revoke(key: ApiKey, values: dict[str, str], by: Actor) -> Response:
    reason = audit.checked_reason(values["reason"])
    with transaction(org=PLATFORM_ORG_ID):
        keys.revoke(key, by=by, reason=reason)
    render.toast_next(f"{key.name} is revoked.")
    return render.redirect(url_for(".listing"))


_CHANGES: dict[str, Callable[[ApiKey, dict[str, str], Actor], Response]] = {
    "rotate": _rotate, "cap": _set_cap, "calls": _set_call_limit, "revoke": _revoke,
}  # fmt: skip


def _left(items: list[ApiKey]) -> dict[UUID, str]:
    """By key: the name of the person who saw its text, if they can no longer sign in as a manager."""
    makers = keys.makers(items)
    people = {key.id: makers.get(key.created_by) for key in items if key.created_by and key.revoked_at is None}
    return {key_id: user.name for key_id, user in people.items() if user and not (user.is_active and user.is_manager)}


def _view(key: ApiKey) -> context.KeyView:
    return context.views(PLATFORM_ORG_ID, [key], for_manager=True)[0]


def _form(values: dict[str, Any], errors: dict[str, str], *, status: int = 200) -> Response:
    return render.render(
        "admin/service_keys/new.html", status=status, values=values, errors=errors, mode=guards.platform_mode(),
        scopes=[(scope, words, scope) for scope, words in WORDS.items()], reason_limit=audit.REASON_LIMIT,
    )  # fmt: skip


def _confirm(act: str, key: ApiKey, values: dict[str, str], errors: dict[str, str], *, status: int = 200) -> Response:
    return render.render(
        "admin/service_keys/confirm.html", status=status, act=act, title=TITLES[act], row=_view(key), values=values,
        call_rate=context.call_rate(key), errors=errors, graces=list(GRACES.items()), reason_limit=audit.REASON_LIMIT,
    )  # fmt: skip


def _example(key: ApiKey, text: str) -> str:
    """Example calls that this key may make, ready for a shell."""
    return "\n\n".join([f"COFFER_KEY='{text}'", *examples.of_service_key(key.scopes)])
