"""The dummy provider's hosted page: a payment page without a card and without signing in."""

from flask import Blueprint, Response, request, url_for

from dashboard.core import queue
from dashboard.core.errors import NotFound
from dashboard.core.money import from_minor, money
from dashboard.providers.dummy import DummyProvider, HostedPage
from dashboard.web import guards, headers, render

pages = Blueprint("dummy", __name__)

DELIVER = "dashboard.jobs.dummy.deliver"
OUTCOMES = {"pay": "paid", "decline": "declined"}
CLOSED = {
    "paid": "This payment was made already. Nothing was charged again.",
    "declined": "The card was declined. Nothing was charged. Start again from the shop.",
    "expired": "This payment page has expired. Nothing was charged.",
}


@pages.get("/dummy/checkout/<session_id>")
def checkout(session_id: str) -> Response:
    _, page = _find(session_id)
    headers.allow_form_to(page.success_url)
    headers.allow_form_to(page.cancel_url)
    return render.render(
        "dummy/checkout.html",
        order=page,
        unit_price=money(from_minor(page.subtotal_minor // page.quantity)),
        subtotal=money(from_minor(page.subtotal_minor)),
        discount=money(from_minor(-page.discount_minor)),
        total=money(from_minor(page.total_minor)),
        closed_words=CLOSED.get(page.state, ""),
    )


@pages.post("/dummy/checkout/<session_id>")
def decide(session_id: str) -> Response:
    """Pay and decline are final and send an event to our webhook; cancel leaves the page open."""
    provider, page = _find(session_id)
    outcome = request.form.get("outcome", "")
    if outcome == "cancel" and page.state == "open":
        return render.redirect(page.cancel_url)
    if outcome in OUTCOMES and provider.decide(session_id, OUTCOMES[outcome]):
        queue.enqueue(DELIVER, session_id)
        return render.redirect(page.success_url)
    return render.redirect(url_for("dummy.checkout", session_id=session_id))


def _find(session_id: str) -> tuple[DummyProvider, HostedPage]:
    provider = guards.platform_provider()
    if not isinstance(provider, DummyProvider) or not session_id.isprintable():  # PostgreSQL refuses a NUL
        raise NotFound
    page = provider.page(session_id)
    if page is None:
        raise NotFound
    return provider, page
