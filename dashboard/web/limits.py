"""Spend limits: the list with what was spent, and the forms that create, change and remove one."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request, url_for

from dashboard.core import lists
from dashboard.core.db import retrying, transaction
from dashboard.core.errors import Conflict, Invalid
from dashboard.core.money import parse_credits, plain_credits
from dashboard.domain.access import keys, limits
from dashboard.domain.access.permissions import Verb, require
from dashboard.domain.funds import spend_limits
from dashboard.domain.funds.spend_limits import LimitUsage, changes
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.domain.org_status import OrgAction
from dashboard.domain.organizations import memberships
from dashboard.models import SpendLimit
from dashboard.web import guards, limit_words, render
from dashboard.web import listing as listings
from dashboard.web.formats import zones_shown
from dashboard.web.guards import Visit

pages = Blueprint("limits", __name__, url_prefix="/o/<slug>/limits")
guards.signed_in_only(pages)

TYPED = ("subject", "app", "window", "amount", "hard")
WINDOWS = (("month", "Month"), ("week", "Week, from Monday"), ("day", "Day"))
KINDS = (
    ("hard", "Refuse what exceeds it", "The charge is answered with 402 and the name of the limit."),
    ("soft", "Only alert", "Everything is charged; passing the limit is recorded once per window."),
)
TITLES = {"new": "Create limit", "edit": "Change limit", "remove": "Remove limit"}


@dataclass(frozen=True, slots=True)
class LimitView:
    """A limit as the page shows it. `passed_at`: when a soft one was passed in this window."""

    row: SpendLimit
    usage: LimitUsage
    name: str
    passed_at: datetime | None

    @property
    def whose(self) -> str:
        kind = {"org": "Organization", "member": "Member", "app": "App", "key": "API key"}[self.row.scope]
        return f"{kind}: {self.name}" if self.name else "The whole organization"

    @property
    def full(self) -> bool:
        return not self.usage.left


@pages.get("")
def listing(slug: str) -> Response:
    visit = guards.enter(slug, Verb.READ_LIMITS)
    found = listings.read(partial(_page, visit), {}, here=partial(url_for, "limits.listing", slug=slug))
    return render.render(
        "limits/listing.html", fragment="limits/_list.html", status=found.status, visit=visit, listing=found,
        may_change=visit.may(Verb.MANAGE_LIMITS) and visit.org.suspended_at is None,
        spendable=limit_words.spendable_by(visit), per=limit_words.PER,
        context_line=f"{visit.org.name} · {zones_shown()}",
    )  # fmt: skip


@pages.get("/new")
def new(slug: str) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_LIMITS, act=OrgAction.MEMBERS)
    values = {"subject": "org", "window": "month", "hard": "hard"}
    return _form("new", visit, values=values, errors={})


@pages.post("")
def create(slug: str) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_LIMITS, act=OrgAction.MEMBERS)
    guards.require_recent()
    values = _typed()
    scope, _, subject = values["subject"].partition(":")
    try:
        cap = Cap(parse_credits(values["amount"], field="amount"), values["window"], values["hard"] != "soft")
        subject = values["app"].strip() if scope == "app" else subject
        _carry_out(visit, partial(limits.create, scope=scope, subject=subject, cap=cap, mode=visit.mode))
    except (Invalid, Conflict) as refusal:
        errors = render.errors_of(refusal)
        if scope == "app" and "subject" in errors:
            errors["app"] = errors.pop("subject")
        return _form("new", visit, values=values, errors=errors, status=refusal.status)
    render.toast_next("The limit is in force.")
    return render.redirect(url_for("limits.listing", slug=slug))


@pages.get("/<uuid:limit_id>/edit")
def ask_edit(slug: str, limit_id: UUID) -> Response:
    visit, row = _enter(slug, limit_id)
    values = {"amount": plain_credits(row.amount), "hard": "hard" if row.hard else "soft"}
    return _form("edit", visit, view=_views([row])[0], values=values, errors={})


@pages.post("/<uuid:limit_id>/edit")
def edit(slug: str, limit_id: UUID) -> Response:
    visit, row = _enter(slug, limit_id)
    guards.require_recent()
    values = _typed()
    try:
        amount = parse_credits(values["amount"], field="amount")
        with transaction(org=visit.org.id):
            changes.change(row, amount=amount, hard=values["hard"] != "soft", by=visit.by)
    except (Invalid, Conflict) as refusal:
        errors = render.errors_of(refusal)
        return _form("edit", visit, view=_views([row])[0], values=values, errors=errors, status=refusal.status)
    render.toast_next("The limit is changed. What was spent still counts.")
    return render.redirect(url_for("limits.listing", slug=slug))


@pages.get("/<uuid:limit_id>/remove")
def ask_remove(slug: str, limit_id: UUID) -> Response:
    visit, row = _enter(slug, limit_id)
    return _form("remove", visit, view=_views([row])[0])


@pages.post("/<uuid:limit_id>/remove")
def remove(slug: str, limit_id: UUID) -> Response:
    visit, row = _enter(slug, limit_id)
    guards.require_recent()
    with transaction(org=visit.org.id):
        changes.remove(row, by=visit.by)
    render.toast_next("The limit is removed.")
    return render.redirect(url_for("limits.listing", slug=slug))


def _enter(slug: str, limit_id: UUID) -> tuple[Visit, SpendLimit]:
    """Find the limit first: a missing one is a 404 for everyone."""
    visit = guards.enter(slug, Verb.READ_LIMITS, act=OrgAction.MEMBERS)
    row = limits.find(visit.org.id, visit.mode, limit_id, only_for=visit.only_of)
    require(Verb.MANAGE_LIMITS, visit.caller)
    return visit, row


def _page(visit: Visit, _typed: dict[str, Any], cursor: str | None) -> lists.Page[LimitView]:
    query = limits.of_org(visit.org.id, visit.mode, only_for=visit.only_of)
    page = lists.page(query, SpendLimit.id, cursor, "limits page", visit.org.id, visit.mode, visit.only_of)
    return lists.Page(_views(page.rows), page.next_cursor)


def _views(rows: list[SpendLimit]) -> list[LimitView]:
    names, passed = limits.names_of(rows), limits.passed(rows)
    return [LimitView(row, usage, names[row.id], passed.get(row.id)) for row, usage in spend_limits.with_usage(rows)]


@retrying
def _carry_out(visit: Visit, act: Any) -> None:
    with transaction(org=visit.org.id):
        act(visit.org.id, by=visit.by)


def _typed() -> dict[str, str]:
    return {name: request.form.get(name, "") for name in TYPED}


def _subjects(visit: Visit) -> list[tuple[str, str]]:
    """What a limit may be for. A key that has a cap is changed, and not limited again."""
    people = [(f"member:{one.user_id}", f"Member: {one.user.name}") for one in memberships.of_org(visit.org.id)]
    free = [
        (f"key:{key.id}", f"API key: {key.name}")
        for key in keys.of_org(visit.org.id)
        if keys.works(key) and key.mode == visit.mode and key.limit_id is None
    ]
    return [("org", "The whole organization"), ("app", "An app"), *people, *free]


def _form(name: str, visit: Visit, *, status: int = 200, **more: Any) -> Response:
    """The form's page, or for HTMX only the form, in the dialog if it was opened there."""
    return render.render(
        "limits/confirm.html", fragment=f"limits/_{name}.html", status=status, name=name, title=TITLES[name],
        visit=visit, windows=WINDOWS, kinds=KINDS, per=limit_words.PER,
        subjects=_subjects(visit) if name == "new" else [],
        dialog=render.is_htmx() if request.method == "GET" else "dialog" in request.form, **more,
    )  # fmt: skip
