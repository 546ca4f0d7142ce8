"""The catalog for its seller: the list, one pack with its versions, and their order."""

from typing import Any
from uuid import UUID

from flask import Response, request, url_for

from dashboard.core import cursors
from dashboard.core.db import transaction
from dashboard.core.errors import Invalid, NotFound
from dashboard.domain.catalog import products, sync
from dashboard.domain.catalog.products import Offer
from dashboard.domain.catalog.sales import RecentSales
from dashboard.domain.catalog.terms import Terms
from dashboard.models import ProviderPrice
from dashboard.web import guards, packs, render
from dashboard.web.catalog import context
from dashboard.web.catalog.blueprint import pages
from dashboard.web.catalog.context import KINDS, CatalogContext

PAGE = 50
CHANGED = {"archive": "is archived. What was sold stays as it was.", "restore": "is on sale again."}


@pages.get("")
def listing() -> Response:
    catalog = context.load()
    old = request.args.get("state") == "archived"
    offers, older = _archived(catalog) if old else (products.on_sale(catalog.catalog_id, mode=catalog.mode), "")
    price_statuses = context.price_statuses(catalog, [offer.version for offer in offers])
    return render.render(
        "catalog/listing.html", catalog=catalog, old=old, older=older, synced=context.synced(catalog), kinds=KINDS,
        problem=context.account_problem(catalog),
        newest=url_for(".listing", state="archived") if request.args.get("cursor") else "",
        rows=[_row(offer, price_statuses.get(offer.version.id)) for offer in offers], pieces=packs.pieces,
        sold=RecentSales(catalog.catalog_id, [offer.product.id for offer in offers], mode=catalog.mode),
        shown=[packs.option(offer) for offer in offers],
    )  # fmt: skip


@pages.get("/<uuid:product_id>")
def show(product_id: UUID) -> Response:
    catalog = context.load()
    offer = products.find(catalog.catalog_id, product_id, mode=catalog.mode)
    versions = products.versions(offer.product)
    price_statuses = context.price_statuses(catalog, versions)
    price_status = price_statuses.get(offer.version.id)
    return render.render(
        "catalog/show.html", catalog=catalog, offer=offer, state=context.state(offer), versions=versions, kinds=KINDS,
        price_statuses=price_statuses, match=context.match, synced=context.synced(catalog), price_status=price_status,
        drift=_drift(offer, price_status), sold=RecentSales(catalog.catalog_id, [offer.product.id], mode=catalog.mode),
        pieces=packs.pieces, provider=_provider(), option=packs.option(offer), sells=products.sells(offer),
        terms=Terms.of(offer.version),
    )  # fmt: skip


@pages.post("/<uuid:product_id>/<any(archive, restore):act>")
def switch(product_id: UUID, act: str) -> Response:
    """Take a pack off sale or put it back. What was sold is unaffected, so it happens at once."""
    catalog = context.load(change=True)
    guards.require_recent()
    try:
        with transaction(org=catalog.catalog_id):
            offer = products.change(catalog.catalog_id, product_id, active=act == "restore", by=catalog.by)
    except Invalid as refusal:
        render.toast_next(refusal.detail, bad=True)
    else:
        render.toast_next(f"{offer.product.name} {CHANGED[act]}")
    return render.redirect(url_for(".show", product_id=product_id))


@pages.post("/<uuid:product_id>/move")
def move(product_id: UUID) -> Response:
    catalog = context.load(change=True)
    guards.require_recent()
    with transaction(org=catalog.catalog_id):
        products.move(catalog.catalog_id, product_id, up=request.form.get("to") == "up", by=catalog.by)
    return render.redirect(url_for(".listing"))


@pages.post("/<uuid:product_id>/price")
def price(product_id: UUID) -> Response:
    """Have the worker check the provider's price again and, if requested, replace it with ours."""
    catalog = context.load(change=True)
    replace = request.form.get("anew") == "1"
    offer = products.find(catalog.catalog_id, product_id, mode=catalog.mode)
    guards.require_recent()
    if not context.synced(catalog):
        raise NotFound
    with transaction(org=catalog.catalog_id):
        sync.put_right(offer.version, mode=catalog.mode, replace=replace, by=catalog.by)
    render.toast_next("The price is being corrected." if replace else "The price is being checked.")
    return render.redirect(url_for(".show", product_id=product_id))


def _archived(catalog: CatalogContext) -> tuple[list[Offer], str]:
    """A page of packs that are off sale, newest first, and where the next page starts."""
    scope = ("archived packs", catalog.catalog_id)
    try:
        after = cursors.decode_id(request.args.get("cursor"), *scope)
    except Invalid:
        after = None
    offers = products.archived(catalog.catalog_id, mode=catalog.mode, after=after, limit=PAGE + 1)
    if len(offers) <= PAGE:
        return offers, ""
    cursor = cursors.encode(offers[PAGE - 1].product.id.bytes, *scope)
    return offers[:PAGE], url_for(".listing", state="archived", cursor=cursor)


def _row(offer: Offer, price_status: ProviderPrice | None) -> dict[str, Any]:
    return {
        "offer": offer, "state": context.state(offer), "match": context.match(price_status),
        "price_status": price_status, "terms": Terms.of(offer.version),
    }  # fmt: skip


def _drift(offer: Offer, price_status: ProviderPrice | None) -> list[tuple[str, str, str]]:
    """What differs at the provider, with both values: label, ours, theirs."""
    if price_status is None or price_status.state != "drift":
        return []
    seen, version = price_status.seen or {}, offer.version
    if "currency" not in seen:
        return [("Price", price_status.price_ref or "\u2013", "not there any more")]
    here = _money(version.price_minor, version.currency.upper())
    there = _money(seen["amount_minor"], seen["currency"].upper())
    return [
        ("Amount", here, there),
        ("Price", "on sale", _switched(seen["active"])),
        ("Product", "on sale", _switched(seen.get("product_active", True))),
    ]


def _switched(on: bool) -> str:
    return "active" if on else "archived"


def _money(minor: int, currency: str) -> str:
    return f"{minor // 100:,}.{minor % 100:02d} {currency}"


def _provider() -> str:
    return guards.platform_provider().name.capitalize()
