"""Members of an organization: the list, changing a role, removing, leaving, and transferring ownership."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from flask import Blueprint, Response, request, url_for
from flask_login import current_user

from dashboard.core.db import retrying, transaction
from dashboard.core.errors import Conflict, Forbidden, Invalid, NotFound
from dashboard.domain.access.permissions import ROLE_WORDS, Verb, assignable
from dashboard.domain.funds.reports import spend_by_member
from dashboard.domain.funds.reports.spend_by_member import Spending
from dashboard.domain.org_status import OrgAction
from dashboard.domain.organizations import key_handover, memberships, ownership
from dashboard.domain.organizations.key_handover import Handover
from dashboard.models import ApiKey, Membership
from dashboard.web import guards, render
from dashboard.web.guards import Visit
from dashboard.web.invites.send import pending

pages = Blueprint("members", __name__, url_prefix="/o/<slug>")
guards.signed_in_only(pages)

COST_DAYS = 30
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Row:
    """A member as the page shows it. `micros` is None if the reader may not see the cost."""

    member: Membership
    micros: int | None
    you: bool
    alone: bool
    may_change: bool


@pages.get("/members")
def listing(slug: str) -> Response:
    visit = guards.enter(slug, Verb.READ_MEMBERS)
    spending = spend_by_member.by_person(visit.wallet, days=COST_DAYS)
    rows = _rows(visit, memberships.of_org(visit.org.id), spending)
    return render.render(
        "members/listing.html", visit=visit, rows=rows, spending=spending, leads=visit.may(Verb.MANAGE_MEMBERS),
        full=len(rows) == memberships.LISTED, **pending(visit),
    )  # fmt: skip


@pages.get("/members/<uuid:member_id>/role")
def ask_role(slug: str, member_id: UUID) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_MEMBERS, act=OrgAction.MEMBERS)
    return _role_form(visit, _reachable(visit, member_id))


@pages.post("/members/<uuid:member_id>/role")
def change_role(slug: str, member_id: UUID) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_MEMBERS, act=OrgAction.MEMBERS)
    member = _reachable(visit, member_id)
    guards.require_recent()
    role, end = request.form.get("role", ""), _ends_keys()
    try:
        handed = _carry_out(visit, lambda: memberships.change_role(member, role=role, by=visit.by, end_keys=end))
    except (Conflict, Invalid, memberships.RoleTooHigh) as refusal:
        return _role_form(visit, member, wanted=role, refusal=refusal)
    render.toast_next(f"{member.user.name} is {_an(role)} now.{_done(handed)}")
    return render.redirect(url_for("members.listing", slug=slug))


@pages.get("/members/<uuid:member_id>/remove")
def ask_remove(slug: str, member_id: UUID) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_MEMBERS, act=OrgAction.MEMBERS)
    return _remove_form(visit, _reachable(visit, member_id))


@pages.post("/members/<uuid:member_id>/remove")
def remove(slug: str, member_id: UUID) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_MEMBERS, act=OrgAction.MEMBERS)
    member = _reachable(visit, member_id)
    guards.require_recent()
    end = _ends_keys()
    try:
        handed = _carry_out(visit, lambda: memberships.remove(member, by=visit.by, end_keys=end))
    except Conflict as refusal:
        return _remove_form(visit, member, refusal=refusal)
    if member.user_id == current_user.id:
        return _gone(visit, handed)
    render.toast_next(f"{member.user.name} is no longer a member.{_done(handed)}")
    return render.redirect(url_for("members.listing", slug=slug))


@pages.get("/leave")
def ask_leave(slug: str) -> Response:
    return _leave_form(guards.enter(slug, Verb.LEAVE, act=OrgAction.MEMBERS))


@pages.post("/leave")
def leave(slug: str) -> Response:
    visit = guards.enter(slug, Verb.LEAVE, act=OrgAction.MEMBERS)
    guards.require_recent()
    end = _ends_keys()
    try:
        handed = _carry_out(visit, lambda: memberships.remove(_own(visit), by=visit.by, end_keys=end))
    except Conflict as refusal:
        return _leave_form(visit, status=refusal.status)
    return _gone(visit, handed)


@pages.get("/members/<uuid:member_id>/transfer")
def ask_transfer(slug: str, member_id: UUID) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_ORG, act=OrgAction.MEMBERS)
    return _transfer_form(visit, _find(visit, member_id))


@pages.post("/members/<uuid:member_id>/transfer")
def transfer(slug: str, member_id: UUID) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_ORG, act=OrgAction.MEMBERS)
    member = _find(visit, member_id)
    guards.require_recent()
    try:
        _carry_out(visit, lambda: ownership.transfer(member, by=visit.by))
    except Conflict as refusal:
        return _transfer_form(visit, member, refusal=refusal)
    render.toast_next(f"{member.user.name} is now an owner, and you are an admin.")
    return render.redirect(url_for("members.listing", slug=slug))


@retrying
def _carry_out(visit: Visit, act: Callable[[], Found]) -> Found:
    with transaction(org=visit.org.id):
        return act()


def _rows(visit: Visit, rows: list[Membership], spending: Spending) -> list[Row]:
    owners = [member for member in rows if member.role == "owner" and member.user.is_active]
    alone = {owner.id for owner in owners} if len(owners) == 1 else set()
    may = visit.may(Verb.MANAGE_MEMBERS) and visit.org.suspended_at is None and visit.org.kind == "team"
    return [
        Row(
            member,
            spending.micros.get(member.user_id, 0) if visit.only_of in (None, member.user_id) else None,
            you=member.user_id == visit.by.id,
            alone=member.id in alone,
            may_change=may and member.id not in alone and (member.role != "owner" or visit.may(Verb.MANAGE_ORG)),
        )
        for member in rows
    ]


def _find(visit: Visit, member_id: UUID) -> Membership:
    member = memberships.find(visit.org.id, member_id)
    if member is None:
        raise NotFound
    return member


def _reachable(visit: Visit, member_id: UUID) -> Membership:
    """A member whom the visitor may change: only owners may change an owner."""
    member = _find(visit, member_id)
    if member.role == "owner" and not visit.may(Verb.MANAGE_ORG):
        raise Forbidden("Only an owner can change an owner. Nothing was changed.")
    return member


def _own(visit: Visit) -> Membership:
    member = memberships.of_person(visit.org.id, current_user.id)
    if member is None:
        raise NotFound
    return member


def _role_form(
    visit: Visit, member: Membership, *, wanted: str = "", refusal: Conflict | Invalid | Forbidden | None = None
) -> Response:
    plans = {role: key_handover.of_demoted(member, role, by=visit.by) for role in assignable(visit.caller)}
    at = refusal.field or "" if isinstance(refusal, Invalid) else ""
    return _form(
        "role", visit, member, status=refusal.status if refusal else 200, value=wanted or member.role,
        options=[(role, role.capitalize(), _meaning(visit, role, plan)) for role, plan in plans.items()],
        passing=any(plan.passing for plan in plans.values()), end_keys=_ends_keys(),
        errors={at: refusal.detail} if refusal else {}, may_transfer=visit.may(Verb.MANAGE_ORG),
    )  # fmt: skip


def _remove_form(visit: Visit, member: Membership, *, refusal: Conflict | None = None) -> Response:
    errors = {"": refusal.detail} if refusal else {}
    status = refusal.status if refusal else 200
    return _form("remove", visit, member, status=status, errors=errors, **_handed(visit, member))


def _leave_form(visit: Visit, *, status: int = 200) -> Response:
    member = _own(visit)
    alone = member.role == "owner" and not memberships.has_other_owner(visit.org.id, member.user_id)
    return _form("leave", visit, member, status=status, errors={}, alone=alone, **_handed(visit, member))


def _transfer_form(visit: Visit, member: Membership, *, refusal: Conflict | None = None) -> Response:
    errors, status = {"": refusal.detail} if refusal else {}, refusal.status if refusal else 200
    try:
        ownership.require_able(visit.org, member)
        able = True
    except Conflict as reason:
        able, errors, status = False, {"": reason.detail}, 409
    return _form("transfer", visit, member, status=status, errors=errors, able=able)


def _form(name: str, visit: Visit, member: Membership, **context: Any) -> Response:
    return render.render(
        f"members/{name}.html", fragment=f"members/_{name}.html", visit=visit, member=member,
        dialog=render.is_htmx(), you=member.user_id == current_user.id, **context,
    )  # fmt: skip


def _gone(visit: Visit, handed: Handover) -> Response:
    render.toast_next(f"You left {visit.org.name}.{_done(handed)}")
    return render.redirect(url_for("orgs.listing"))


def _ends_keys() -> bool:
    """Whether all keys are revoked instead of being handed over."""
    return request.form.get("end_keys") == "1"


def _handed(visit: Visit, member: Membership) -> dict[str, Any]:
    plan = key_handover.of_leaver(member, by=visit.by)
    return {"plan": plan, "heir": _heir(visit, plan), "end_keys": _ends_keys()}


def _heir(visit: Visit, plan: Handover) -> str:
    if plan.heir is None:
        return ""
    return "you" if plan.heir.id == visit.by.id else plan.heir.name


def _meaning(visit: Visit, role: str, plan: Handover) -> str:
    """What the role may do, and what happens to keys that exceed it."""
    words = [ROLE_WORDS[role]]
    if plan.passing:
        words.append(f"{_keys(plan.passing)} with more rights than this role: handed over to {_heir(visit, plan)}.")
    if plan.ending:
        words.append(f"{_keys(plan.ending)} with more rights than this role, which let others in: revoked.")
    return " ".join(words)


def _keys(rows: tuple[ApiKey, ...]) -> str:
    names = ", ".join(key.name for key in rows[:3]) + (" and others" if len(rows) > 3 else "")
    return f"{len(rows)} API key{'s' if len(rows) != 1 else ''} ({names})"


def _done(handed: Handover) -> str:
    """What happened to the keys, after the sentence that says what was done."""
    passed, ended = len(handed.passing), len(handed.ending)
    words = []
    if passed and handed.heir:
        name = "you" if handed.heir.id == current_user.id else handed.heir.name
        words.append(f"{passed} API key{'s' if passed > 1 else ''} passed to {name}")
    if ended:
        words.append(f"{ended} ended" if words else f"{ended} API key{'s' if ended > 1 else ''} ended")
    return f" {', '.join(words)}." if words else ""


def _an(role: str) -> str:
    return f"an {role}" if role[0] in "ao" else f"a {role}"
