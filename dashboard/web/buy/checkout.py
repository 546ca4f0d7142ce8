"""The buy form: a pack, a quantity, and what they add to the balance; then on to the payment page."""

import re

from flask import Response, request, url_for
from flask_login import current_user
from werkzeug.datastructures import MultiDict

from dashboard.config.urls import base_url
from dashboard.core import ids
from dashboard.core.errors import CofferError, Invalid, TooManyRequests
from dashboard.domain.access.permissions import Verb
from dashboard.domain.catalog import configured, products
from dashboard.domain.catalog.products import Offer
from dashboard.domain.funds.ledger import KeyReused, body_hash
from dashboard.domain.funds.reports import forecast
from dashboard.domain.org_status import OrgAction
from dashboard.domain.payments.checkout.budgets import TooManyCodes
from dashboard.domain.payments.checkout.checkout import (
    MAX_QUANTITY,
    OWN_ACCOUNT,
    Buyer,
    CheckoutRefused,
    ProviderAway,
    ProviderCrowded,
    open_checkout,
)
from dashboard.domain.payments.checkout.promotions import PromotionInvalid
from dashboard.domain.payments.listing import last_bought
from dashboard.models import Payment
from dashboard.providers.base import ProviderError
from dashboard.web import guards, packs, render
from dashboard.web.buy import summary
from dashboard.web.buy.blueprint import pages
from dashboard.web.buy.summary import Choice
from dashboard.web.errors import wait_in_words
from dashboard.web.guards import Visit

AWAY = "The payment page is not available. Nothing was charged. Try again in a few minutes."
SPENT = "This form was sent before with another choice. Check the choice and send it again."
UNFINISHED = "This form was incomplete. Nothing was charged. Send it again."
CHANGED = "This pack changed since the form was opened. Nothing was charged. Check its new terms and send it again."
NOT_NOW = "Buying credits is not available now. Nothing was charged. Try again later."
CATALOG_AWAY = "The payment provider does not answer now, so that packs may be missing. Nothing was charged."

_QUANTITY = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)


@pages.get("/o/<slug>/buy")
def form(slug: str) -> Response:
    visit = guards.enter(slug, Verb.BUY)
    offers, trouble = _catalog(visit)
    first = _first(visit, offers)
    return _show(visit, offers, _choice(offers, MultiDict({**first, **request.args.to_dict()})), trouble=trouble)


@pages.post("/o/<slug>/buy/preview")
def preview(slug: str) -> Response:
    """What the current choice costs and would do to the balance; the form requests it while the user chooses."""
    visit = guards.enter(slug, Verb.BUY)
    choice = _choice(products.on_sale(products.catalog_of(visit.org), mode=visit.mode), request.form)
    return render.render("buy/_after.html", **summary.of(visit, choice))


@pages.post("/o/<slug>/buy")
def create(slug: str) -> Response:
    visit = guards.enter(slug, Verb.BUY, act=OrgAction.BUY)
    offers, trouble = _catalog(visit)
    choice = _choice(offers, request.form)
    if "update" in request.form:
        return _show(visit, offers, choice, trouble=trouble, key=_key())
    if choice.errors or not (key := _key()):
        return _show(visit, offers, choice, problem="" if choice.errors else UNFINISHED, key=_key())
    try:
        payment = _open(visit, choice, key)
    except ProviderAway as away:
        return _away(visit, offers, choice, away, key)
    except TooManyRequests as limit:
        return _limited(visit, offers, choice, limit, key)
    except (CheckoutRefused, Invalid) as refusal:
        return _refused(visit, offers, choice, refusal)
    return render.redirect(_way_on(visit, payment))


def _open(visit: Visit, choice: Choice, key: str) -> Payment:
    assert choice.offer
    assert choice.pieces
    back = f"{base_url()}{url_for('buy.returned', slug=visit.org.slug)}?payment={{payment_id}}"
    return open_checkout(
        Buyer(visit.org, visit.by, current_user.email),
        choice.offer,
        provider=guards.platform_provider(),
        quantity=choice.pieces,
        success_url=f"{back}&session={{CHECKOUT_SESSION_ID}}",
        cancel_url=f"{back}&cancelled=1",
        key=f"page:{current_user.id}:{key}",
        body_hash=body_hash("buy", choice.asked),
        promotion_code=choice.code,
    )


def _way_on(visit: Visit, payment: Payment) -> str:
    """The payment page, or for a form that comes back after its payment ended, the payment's result."""
    if payment.session_url and payment.state == "pending":
        return payment.session_url
    return url_for("buy.returned", slug=visit.org.slug, payment=payment.id)


def _away(visit: Visit, offers: list[Offer], choice: Choice, away: ProviderAway, key: str) -> Response:
    """The form with what was typed. It keeps its key if no call was made. After a lost answer it needs a new one,
    because the provider may have stored a failure under the old key."""
    crowded = isinstance(away, ProviderCrowded)
    shown = _show(visit, offers, choice, problem=away.detail if crowded else AWAY, key=key if crowded else "")
    if not render.is_htmx():  # HTMX does not show the body of a 503
        shown.status_code = away.status
    shown.headers["Retry-After"] = str(away.retry_after)
    return shown


