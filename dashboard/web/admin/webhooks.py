"""`/admin/webhooks`: what the payment provider sent, what it did, and retrying what failed."""

from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request, url_for

from dashboard.config import settings
from dashboard.core.db import transaction
from dashboard.core.errors import Conflict, Invalid
from dashboard.domain import audit
from dashboard.domain.access.permissions import Verb
from dashboard.domain.payments.webhooks import inbox, rejected
from dashboard.domain.platform import webhooks
from dashboard.domain.platform.webhooks import WebhookFilters
from dashboard.models import INBOX_STATES, InboxEvent
from dashboard.web import guards, render
from dashboard.web import listing as lists
from dashboard.web.admin import words
from dashboard.web.sessions import poll

pages = Blueprint("admin_webhooks", __name__, url_prefix="/admin/webhooks")
guards.signed_in_only(pages)

ENDPOINT = "/admin/api/v1/webhooks/payments"
FIELDS = dict.fromkeys(("state", "type", "event", "org", "from", "to"), "")
STATES = [("", "All states"), *((state, state.capitalize()) for state in INBOX_STATES)]
QUEUED = ("received", "failed")


@pages.get("")
def listing() -> Response:
    guards.require_platform(Verb.PLATFORM_READ)
    result = lists.read(
        lambda typed, cursor: webhooks.page(WebhookFilters.parse(typed), cursor=cursor), FIELDS,
        here=partial(url_for, ".listing"),
    )  # fmt: skip
    return render.render(
        "admin/webhooks/listing.html", fragment="admin/webhooks/_list.html", status=result.status, listing=result,
        states=STATES, tones=words.EVENT_TONES, lasted=words.lasted, endpoint=_endpoint(), most=webhooks.MOST_COUNTED,
        counts=None if render.is_htmx() else webhooks.counts(),
        refused=[] if render.is_htmx() else rejected.last_day(),
        silence=None if render.is_htmx() else webhooks.silence(guards.platform_mode()),
    )  # fmt: skip


@pages.get("/<uuid:event_id>")
def show(event_id: UUID) -> Response:
    guards.require_platform(Verb.PLATFORM_READ)
    event = webhooks.find(event_id)
    return render.render("admin/webhooks/show.html", **_seen(event))


@pages.get("/<uuid:event_id>/live")
@poll
def live(event_id: UUID) -> Response:
    """The result of a queued event; 204 until there is one."""
    guards.require_platform(Verb.PLATFORM_READ)
    event = webhooks.find(event_id)
    if request.args.get("v") == _version(event):
        return render.unchanged()
    return render.render("admin/webhooks/_event.html", **_seen(event))


@pages.route("/<uuid:event_id>/retry", methods=["GET", "POST"])
def retry(event_id: UUID) -> Response:
    caller = guards.require_platform(Verb.PLATFORM_GRANT)
    event = webhooks.find(event_id)
    here = url_for(".show", event_id=event.id)
    if request.method != "POST":  # also for HEAD, which has no form token
        if not inbox.retryable(event):
            raise Conflict(f"The event is {event.state}; there is nothing to retry.")
        return render.render("admin/webhooks/retry.html", fragment="admin/webhooks/_retry.html", **_seen(event))
    guards.require_recent()
    with transaction(org=event.org_id):
        inbox.retry(event, by=caller.actor)
    render.toast_next("Queued. The result appears here.")
    return render.redirect(here)


@pages.route("/<uuid:event_id>/ignore", methods=["GET", "POST"])
def ignore(event_id: UUID) -> Response:
    caller = guards.require_platform(Verb.PLATFORM_GRANT)
    event, reason, errors = webhooks.find(event_id), request.form.get("reason", ""), {}
    if request.method == "POST":
        guards.require_recent()
        try:
            with transaction(org=event.org_id):
                inbox.ignore(event, reason=reason, by=caller.actor)
        except Invalid as refusal:
            errors = {"reason": refusal.detail}
        else:
            render.toast_next("Ignored. This event is not processed.")
            return render.redirect(url_for(".show", event_id=event.id))
    elif event.state != "parked":
        raise Conflict(f"The event is {event.state}; only parked events are ignored by hand.")
    return render.render(
        "admin/webhooks/ignore.html", fragment="admin/webhooks/_ignore.html", status=422 if errors else 200,
        reason=reason[:1000], errors=errors, reason_limit=audit.REASON_LIMIT, **_seen(event),
    )  # fmt: skip


def _seen(event: InboxEvent) -> dict[str, Any]:
    tries = webhooks.tries_of(event)
    return {
        "event": event, "version": _version(event), "effect": webhooks.effects_of([event])[event.id], "tries": tries,
        "payload": webhooks.payload_of(event), "tones": words.EVENT_TONES, "queued": event.state in QUEUED,
        "retryable": inbox.retryable(event), "lasted": words.lasted,
        "lag": event.finished_at - event.created_at if event.finished_at else None,
    }  # fmt: skip


def _version(event: InboxEvent) -> str:
    return f"{event.state}-{event.attempts}-{event.deliveries}"


def _endpoint() -> str:
    return f"{(settings().base_url or request.host_url).rstrip('/')}{ENDPOINT}"
