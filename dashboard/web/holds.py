"""Holds: what is reserved now, what became of earlier holds, and the end of one that a program left behind."""

from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, url_for
from markupsafe import Markup

from dashboard.core import lists
from dashboard.core.money import money
from dashboard.core.readable import readable
from dashboard.domain.access import keys
from dashboard.domain.access.permissions import Verb, require
from dashboard.domain.audit.names import names_of
from dashboard.domain.funds.holds import ending, steps
from dashboard.domain.funds.holds import listing as holds
from dashboard.domain.funds.holds.listing import HoldFilters
from dashboard.domain.funds.holds.steps import HoldRequest
from dashboard.domain.people import users
from dashboard.models import Hold, HoldStep
from dashboard.web import examples, guards, render
from dashboard.web import listing as listings
from dashboard.web.formats import when, zones_shown
from dashboard.web.guards import Visit

pages = Blueprint("holds", __name__, url_prefix="/o/<slug>/holds")
guards.signed_in_only(pages)

STATES = {
    "open": ("Open", "info"), "captured": ("Captured", "ok"), "released": ("Released", ""),
    "expired": ("Expired", "warn"),
}  # fmt: skip
CHOICES = [("", "All states"), *((state, word) for state, (word, _) in STATES.items())]
FIELDS = {"state": "State", "app": "App"}

Told = tuple[str, str, str, Any]
"""A step of a timeline: title, detail, state and moment."""


@pages.get("")
def listing(slug: str) -> Response:
    visit = guards.enter(slug, Verb.READ_OWN_ROWS)
    found = _read(visit)
    return render.render(
        "holds/listing.html", fragment="holds/_list.html", status=found.status, slug=slug, listing=found,
        wallet=visit.wallet, own_only=visit.only_of is not None, choices=CHOICES, states=STATES,
        state_of=holds.state_of, names=names_of(found.rows, for_manager=visit.caller.operator),
        example=examples.hold(visit.org.id) if visit.may(Verb.MANAGE_OWN_KEYS) else "",
        context_line=f"{visit.org.name} · {zones_shown()}",
    )  # fmt: skip


@pages.get("/<uuid:hold_id>")
def show(slug: str, hold_id: UUID) -> Response:
    visit, hold = _enter(slug, hold_id)
    return render.render("holds/show.html", slug=slug, hold=hold, **_told(visit, hold))


@pages.get("/<uuid:hold_id>/release")
def ask_release(slug: str, hold_id: UUID) -> Response:
    visit, hold = _enter(slug, hold_id, Verb.RELEASE_HOLDS)
    return render.render(
        "holds/release.html", fragment="holds/_release.html", slug=slug, hold=hold, dialog=render.is_htmx(),
        is_open=holds.state_of(hold) == "open", visit=visit,
    )  # fmt: skip


@pages.post("/<uuid:hold_id>/release")
def release(slug: str, hold_id: UUID) -> Response:
    visit, hold = _enter(slug, hold_id, Verb.RELEASE_HOLDS)
    try:
        result = steps.release(hold, HoldRequest(ending.ORIGIN, str(hold.id), visit.by))
    except steps.HoldNotOpen as refusal:
        render.toast_next(refusal.detail, bad=True)
    else:
        expired = result.step.kind == "expired"
        render.toast_next("This hold had expired." if expired else "The hold is released.", bad=expired)
    return render.redirect(url_for("holds.show", slug=slug, hold_id=hold.id))


def _enter(slug: str, hold_id: UUID, verb: Verb | None = None) -> tuple[Visit, Hold]:
    """Find the hold first: a missing hold is a 404 for everyone."""
    visit = guards.enter(slug, Verb.READ_OWN_ROWS)
    hold = holds.find(visit.org.id, visit.mode, hold_id, only_of=_only_of(visit))
    if verb is not None:
        require(verb, visit.caller)
    return visit, hold


def _only_of(visit: Visit) -> frozenset[UUID]:
    return frozenset({visit.only_of}) if visit.only_of else frozenset()


def _read(visit: Visit) -> listings.Listing[Hold]:
    def page(typed: dict[str, Any], cursor: str | None) -> lists.Page[Hold]:
        filters = HoldFilters.parse(typed, only_of=_only_of(visit))
        query = holds.query(visit.org.id, visit.mode, filters)
        return lists.page(query, Hold.id, cursor, "holds page", visit.org.id, filters)

    return listings.read(page, FIELDS, here=partial(url_for, "holds.listing", slug=visit.org.slug))


def _told(visit: Visit, hold: Hold) -> dict[str, Any]:
    """One hold as text: its state, its steps, and who made it for whom."""
    state, slug, manager = holds.state_of(hold), visit.org.slug, visit.caller.operator
    word, tone = STATES[state]
    key = keys.find(visit.org.id, hold.actor_id) if hold.actor_kind == "key" and hold.actor_id else None
    member = users.by_id(hold.member_id) if hold.member_id else None
    reachable = key is not None and (visit.may(Verb.MANAGE_KEYS) or key.created_by == visit.by.id)
    return {
        "word": word,
        "tone": tone,
        "story": _story(hold, state, for_manager=manager),
        "by": names_of([hold], for_manager=manager)[hold.id],
        "by_href": url_for("keys.show", slug=slug, key_id=hold.actor_id) if reachable else "",
        "member": member.name if member else "",
        "given_back": 0 if state == "open" else max(hold.amount - hold.captured, 0),
        "may_release": state == "open" and visit.may(Verb.RELEASE_HOLDS),
    }


def _story(hold: Hold, state: str, *, for_manager: bool) -> list[Told]:
    done = holds.steps(hold)
    names = names_of(done, for_manager=for_manager)
    told = [_step(hold, step, names[step.id]) for step in done]
    if state == "open":
        told.append(("Open", "Expires unless it is captured, extended or released", "now", hold.expires_at))
    elif state == "expired" and hold.state == "open":
        told.append(("Expired", "The amount is available again within a minute.", "bad", hold.expires_at))
    return told


def _step(hold: Hold, step: HoldStep, name: str) -> Told:
    back = max(hold.amount - hold.captured, 0)
    until = Markup("By {}, until {}").format(readable(name), when(step.expires_at))
    match step.kind:
        case "opened":
            return f"Held {money(hold.amount)}", until, "done", step.created_at
        case "extended":
            return (
                "Extended",
                Markup("By {}, until {}").format(readable(name), when(step.expires_at)),
                "done",
                step.created_at,
            )
        case "captured":
            rest = f"; {money(back)} is available again" if back else ""
            return f"Captured {money(hold.captured)}", f"By {name}{rest}", "done", step.created_at
        case "released":
            return "Released", f"By {name}; {money(back)} is available again", "done", step.created_at
    return "Expired", f"{money(back)} is available again", "bad", step.created_at
