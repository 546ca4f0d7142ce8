"""What a platform manager may do to an organization as a whole: suspend, close, reopen, set its overdraft."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request, url_for

from dashboard.core.db import retrying, transaction
from dashboard.core.errors import Conflict, Invalid
from dashboard.core.money import parse_credits
from dashboard.domain import audit
from dashboard.domain.access.permissions import Verb
from dashboard.domain.audit import Actor
from dashboard.domain.funds import wallets
from dashboard.domain.org_status import hold_open
from dashboard.domain.organizations import lifecycle
from dashboard.models import Organization
from dashboard.web import guards, render

pages = Blueprint("org_status", __name__)


@dataclass(frozen=True, slots=True)
class StatusAction:
    """A confirmation step and what it does. `applies` says whether the organization's status allows it."""

    title: str
    effect: str
    done: str
    tone: str
    verb: Callable[..., Any]
    applies: Callable[[Organization], bool]


ACTS = {
    "suspend": StatusAction(
        "Suspend organization",
        "Charges, purchases and changes of members, keys and settings are refused at once. Everything can be read, "
        "programs get 403 org_suspended, and a bar on its pages says so.",
        "is suspended.", "danger", lifecycle.suspend, lambda org: not org.suspended_at and not org.closed_at,
    ),
    "unsuspend": StatusAction(
        "Lift suspension", "Everything works again from the next request on.", "is active again.", "primary",
        lifecycle.unsuspend, lambda org: bool(org.suspended_at) and not org.closed_at,
    ),
    "close": StatusAction(
        "Close organization",
        "It is gone for everyone but platform managers. Its API keys end, open invites are withdrawn, its external key "
        "becomes free. A balance stays in the books. Ledger and audit log stay.",
        "is closed.", "danger", lifecycle.close, lambda org: not org.closed_at,
    ),
    "reopen": StatusAction(
        "Reopen organization",
        "Its members can enter it again, at the same address. API keys and invites that ended stay ended; an overdraft "
        "must be set again.",
        "is open again.", "primary", lifecycle.reopen, lambda org: bool(org.closed_at),
    ),
}  # fmt: skip


@pages.get("/<uuid:org_id>/<any(suspend, unsuspend, close, reopen):act>")
def ask(org_id: UUID, act: str) -> Response:
    org, _ = guards.look_into(org_id, Verb.MANAGE_PLATFORM)
    return _form(org, act, {})


@pages.post("/<uuid:org_id>/<any(suspend, unsuspend, close, reopen):act>")
def carry_out(org_id: UUID, act: str) -> Response:
    org, caller = guards.look_into(org_id, Verb.MANAGE_PLATFORM)
    guards.require_recent()
    try:
        _carry_out(org, act, request.form.get("reason", ""), by=caller.actor)
    except Invalid as refusal:
        return _form(org, act, {"reason": refusal.detail}, status=422)
    except Conflict as refusal:
        return _form(org, act, {"": refusal.detail}, status=refusal.status)
    render.toast_next(f"{org.name} {ACTS[act].done}")
    return render.redirect(url_for("admin_orgs.show", org_id=org.id))


@pages.get("/<uuid:org_id>/overdraft")
def ask_overdraft(org_id: UUID) -> Response:
    org, _ = guards.look_into(org_id, Verb.MANAGE_PLATFORM)
    return _overdraft_form(org, {})


@pages.post("/<uuid:org_id>/overdraft")
def set_overdraft(org_id: UUID) -> Response:
    org, caller = guards.look_into(org_id, Verb.MANAGE_PLATFORM)
    guards.require_recent()
    typed = request.form.get("amount", "").strip()
    try:
        micros = 0 if typed == "0" else parse_credits(typed, field="amount")
        reason = audit.checked_reason(request.form.get("reason", ""))
    except Invalid as refusal:
        return _overdraft_form(org, {refusal.field or "": refusal.detail}, status=422)
    with transaction(org=org.id):
        hold_open(org.id)
        wallet = wallets.of_organization(org.id, guards.platform_mode(), fresh=True)
        wallets.set_overdraft(wallet, limit_micros=micros, reason=reason, by=caller.actor)
    render.toast_next(f"The overdraft of {org.name} is set.")
    return render.redirect(url_for("admin_orgs.show", org_id=org.id))


@retrying
def _carry_out(org: Organization, act: str, reason: str, *, by: Actor) -> None:
    with transaction(org=org.id):
        ACTS[act].verb(org, reason=reason, by=by)


def _form(org: Organization, name: str, errors: dict[str, str], *, status: int = 200) -> Response:
    return render.render(
        "admin/orgs/status.html", fragment="admin/orgs/_status.html", status=status, org=org, name=name,
        act=ACTS[name], errors=errors, reason=request.form.get("reason", ""), reason_limit=audit.REASON_LIMIT,
        balance=wallets.of_organization(org.id, guards.platform_mode(), fresh=True).balance, dialog=render.is_htmx(),
    )  # fmt: skip


def _overdraft_form(org: Organization, errors: dict[str, str], *, status: int = 200) -> Response:
    return render.render(
        "admin/orgs/overdraft.html", status=status, org=org, errors=errors, typed=request.form,
        wallet=wallets.of_organization(org.id, guards.platform_mode(), fresh=True), reason_limit=audit.REASON_LIMIT,
    )  # fmt: skip
