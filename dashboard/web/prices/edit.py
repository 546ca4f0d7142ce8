"""New metrics and new versions of prices. A version is reviewed before it is saved: what the last 30 days would have
cost at the old and at the new price."""

from typing import Any

from flask import Response, request, url_for

from dashboard.core import clock
from dashboard.core.db import transaction
from dashboard.core.errors import Conflict, Invalid
from dashboard.core.units import counted
from dashboard.domain import audit
from dashboard.domain.organizations import organizations
from dashboard.domain.usage import metrics
from dashboard.domain.usage.pricing.preview import preview
from dashboard.models import Metric, Organization, Price
from dashboard.web import guards, render
from dashboard.web.price_words import price_words
from dashboard.web.prices import context, form
from dashboard.web.prices.blueprint import pages
from dashboard.web.prices.context import PriceContext
from dashboard.web.prices.form import Draft

METRIC = {"metric_key": "Key", "name": "Name", "unit": "Unit", "reason": "Reason"}


@pages.get("/new")
def new() -> Response:
    return _metric_form(context.load(change=True), {})


@pages.post("")
def create() -> Response:
    prices = context.load(change=True)
    values = {name: request.form.get(name, "").strip() for name in METRIC}
    guards.require_recent()
    try:
        reason = audit.checked_reason(values["reason"]) if prices.platform else None
        with transaction(org=prices.owner_id):
            metric = metrics.create(
                prices.owner_id, key=values["metric_key"], name=values["name"], unit=values["unit"], by=prices.by,
                reason=reason,
            )  # fmt: skip
    except Invalid as refusal:
        return _metric_form(prices, render.errors_of(refusal), status=422)
    except Conflict as refusal:
        return _metric_form(prices, {"metric_key": refusal.detail}, status=refusal.status)
    render.toast_next(f"{metric.name} is there. Give it a price, so that it can be used.")
    return render.redirect(url_for(".price", metric_key=metric.key))


@pages.get("/<metric_key>/price")
def price(metric_key: str) -> Response:
    """The form, filled with the price in force."""
    prices = context.load(change=True)
    metric = prices.metric(metric_key)
    payer = _payer(prices, request.args.get("org", ""))
    values, tiers = form.values_of(_in_force(payer, metric))
    values |= {"org": payer.slug if payer.id != prices.org.id else ""}
    return _price_form(prices, metric, values, tiers, {})


@pages.post("/<metric_key>/price")
def set_price(metric_key: str) -> Response:
    prices = context.load(change=True)
    metric, draft = prices.metric(metric_key), form.read(request.form)
    errors = dict(draft.errors)
    try:
        payer = _payer(prices, draft.values["org"])
    except Invalid as refusal:
        errors["org"], payer = refusal.detail, prices.org
    if errors or draft.terms is None or "back" in request.form:
        shown = {} if "back" in request.form else errors
        return _price_form(prices, metric, draft.values, draft.tiers, shown, status=422 if shown else 200)
    if "confirm" not in request.form:
        return _review(prices, metric, payer, draft, {})
    guards.require_recent()
    try:
        reason = audit.checked_reason(draft.values["reason"]) if prices.platform else None
        with transaction(org=payer.id):
            row, made = metrics.put_price(payer.id, metric, draft.terms, since=draft.since, by=prices.by, reason=reason)
    except Invalid as refusal:
        return _review(prices, metric, payer, draft, render.errors_of(refusal))
    except Conflict as refusal:
        return _review(prices, metric, payer, draft, {"": refusal.detail}, status=refusal.status)
    words = price_words(row, metric.unit)
    render.toast_next(f"{metric.name}: {words}." if made else f"{metric.name} has this price already: {words}.")
    return render.redirect(url_for(".show", metric_key=metric.key))


def _payer(prices: PriceContext, slug: str) -> Organization:
    """Who pays the price: everyone, or the one organization that a manager names. Raises Invalid."""
    if not prices.platform or not slug:
        return prices.org
    org = organizations.by_slug(slug[:100])
    if org is None or org.kind == "platform" or org.closed_at is not None:
        raise Invalid("There is no such organization. Enter its slug, as in its address.", field="org")
    if org.funding == "own":
        raise Invalid("This organization funds itself and sets its own prices.", field="org")
    return org


def _in_force(payer: Organization, metric: Metric) -> Price | None:
    return metrics.price_at(metrics.prices_of(payer, [metric.key])[metric.key], clock.now())


def _metric_form(prices: PriceContext, errors: dict[str, str], *, status: int = 200) -> Response:
    return render.render(
        "prices/metric.html", status=status, prices=prices, errors=errors, labels=METRIC, values=request.form,
        name_limit=metrics.LONGEST_NAME, reason_limit=audit.REASON_LIMIT,
    )  # fmt: skip


def _price_form(
    prices: PriceContext, metric: Metric, values: dict[str, str], tiers: list[dict[str, str]], errors: dict[str, str],
    *, status: int = 200,
) -> Response:  # fmt: skip
    return render.render(
        "prices/form.html", status=status, prices=prices, metric=metric, values=values, rows=form.rows(tiers),
        errors=errors, labels=form.LABELS, kinds=form.KINDS, periods=form.PERIODS,
        now=_in_force(prices.org, metric), price_words=price_words,
    )  # fmt: skip


def _review(
    prices: PriceContext, metric: Metric, payer: Organization, draft: Draft, errors: dict[str, str], *, status: int = 0
) -> Response:  # fmt: skip
    assert draft.terms is not None
    now = _in_force(payer, metric)
    return render.render(
        "prices/review.html", status=status or (422 if errors else 200), prices=prices, metric=metric, payer=payer,
        draft=draft, sent=_sent(draft), errors=errors, labels=form.LABELS, now=now, price_words=price_words,
        counted=counted, reason_limit=audit.REASON_LIMIT,
        seen=preview(payer, metric.key, now, draft.terms, mode=prices.mode),
    )  # fmt: skip


def _sent(draft: Draft) -> dict[str, Any]:
    """The form again, for the confirmation."""
    tiers = {f"{name}_{number}": text for number, row in enumerate(draft.tiers, 1) for name, text in row.items()}
    return {name: text for name, text in (draft.values | tiers).items() if text and name != "reason"}
