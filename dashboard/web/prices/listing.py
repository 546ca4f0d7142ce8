"""The list of metrics with their prices, and one metric with the versions of its price."""

from flask import Response, request, url_for

from dashboard.core.db import transaction
from dashboard.core.errors import Invalid
from dashboard.core.units import counted
from dashboard.domain import audit
from dashboard.domain.usage import metrics
from dashboard.domain.usage.pricing import versions
from dashboard.models import Metric
from dashboard.web import guards, render
from dashboard.web.price_words import price_words
from dashboard.web.prices import context
from dashboard.web.prices.blueprint import pages
from dashboard.web.prices.context import PriceContext

STATES = {"past": ("Past", ""), "in_force": ("In force", "ok"), "scheduled": ("Scheduled", "info")}
CHANGES = {"archive": (metrics.archive, "is archived."), "restore": (metrics.restore, "can be used again.")}


@pages.get("")
def listing() -> Response:
    prices = context.load()
    rows = versions.overview(prices.org, prices.mode, archived=prices.platform or prices.may_change)
    return render.render(
        "prices/listing.html", prices=prices, rows=rows, price_words=price_words, counted=counted,
        missing=sum(one.price is None and one.metric.archived_at is None for one in rows),
    )  # fmt: skip


@pages.get("/<metric_key>")
def show(metric_key: str) -> Response:
    prices = context.load()
    metric = prices.metric(metric_key)
    return render.render(
        "prices/show.html", prices=prices, view=versions.view(prices.org, metric, prices.mode), states=STATES,
        rows=versions.of_metric(prices.org, metric.key), price_words=price_words, counted=counted,
        others=versions.own_prices(metric.key) if prices.platform else [],
    )  # fmt: skip


@pages.get("/<metric_key>/<any(archive, restore):act>")
def ask(metric_key: str, act: str) -> Response:
    prices = context.load(change=True)
    return _confirmation(prices, prices.metric(metric_key), act, {})


@pages.post("/<metric_key>/<any(archive, restore):act>")
def switch(metric_key: str, act: str) -> Response:
    prices = context.load(change=True)
    metric = prices.metric(metric_key)
    guards.require_recent()
    do, done = CHANGES[act]
    try:
        reason = audit.checked_reason(request.form.get("reason", "")) if prices.platform else None
    except Invalid as refusal:
        return _confirmation(prices, metric, act, {"reason": refusal.detail})
    with transaction(org=prices.owner_id):
        do(metric, by=prices.by, reason=reason)
    render.toast_next(f"{metric.name} {done}")
    return render.redirect(url_for(".show", metric_key=metric.key))


def _confirmation(prices: PriceContext, metric: Metric, act: str, errors: dict[str, str]) -> Response:
    return render.render(
        "prices/switch.html", status=422 if errors else 200, prices=prices, metric=metric, act=act, errors=errors,
        reason=request.form.get("reason", ""), reason_limit=audit.REASON_LIMIT,
        view=versions.view(prices.org, metric, prices.mode), counted=counted,
    )  # fmt: skip