def _limited(visit: Visit, offers: list[Offer], choice: Choice, limit: TooManyRequests, key: str) -> Response:
    """The form with what was typed and its key, because no call was made."""
    text = f"{limit.detail} Try again in {wait_in_words(limit.retry_after)}."
    if isinstance(limit, TooManyCodes):
        choice.errors["promotion_code"], text = text, ""
    shown = _show(visit, offers, choice, problem=text, key=key)
    shown.status_code, shown.headers["Retry-After"] = limit.status, str(limit.retry_after)
    return shown


def _refused(visit: Visit, offers: list[Offer], choice: Choice, refusal: CofferError) -> Response:
    """A definite rejection. A new attempt needs a new key; a field to correct keeps the key."""
    if isinstance(refusal, KeyReused):
        return _show(visit, offers, choice, problem=SPENT)
    at = getattr(refusal, "field", None) or ""
    if not at:
        return _show(visit, offers, choice, problem=refusal.detail)
    choice.errors[at] = refusal.detail
    return _show(visit, offers, choice, key="" if isinstance(refusal, PromotionInvalid) else _key())


def _catalog(visit: Visit) -> tuple[list[Offer], str]:
    """What can be bought, and a line about what prevents it or may be missing."""
    provider, trouble = guards.platform_provider(), ""
    try:
        configured.ensure_configured(provider)
    except (ProviderError, Invalid):
        trouble = CATALOG_AWAY
    if configured.account_problem(provider):
        trouble = NOT_NOW
    offers = products.on_sale(products.catalog_of(visit.org), mode=visit.mode)
    return sorted(offers, key=lambda offer: offer.version.price_minor), trouble


def _first(visit: Visit, offers: list[Offer]) -> dict[str, str]:
    """The initial choice of a new form: what was bought last, else the cheapest pack that covers a month at the current
    pace, else the cheapest, in its smallest quantity."""
    there = [offer for offer in offers if not offer.blocked]
    if not there:
        return {"product_id": "", "quantity": "1"}
    last, month = last_bought(visit.org.id, visit.mode), 30 * forecast.of(visit.wallet).pace_micros
    again = next((offer for offer in there if offer.product.id == last), None)
    lasting = next((offer for offer in there if offer.credited_micros * offer.version.min_quantity >= month), there[0])
    offer = again or lasting
    return {"product_id": str(offer.product.id), "quantity": str(offer.version.min_quantity)}


def _choice(offers: list[Offer], sent: MultiDict[str, str]) -> Choice:
    """Parse the fields; a duplicate name is invalid. `version_id` is sent for each pack that the form showed."""
    values = {name: sent.get(name, "")[:100] for name in ("product_id", "quantity", "promotion_code")}
    chosen = ids.parse(values["product_id"]) if len(sent.getlist("product_id")) == 1 else None
    offer = next((offer for offer in offers if offer.product.id == chosen), None)
    least, most = (offer.version.min_quantity, offer.version.max_quantity) if offer else (1, MAX_QUANTITY)
    pieces = _pieces(sent.getlist("quantity"), least, most)
    errors = {}
    if offer is None or offer.blocked:
        errors["product_id"] = "This pack is not available now." if offer else "Choose a credit pack that is on sale."
    elif str(offer.version.id) not in sent.getlist("version_id"):
        errors["product_id"] = CHANGED
    if pieces is None:
        words = f"a whole number from {least} to {most}" if least < most else str(least)
        errors["quantity"] = f"Enter {words}."
    if len(sent.getlist("promotion_code")) > 1:
        errors["promotion_code"] = "Enter one promotion code."
    return Choice(offer, pieces, values, errors)


def _pieces(typed: list[str], least: int, most: int) -> int | None:
    text = typed[0].strip(" ") if len(typed) == 1 and len(typed[0]) <= 40 else ""
    return int(text) if _QUANTITY.fullmatch(text) and least <= int(text) <= most else None


def _key() -> str:
    """The key with which the form was rendered; empty if it is not one of ours."""
    parsed = ids.parse(request.form.get("idempotency_key", ""))
    return str(parsed) if parsed and len(request.form.getlist("idempotency_key")) == 1 else ""


def _show(
    visit: Visit, offers: list[Offer], choice: Choice, *, trouble: str = "", problem: str = "", key: str = ""
) -> Response:
    """The form, with 422 if something must be corrected. Without `key` it gets a new one, for a new attempt."""
    shown = summary.of(visit, choice)
    refused = {"promotion_code": shown["code_refused"]} if "update" in request.form and shown["code_refused"] else {}
    errors = ({"": problem} if problem else {}) | (choice.errors if request.method == "POST" else {}) | refused
    return render.render(
        "buy/form.html",
        fragment="buy/_form.html",
        status=422 if errors else 200,
        visit=visit,
        options=[packs.option(offer, pace_micros=shown["pace"]) for offer in offers],
        versions=[offer.version.id for offer in offers],
        values=choice.values,
        errors=errors,
        trouble=trouble,
        key=key or str(ids.new()),
        dialog=render.is_htmx() if request.method == "GET" else "dialog" in request.form,
        plain=not render.is_htmx(),
        dummy=guards.platform_provider().name == "dummy",
        own_account=OWN_ACCOUNT,
        **shown,
    )
