"""The return page, to which the payment page redirects payers. It only reads; the worker decides what is credited."""

from datetime import timedelta
from functools import partial
from typing import Any

from flask import Response, request, url_for
from sqlalchemy import select

from dashboard.core import clock, ids, queue
from dashboard.core.db import db, transaction
from dashboard.core.errors import NotFound
from dashboard.core.money import from_minor
from dashboard.domain import rate_limits
from dashboard.domain.access.permissions import Verb
from dashboard.domain.payments import states, timeline
from dashboard.domain.payments.receipts import receipts
from dashboard.models import Payment
from dashboard.web import guards, render
from dashboard.web.buy.blueprint import pages
from dashboard.web.guards import Visit

CHECK = "dashboard.jobs.payments.check"
WAIT_SECONDS = 60
POLL_SECONDS = 2
LONG_AGO = timedelta(minutes=10)


@pages.get("/o/<slug>/buy/return")
def returned(slug: str) -> Response:
    visit = guards.enter(slug, Verb.BUY)
    payment = _payment_of(visit)
    state, since = _state(payment), _since()
    here = partial(url_for, "buy.returned", slug=slug, payment=payment.id if payment else None)
    waiting = state == "waiting" and _now() - since < WAIT_SECONDS
    if "since" in request.args and render.is_htmx():
        if state != "waiting":  # the whole page, because the balance in the navigation has changed too
            return render.redirect(here())
        if waiting:
            return render.unchanged()
    return render.render(
        "buy/return.html",
        fragment="buy/_payment.html",
        visit=visit,
        payment=payment,
        amount_of=timeline.amount,
        state=state,
        **_told(payment),
        cancelled="cancelled" in request.args,
        poll=here(since=since) if waiting else "",
        poll_seconds=POLL_SECONDS,
    )


@pages.post("/o/<slug>/buy/return/check")
def check(slug: str) -> Response:
    """Enqueues the same job as the webhook does. Beyond a user's limit nothing happens: each job is a call to the
    provider, and those of one payer must not delay others'."""
    visit = guards.enter(slug, Verb.BUY)
    payment = _payment_of(visit)
    if payment is None:
        raise NotFound
    if payment.state in states.UNSETTLED:
        with transaction():
            within = rate_limits.exceeded(rate_limits.PAYMENT_CHECK, str(visit.by.id)) is None
        if within:
            queue.enqueue(CHECK, str(visit.org.id), str(payment.id))
    if render.is_htmx():
        return render.unchanged()
    return render.redirect(url_for("buy.returned", slug=slug, payment=payment.id))


def _payment_of(visit: Visit) -> Payment | None:
    """The payer's payment that the URL names; None if it names none. Raises NotFound for another payer's payment."""
    payment_id = ids.parse(request.values.get("payment", ""))
    if payment_id is None:
        return None
    payment = db.session.scalar(select(Payment).filter_by(org_id=visit.org.id, id=payment_id))
    if payment is None or (payment.actor_kind, payment.actor_id) != (visit.by.kind, visit.by.id):
        raise NotFound
    return payment


def _told(payment: Payment | None) -> dict[str, Any]:
    """The price, the problem and what to do; whether there is a receipt, and the email with it."""
    if payment is None:
        return {}
    receipt = receipts.exists(payment)
    return {
        "paid_micros": from_minor(payment.amount_minor),
        "problem": timeline.problem(payment),
        "advice": timeline.advice(payment),
        "receipt": receipt,
        "mailed": receipts.mailed(payment) if receipt else None,
    }


def _state(payment: Payment | None) -> str:
    """The page to show: none, cancelled, waiting, delayed, confirmed, handled, failed, rejected, expired or review."""
    if payment is None:
        return "none"
    if payment.state == "credited":
        long_ago = payment.credited_at is not None and payment.credited_at < clock.now() - LONG_AGO
        return "handled" if long_ago else "confirmed"
    if timeline.delayed(payment):
        return "delayed"
    if payment.state in states.UNSETTLED:
        return "cancelled" if "cancelled" in request.args and payment.state != "paid" else "waiting"
    return "rejected" if payment.rejected else payment.state


def _since() -> int:
    """The second in which this page began to wait. It is part of the poll's URL, so that waiting ends."""
    text = request.args.get("since", "")
    if not text:
        return _now()
    known = text.isascii() and text.isdecimal() and len(text) <= 12
    return min(int(text), _now()) if known else 0


def _now() -> int:
    return int(clock.now().timestamp())
