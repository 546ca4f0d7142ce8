"""The catalog for its seller: the list, one pack with its versions, and their order."""

from typing import Any
from uuid import UUID

from flask import Response, request, url_for

from dashboard.core import cursors
from dashboard.core.db import transaction
from dashboard.core.errors import Invalid, NotFound
from dashboard.domain.catalog import products, sync
from dashboard.domain.catalog.products import Offer
from dashboard.domain.catalog.sales import Sold
from dashboard.domain.catalog.terms import Terms
from dashboard.models import ProviderPrice
from dashboard.web import guards, packs, render
from dashboard.web.catalog import desk as desks
from dashboard.web.catalog.blueprint import pages
from dashboard.web.catalog.desk import KINDS, Desk

PAGE = 50
CHANGED = {"archive": "is archived. What was sold stays as it was.", "restore": "is on sale again."}


@pages.get("")
def listing() -> Response:
    desk = desks.sit()
    old = request.args.get("state") == "archived"
    offers, older = _archived(desk) if old else (products.on_sale(desk.catalog_id, mode=desk.mode), "")
    standings = desks.standings(desk, [offer.version for offer in offers])
    return render.render(
        "catalog/listing.html", desk=desk, old=old, older=older, synced=desks.synced(desk), kinds=KINDS,
        problem=desks.account_problem(desk),
        newest=url_for(".listing", state="archived") if request.args.get("cursor") else "",
        rows=[_row(offer, standings.get(offer.version.id)) for offer in offers], pieces=packs.pieces,
        sold=Sold(desk.catalog_id, [offer.product.id for offer in offers], mode=desk.mode),
        shown=[packs.option(offer) for offer in offers],
    )  # fmt: skip


@pages.get("/<uuid:product_id>")
def show(product_id: UUID) -> Response:
    desk = desks.sit()
    offer = products.find(desk.catalog_id, product_id, mode=desk.mode)
    versions = products.versions(offer.product)
    standings = desks.standings(desk, versions)
    standing = standings.get(offer.version.id)
    return render.render(
        "catalog/show.html", desk=desk, offer=offer, state=desks.state(offer), versions=versions, kinds=KINDS,
        standings=standings, match=desks.match, synced=desks.synced(desk), standing=standing,
        drift=_drift(offer, standing), sold=Sold(desk.catalog_id, [offer.product.id], mode=desk.mode),
        pieces=packs.pieces, provider=_provider(), option=packs.option(offer), sells=products.sells(offer),
        terms=Terms.of(offer.version),
    )  # fmt: skip


@pages.post("/<uuid:product_id>/<any(archive, restore):act>")
def switch(product_id: UUID, act: str) -> Response:
    """Take a pack off sale or put it back. What was sold is unaffected, so it happens at once."""
    desk = desks.sit(change=True)
    guards.require_recent()
    try:
        with transaction(org=desk.catalog_id):
            offer = products.change(desk.catalog_id, product_id, active=act == "restore", by=desk.by)
    except Invalid as refusal:
        render.toast_next(refusal.detail, bad=True)
    else:
        render.toast_next(f"{offer.product.name} {CHANGED[act]}")
    return render.redirect(url_for(".show", product_id=product_id))


@pages.post("/<uuid:product_id>/move")
def move(product_id: UUID) -> Response:
    desk = desks.sit(change=True)
    guards.require_recent()
    with transaction(org=desk.catalog_id):
        products.move(desk.catalog_id, product_id, up=request.form.get("to") == "up", by=desk.by)
    return render.redirect(url_for(".listing"))


@pages.post("/<uuid:product_id>/price")
def price(product_id: UUID) -> Response:
    """Have the worker check the provider's price again and, if requested, replace it with ours."""
    desk = desks.sit(change=True)
    anew = request.form.get("anew") == "1"
    offer = products.find(desk.catalog_id, product_id, mode=desk.mode)
    guards.require_recent()
    if not desks.synced(desk):
        raise NotFound
    with transaction(org=desk.catalog_id):
        sync.put_right(offer.version, mode=desk.mode, anew=anew, by=desk.by)
    render.toast_next("The worker puts the price right now." if anew else "The worker looks at the price now.")
    return render.redirect(url_for(".show", product_id=product_id))


def _archived(desk: Desk) -> tuple[list[Offer], str]:
    """A page of packs that are off sale, newest first, and where the next page starts."""
    scope = ("archived packs", desk.catalog_id)
    try:
        after = cursors.decode_id(request.args.get("cursor"), *scope)
    except Invalid:
        after = None
    offers = products.archived(desk.catalog_id, mode=desk.mode, after=after, limit=PAGE + 1)
    if len(offers) <= PAGE:
        return offers, ""
    cursor = cursors.encode(offers[PAGE - 1].product.id.bytes, *scope)
    return offers[:PAGE], url_for(".listing", state="archived", cursor=cursor)


def _row(offer: Offer, standing: ProviderPrice | None) -> dict[str, Any]:
    return {
        "offer": offer, "state": desks.state(offer), "match": desks.match(standing), "standing": standing,
        "terms": Terms.of(offer.version),
    }  # fmt: skip


def _drift(offer: Offer, standing: ProviderPrice | None) -> list[tuple[str, str, str]]:
    """What differs at the provider, with both values: label, ours, theirs."""
    if standing is None or standing.state != "drift":
        return []
    seen, version = standing.seen or {}, offer.version
    if "currency" not in seen:
        return [("Price", standing.price_ref or "\u2013", "not there any more")]
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
