"""Payments: all purchases of an organization, and the timeline of each."""

from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request, url_for

from dashboard.core import clock
from dashboard.core.db import transaction
from dashboard.domain import audit
from dashboard.domain.access.permissions import Verb
from dashboard.domain.funds.transactions import names_of
from dashboard.domain.payments import fulfil, listing, states, timeline
from dashboard.domain.payments.listing import PaymentFilters
from dashboard.domain.payments.receipts import receipts
from dashboard.models import Payment
from dashboard.web import guards, payment_csv, payment_list, render
from dashboard.web import listing as lists
from dashboard.web.exports import Turn
from dashboard.web.formats import zones_shown
from dashboard.web.guards import Visit
from dashboard.web.payment_list import STATES
from dashboard.web.sessions import poll

pages = Blueprint("payments", __name__, url_prefix="/o/<slug>")
guards.signed_in_only(pages)


@pages.get("/payments")
def index(slug: str) -> Response:
    visit = guards.enter(slug, Verb.READ_PAYMENTS)
    shown = _list(visit)
    return render.render(
        "payments/listing.html",
        fragment="payments/_list.html",
        status=shown["listing"].status,
        choices=payment_list.CHOICES,
        context_line=f"{visit.org.name} · {zones_shown()}",
        **shown,
    )


@pages.get("/payments/live")
@poll
def live(slug: str) -> Response:
    """The list again, once a payment on it has settled; 204 until then."""
    visit = guards.enter(slug, Verb.READ_PAYMENTS)
    shown = _list(visit)
    if shown["listing"].error or shown["version"] == request.args.get("v"):
        return render.unchanged()
    return render.render("payments/_list.html", **shown)


@pages.get("/payments.csv")
def export(slug: str) -> Response:
    visit = guards.enter(slug, Verb.READ_PAYMENTS)
    typed = lists.typed(payment_list.FIELDS)
    filters = PaymentFilters.parse(typed, org_id=visit.org.id)
    with Turn() as turn:
        with transaction(org=visit.org.id):
            audit.record(visit.org, "payments.exported", by=visit.by, after=typed)
        blocks = listing.every(filters, mode=visit.mode)
        lines = payment_csv.lines(blocks, for_manager=visit.caller.operator)
        return turn.file(payment_csv.file_name(visit.org, filters), lines)


@pages.get("/payments/<uuid:payment_id>")
def show(slug: str, payment_id: UUID) -> Response:
    visit = guards.enter(slug, Verb.READ_PAYMENTS)
    return render.render("payments/show.html", **_told(visit, fulfil.find(visit.org.id, payment_id)))


@pages.get("/payments/<uuid:payment_id>/live")
@poll
def live_one(slug: str, payment_id: UUID) -> Response:
    """The payment again, once something has changed; 204 until then."""
    visit = guards.enter(slug, Verb.READ_PAYMENTS)
    payment = fulfil.find(visit.org.id, payment_id)
    if payment_list.version(payment) == request.args.get("v"):
        return render.unchanged()
    return render.render("payments/_payment.html", **_told(visit, payment))


def _list(visit: Visit) -> dict[str, Any]:
    slug, cursor = visit.org.slug, request.args.get("cursor")
    here = partial(url_for, ".index", slug=slug)
    result = payment_list.read(mode=visit.mode, here=here, org_id=visit.org.id)
    typed, version = result.typed, payment_list.version_of(result.rows)
    live = url_for(".live", slug=slug, v=version, cursor=cursor, **typed) if payment_list.is_open(result.rows) else ""
    return {
        "slug": slug,
        "listing": result,
        "version": version,
        "names": names_of(result.rows, for_manager=visit.caller.operator),
        "states": STATES,
        "address": lambda row: url_for(".show", slug=slug, payment_id=row.id),
        "note": partial(payment_list.note, for_manager=visit.caller.operator),
        "amount_of": timeline.amount,
        "buy_href": url_for("buy.form", slug=slug) if visit.may(Verb.BUY) else "",
        "live": live,
        "export_href": "" if result.error else url_for(".export", slug=slug, **typed),
    }


def _told(visit: Visit, payment: Payment) -> dict[str, Any]:
    slug, manager = visit.org.slug, visit.caller.operator
    history = timeline.of(payment, for_manager=manager)
    here: dict[str, Any] = {"slug": slug, "payment_id": payment.id}
    open_ = payment.state in states.UNSETTLED
    word, tone = STATES[payment.state]
    return {
        "slug": slug,
        "payment": payment,
        "word": word,
        "tone": tone,
        "title": f"{payment.sold}, {timeline.amount(payment.amount_minor, payment.currency)}",
        "name": names_of([payment], for_manager=manager)[payment.id],
        "steps": [(step.title, step.detail, step.state, step.at) for step in history.steps],
        "advice": history.advice,
        "delayed": timeline.delayed(payment),
        "problem": timeline.problem(payment, for_manager=manager),
        "taken": history.taken,
        "amount_of": timeline.amount,
        "provider": payment_list.provider_name(payment),
        "receipt": url_for("receipts.show", **here) if receipts.exists(payment) else "",
        "pay_href": _way_on(visit, payment),
        "again_href": _again(visit, payment),
        "review_href": url_for("admin_payments.show", payment_id=payment.id) if manager else "",
        "live": url_for(".live_one", **here, v=payment_list.version(payment)) if open_ else "",
    }


def _way_on(visit: Visit, payment: Payment) -> str:
    """The payment page, as long as it can be paid; empty for users who may not buy."""
    if payment.state != "pending" or payment.problem or not visit.may(Verb.BUY):
        return ""
    opened = payment.opened_at or payment.created_at
    return payment.session_url or "" if clock.now() - opened < timeline.PAGE_LIVES else ""


def _again(visit: Visit, payment: Payment) -> str:
    """The buy form with the same choice, for a payment that failed."""
    if payment.state not in ("failed", "expired") or payment.rejected or not visit.may(Verb.BUY):
        return ""
    return url_for("buy.form", slug=visit.org.slug, product_id=payment.product_id, quantity=payment.quantity)
