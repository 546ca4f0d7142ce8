"""Voiding a usage event: what it gives back, before and after, the reason, and its confirmation."""

from uuid import UUID

from flask import Blueprint, Response, request, url_for

from dashboard.core import units
from dashboard.core.errors import Forbidden, Invalid, NotFound
from dashboard.core.money import money
from dashboard.domain import audit
from dashboard.domain.access.permissions import Verb
from dashboard.domain.funds import wallets
from dashboard.domain.usage import metrics, reports
from dashboard.domain.usage.charging import voids
from dashboard.models import UsageEvent
from dashboard.web import guards, render
from dashboard.web.guards import Visit

pages = Blueprint("usage_voids", __name__, url_prefix="/o/<slug>/usage")
guards.signed_in_only(pages)


def may_void(visit: Visit) -> bool:
    """Managers may, and in a self-funded organization also those who lead it."""
    return visit.may(Verb.VOID_OWN_USAGE if visit.org.funding == "own" else Verb.VOID_USAGE)


@pages.get("/<uuid:event_id>/void")
def ask(slug: str, event_id: UUID) -> Response:
    visit, event = _enter(slug, event_id)
    return _form(visit, event, reason="", errors={})


@pages.post("/<uuid:event_id>/void")
def void(slug: str, event_id: UUID) -> Response:
    visit, event = _enter(slug, event_id)
    reason = request.form.get("reason", "")
    try:
        audit.checked_reason(reason)
        guards.require_recent()
        result = voids.void(visit.org, event.id, mode=visit.mode, reason=reason, by=visit.by)
    except Invalid as refusal:
        return _form(visit, event, reason=reason, errors=render.errors_of(refusal), status=refusal.status)
    credited = result.event.credited or 0
    given = f"{money(credited)} was given back." if credited else "It had cost nothing, so nothing was given back."
    render.toast_next("This event is voided already." if result.replayed else f"Voided. {given}")
    return render.redirect(url_for("usage.show", slug=slug, event_id=event.id))


def _enter(slug: str, event_id: UUID) -> tuple[Visit, UsageEvent]:
    visit = guards.enter(slug, Verb.READ_OWN_USAGE)
    event = reports.find(visit.org.id, event_id)
    if event is None or event.mode != visit.mode or visit.only_of not in (None, event.member_id):
        raise NotFound
    if not may_void(visit):
        raise Forbidden("Only platform managers can void usage of this organization.")
    if visit.org.closed_at is not None:
        raise NotFound
    return visit, event


def _form(visit: Visit, event: UsageEvent, *, reason: str, errors: dict[str, str], status: int = 200) -> Response:
    wallet = wallets.as_of_now(visit.org.id, [event.wallet_id])[event.wallet_id]
    metric = metrics.require(metrics.owner_of(visit.org), event.metric_key)
    return render.render(
        "usage/void.html", status=status, slug=visit.org.slug, org=visit.org, event=event, metric=metric, wallet=wallet,
        credited=voids.gives_back(event), counted=units.counted, reason=reason,
        reason_limit=audit.REASON_LIMIT, errors=errors,
    )  # fmt: skip
