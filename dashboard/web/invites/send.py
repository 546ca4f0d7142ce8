"""Inviting users: one or many addresses at once, sending again, revoking with a confirmation step."""

from typing import Any
from uuid import UUID

from flask import Response, request, url_for
from flask_login import current_user

from dashboard.core.db import transaction
from dashboard.core.errors import CofferError, Conflict, Invalid
from dashboard.domain.access.permissions import ROLE_WORDS, Verb, assignable
from dashboard.domain.org_status import OrgAction
from dashboard.domain.organizations import invites
from dashboard.domain.organizations.invites import InviteView, Outcome
from dashboard.domain.organizations.memberships import RoleTooHigh
from dashboard.models import Invite
from dashboard.web import guards, render
from dashboard.web.guards import Visit
from dashboard.web.invites.blueprint import pages

USUAL_ROLE = "member"

STATES = {
    "pending": ("Pending", "warn"),
    "expired": ("Expired", ""),
    "stopped": ("Stopped", "bad"),
    "accepted": ("Accepted", "ok"),
    "declined": ("Declined", ""),
    "revoked": ("Withdrawn", ""),
}
KNOWN = ("already_member", "already_invited")
OUTCOMES = {
    "sent": ("Sent", "ok"),
    "already_member": ("Already a member", ""),
    "already_invited": ("Already invited", "warn"),
    "invalid": ("Not an email address", "bad"),
}


@pages.get("")
def listing(slug: str) -> Response:
    """Invites are shown on the members page."""
    guards.enter(slug, Verb.READ_INVITES)
    return render.redirect(_list(slug))


@pages.get("/new")
def new(slug: str) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_MEMBERS, act=OrgAction.MEMBERS)
    return _form(visit, values={"role": USUAL_ROLE}, errors={})


@pages.post("")
def create(slug: str) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_MEMBERS, act=OrgAction.MEMBERS)
    guards.require_recent()
    values = {name: request.form.get(name, "") for name in ("emails", "role")}
    try:
        addresses = invites.addresses_in(values["emails"])
        outcomes = invites.invite_each(visit.org, addresses, role=values["role"], **_right(visit))
    except (Invalid, Conflict, RoleTooHigh) as refusal:
        return _form(visit, values=values, errors=_errors(refusal), status=refusal.status)
    left = [one.address for one in outcomes if one.invite is None and one.code not in KNOWN]
    if any(one.invite is None for one in outcomes):  # addresses to correct stay in the form
        return _form(visit, values=values | {"emails": "\n".join(left)}, errors={}, outcomes=outcomes, status=422)
    render.toast_next(f"{len(outcomes)} invites sent." if len(outcomes) > 1 else f"{outcomes[0].address} is invited.")
    return render.redirect(_list(slug))


@pages.post("/<uuid:invite_id>/resend")
def resend(slug: str, invite_id: UUID) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_MEMBERS, act=OrgAction.MEMBERS)
    row = invites.with_id(visit.org.id, invite_id)
    guards.require_recent()
    with transaction(org=visit.org.id):
        invites.resend(row, **_right(visit))
    render.toast_next(f"A new link is on its way to {row.email}. The old link no longer works.")
    return render.redirect(_list(slug))


@pages.get("/<uuid:invite_id>/withdraw")
def ask(slug: str, invite_id: UUID) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_MEMBERS, act=OrgAction.MEMBERS)
    row = invites.with_id(visit.org.id, invite_id)
    return render.render(
        "invites/withdraw.html", fragment="invites/_withdraw.html", visit=visit, row=row, list=_list(slug),
        dialog=render.is_htmx(),
    )  # fmt: skip


@pages.post("/<uuid:invite_id>/withdraw")
def withdraw(slug: str, invite_id: UUID) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_MEMBERS, act=OrgAction.MEMBERS)
    row = invites.with_id(visit.org.id, invite_id)
    declined = row.state == "declined"
    guards.require_recent()
    with transaction(org=visit.org.id):
        invites.revoke(row, by=visit.by, may_give=assignable(visit.caller))
    render.toast_next(f"The invite for {row.email} is {'removed' if declined else 'withdrawn'}.")
    return render.redirect(_list(slug))


def pending(visit: Visit) -> dict[str, Any]:
    """What `invites/_pending.html` shows, on the members page."""
    rows = invites.listed(visit.org.id) if visit.may(Verb.READ_INVITES) else []
    changes = visit.may(Verb.MANAGE_MEMBERS) and not visit.org.suspended_at
    return {
        "invited": [(one, _from(visit, one), *STATES[one.state], _acts(visit, one.invite, changes)) for one in rows]
    }


def _list(slug: str) -> str:
    return url_for("members.listing", slug=slug, _anchor="invites")


def _acts(visit: Visit, row: Invite, changes: bool) -> bool:
    return changes and row.state in ("pending", "declined") and row.role in assignable(visit.caller)


def _from(visit: Visit, one: InviteView) -> str:
    if one.inviter is None:
        return "A program"
    return "You" if one.inviter.id == visit.by.id else one.inviter.name


def _right(visit: Visit) -> dict[str, Any]:
    return {"by": visit.by, "may_give": assignable(visit.caller), "inviter": current_user.id}


def _errors(refusal: CofferError) -> dict[str, str]:
    at = "role" if isinstance(refusal, RoleTooHigh) else getattr(refusal, "field", None) or ""
    return {at: refusal.detail}


def _resendable(visit: Visit) -> dict[str, UUID]:
    """The ids of the invites that may be sent again, by address."""
    rows = [one.invite for one in invites.listed(visit.org.id)]
    return {row.email: row.id for row in rows if row.state == "pending" and _acts(visit, row, changes=True)}


def _form(
    visit: Visit, *, values: dict[str, str], errors: dict[str, str], outcomes: list[Outcome] | None = None,
    status: int = 200,
) -> Response:  # fmt: skip
    return render.render(
        "invites/new.html",
        status=status,
        visit=visit,
        list=_list(visit.org.slug),
        values=values,
        errors=errors,
        outcomes=[(one, *OUTCOMES.get(one.code, ("Not sent", "bad"))) for one in outcomes or []],
        resendable=_resendable(visit) if outcomes else {},
        roles=[(role, role.capitalize(), ROLE_WORDS[role]) for role in reversed(assignable(visit.caller))],
        days=invites.LIFETIME.days,
        most=invites.MOST_AT_ONCE,
    )
