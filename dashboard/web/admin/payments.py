"""`/admin/payments`: the payments of all organizations, and the review of those that differ from the order."""

from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request, url_for

from dashboard.core.db import retrying, transaction
from dashboard.core.errors import Invalid
from dashboard.core.money import money
from dashboard.domain import audit
from dashboard.domain.access.permissions import Verb
from dashboard.domain.audit import Actor
from dashboard.domain.audit.names import orgs_of
from dashboard.domain.funds import wallets
from dashboard.domain.funds.reports import forecast
from dashboard.domain.funds.transactions import names_of
from dashboard.domain.payments import listing, review, timeline
from dashboard.domain.payments.receipts import receipts
from dashboard.models import Organization, Payment
from dashboard.web import guards, payment_list, render
from dashboard.web.admin import words
from dashboard.web.formats import MISSING
from dashboard.web.payment_list import STATES

pages = Blueprint("admin_payments", __name__, url_prefix="/admin/payments")
guards.signed_in_only(pages)


@dataclass(frozen=True, slots=True)
class PaymentAction:
    """Accept or reject, with its text."""

    accepting: bool
    title: str
    verb: str
    review: str
    help: str


ACCEPT = PaymentAction(
    True, "Accept payment", "Accept", "Review acceptance", "The organization sees it beside the transaction."
)
REJECT = PaymentAction(
    False, "Reject payment", "Reject", "Review rejection", "The organization sees it on the payment."
)


@pages.get("", endpoint="listing")
def index() -> Response:
    guards.require_platform(Verb.PLATFORM_READ)
    result = payment_list.read(mode=guards.platform_mode(), here=partial(url_for, ".listing"))
    return render.render(
        "admin/payments/listing.html", fragment="payments/_list.html", status=result.status, listing=result,
        names=names_of(result.rows, for_manager=True), orgs=orgs_of(result.rows), states=STATES,
        choices=payment_list.CHOICES, note=partial(payment_list.note, for_manager=True), amount_of=timeline.amount,
        address=lambda row: url_for(".show", payment_id=row.id),
    )  # fmt: skip


@pages.get("/<uuid:payment_id>")
def show(payment_id: UUID) -> Response:
    payment, org, _ = _find(payment_id, Verb.PLATFORM_READ)
    return render.render("admin/payments/show.html", **_told(org, payment))


@pages.route("/<uuid:payment_id>/accept", methods=["GET", "POST"])
def accept(payment_id: UUID) -> Response:
    return _answer(payment_id, ACCEPT)


@pages.route("/<uuid:payment_id>/reject", methods=["GET", "POST"])
def reject(payment_id: UUID) -> Response:
    return _answer(payment_id, REJECT)


def _find(payment_id: UUID, verb: Verb) -> tuple[Payment, Organization, Actor]:
    """The payment, its organization and the viewer. The organization's audit log records the visit."""
    guards.require_platform(verb)
    payment = listing.anywhere(payment_id)
    org, caller = guards.look_into(payment.org_id, verb)
    return payment, org, caller.actor


def _answer(payment_id: UUID, act: PaymentAction) -> Response:
    payment, org, by = _find(payment_id, Verb.PLATFORM_GRANT)
    here = url_for(".show", payment_id=payment.id)
    if request.method != "POST":  # also for HEAD, which has no form token
        review.require_open(payment)
        return render.render("admin/payments/form.html", **_form(org, payment, act, "", {}))
    reason = request.form.get("reason", "")
    try:
        audit.checked_reason(reason)
        if not request.form.get("confirm"):
            review.require_open(payment)
            return render.render("admin/payments/review.html", **_form(org, payment, act, reason.strip(), {}))
        guards.require_recent()
        changed = _carry_out(payment, act, reason, by)
    except Invalid as refusal:
        errors = {refusal.field or "": refusal.detail}
        return render.invalid("admin/payments/form.html", **_form(org, payment, act, reason[:1000], errors))
    render.toast_next(_said(payment, act, changed))
    return render.redirect(here)


@retrying
def _carry_out(payment: Payment, act: PaymentAction, reason: str, by: Actor) -> bool:
    verb = review.accept if act.accepting else review.reject
    with transaction(org=payment.org_id):
        return verb(payment.org_id, payment.id, reason=reason, by=by)


def _said(payment: Payment, act: PaymentAction, changed: bool) -> str:
    done = f"Accepted: {money(_granted(payment))} credited." if act.accepting else "Rejected. Nothing was credited."
    return done if changed else f"This was done before. Nothing was changed twice. {done}"


def _told(org: Organization, payment: Payment) -> dict[str, Any]:
    history = timeline.of(payment, for_manager=True)
    word, tone = STATES[payment.state]
    return {
        "org": org,
        "slug": org.slug,
        "payment": payment,
        "word": word,
        "tone": tone,
        "title": f"{payment.sold}, {timeline.amount(payment.amount_minor, payment.currency)}",
        "name": names_of([payment], for_manager=True)[payment.id],
        "steps": [(step.title, step.detail, step.state, step.at) for step in history.steps],
        "taken": history.taken,
        "sides": _sides(payment, history.taken),
        "amount_of": timeline.amount,
        "provider": payment_list.provider_name(payment),
        "receipt": url_for("receipts.show", slug=org.slug, payment_id=payment.id) if receipts.exists(payment) else "",
    }


def _sides(payment: Payment, taken: timeline.Taken | None) -> list[tuple[str, str, str, bool]]:
    """What was sold next to what the provider took: label, ours, theirs, whether they differ."""
    if taken is None:
        return []
    price, currency = timeline.amount(payment.amount_minor, payment.currency), payment.currency.upper()
    theirs = taken.currency or payment.currency
    subtotal = timeline.amount(taken.subtotal_minor, theirs)
    code = f"code {payment.promotion_code}" if payment.promotion_code else MISSING
    return [
        ("Before discount and tax", price, subtotal, subtotal != price),
        ("Currency", currency, theirs.upper(), theirs.upper() != currency),
        ("Discount", code, timeline.amount(taken.discount_minor, theirs), False),
        ("Tax", MISSING, timeline.amount(taken.tax_minor, theirs), False),
        ("In all", price, timeline.amount(taken.total_minor, theirs), False),
    ]


def _form(
    org: Organization, payment: Payment, act: PaymentAction, reason: str, errors: dict[str, str]
) -> dict[str, Any]:
    """The form and its review: what it would do, as of now."""
    wallet = wallets.of_organization(org.id, payment.mode, fresh=True)
    change = _granted(payment) if act.accepting else 0
    ahead = forecast.of(wallet)
    return _told(org, payment) | {
        "act": act,
        "reason": reason,
        "errors": errors,
        "reason_limit": audit.REASON_LIMIT,
        "wallet": wallet,
        "change": change,
        "after": wallet.balance + change,
        "runs_out_after": words.runs_out(ahead.after(change)),
        "here": url_for(f".{act.verb.lower()}", payment_id=payment.id),
        "back": url_for(".show", payment_id=payment.id),
    }


def _granted(payment: Payment) -> int:
    return payment.grant_micros + payment.bonus_micros
