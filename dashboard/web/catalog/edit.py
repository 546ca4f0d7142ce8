"""Creating and editing packs: a form with a preview of what customers will see and what saving does."""

from typing import Any
from uuid import UUID

from flask import Response, request, url_for

from dashboard.core import ids
from dashboard.core.db import transaction
from dashboard.core.errors import Forbidden, Invalid
from dashboard.domain.catalog import products
from dashboard.domain.catalog.products import AlreadyMade, Offer, Stale
from dashboard.domain.catalog.rates import UnusualRate
from dashboard.domain.catalog.sales import RecentSales
from dashboard.domain.catalog.terms import Terms
from dashboard.web import guards, packs, render
from dashboard.web.catalog import context, form
from dashboard.web.catalog.blueprint import pages
from dashboard.web.catalog.context import KINDS, CatalogContext
from dashboard.web.catalog.form import Draft


@pages.get("/new")
def new() -> Response:
    return _show(context.load(change=True), form.read(form.FRESH), None, errors={})


@pages.post("")
def create() -> Response:
    catalog = context.load(change=True)
    draft, key = form.read(request.form), ids.parse(request.form.get("key", ""))
    if draft.errors or "update" in request.form or draft.terms is None:
        return _show(catalog, draft, None)
    guards.require_recent()
    try:
        with transaction(org=catalog.catalog_id):
            made = products.create(
                catalog.catalog_id, name=draft.name, description=draft.description, by=catalog.by, product_id=key,
                confirmed=_confirmed(draft.terms), **_terms(draft.terms),
            )  # fmt: skip
    except UnusualRate as unusual:
        return _show(catalog, draft, None, status=422, unusual=unusual.detail)
    except Invalid as refusal:
        return _show(catalog, draft, None, errors={"": refusal.detail})
    except AlreadyMade:
        twin = products.find(catalog.catalog_id, key, mode=catalog.mode) if key else None
        return _show(catalog, draft, None, status=409, made=twin)
    render.toast_next(f"{made.product.name} is on sale.")
    return render.redirect(url_for(".show", product_id=made.product.id))


@pages.get("/<uuid:product_id>/edit")
def edit(product_id: UUID) -> Response:
    catalog = context.load(change=True)
    offer = _find(catalog, product_id)
    return _show(catalog, form.read(form.values_of(offer)), offer, errors={})


@pages.post("/<uuid:product_id>/edit")
def change(product_id: UUID) -> Response:
    catalog = context.load(change=True)
    draft, offer = form.read(request.form), _find(catalog, product_id)
    if draft.errors or "update" in request.form or draft.terms is None:
        return _show(catalog, draft, offer, revision=_revision())
    guards.require_recent()
    before = offer.version.number
    try:
        changed = _save(catalog, offer, draft, draft.terms)
    except UnusualRate as unusual:
        return _show(catalog, draft, offer, status=422, revision=_revision(), unusual=unusual.detail)
    except Stale:
        return _stale(catalog, draft, product_id)
    render.toast_next(_said(changed, before))
    return render.redirect(url_for(".show", product_id=product_id))


@pages.get("/preview")
def preview() -> Response:
    """What the current form would make of the pack; the form requests it while the user types."""
    catalog, product_id = context.load(change=True), ids.parse(request.args.get("of", ""))
    offer = products.find(catalog.catalog_id, product_id, mode=catalog.mode) if product_id else None
    return render.render("catalog/_preview.html", **_preview(catalog, form.read(request.args), offer))


def _find(catalog: CatalogContext, product_id: UUID) -> Offer:
    offer = products.find(catalog.catalog_id, product_id, mode=catalog.mode)
    if offer.product.source:
        raise Forbidden("This product comes from the settings and changes with them.")
    return offer


def _save(catalog: CatalogContext, offer: Offer, draft: Draft, terms: Terms) -> Offer:
    with transaction(org=catalog.catalog_id):
        return products.change(
            catalog.catalog_id, offer.product.id, by=catalog.by, revision=_revision(), name=draft.name,
            description=draft.description, confirmed=_confirmed(terms), **_terms(terms),
        )  # fmt: skip


def _stale(catalog: CatalogContext, draft: Draft, product_id: UUID) -> Response:
    """409 with both values of what differs. When sent again, the form is based on the current state."""
    offer = products.find(catalog.catalog_id, product_id, mode=catalog.mode)
    return _show(catalog, draft, offer, status=409, conflicts=form.differences(draft, offer))


def _show(
    catalog: CatalogContext,
    draft: Draft,
    offer: Offer | None,
    *,
    errors: dict[str, str] | None = None,
    revision: int | None = None,
    status: int = 0,
    conflicts: list[tuple[str, str, str]] | None = None,
    made: Offer | None = None,
    unusual: str = "",
) -> Response:
    """The form, with a new key if the submitted one already created a pack. `unusual` is a rate to confirm."""
    errors = {} if "update" in request.form else draft.errors if errors is None else errors
    key = None if made else ids.parse(request.form.get("key", ""))
    return render.render(
        "catalog/form.html", status=status or (422 if errors else 200), catalog=catalog, offer=offer,
        values=draft.values,
        errors=errors, labels=form.LABELS, kinds=list(KINDS.items()), key=key or ids.new(), conflicts=conflicts or [],
        made=made, unusual=unusual, rate=_rate(draft.terms) if draft.terms else "",
        name_limit=form.NAME_LIMIT, revision=revision or (offer.product.revision if offer else 0),
        **_preview(catalog, draft, offer),
    )  # fmt: skip


def _preview(catalog: CatalogContext, draft: Draft, offer: Offer | None) -> dict[str, Any]:
    terms = draft.terms
    known = Terms.of(offer.version) if offer else None
    shown = packs.face("", draft.name or "Name", draft.description, terms) if terms else None
    sold = (
        RecentSales(catalog.catalog_id, [offer.product.id], mode=catalog.mode).by_version.get(offer.version.id, 0)
        if offer
        else 0
    )
    return {"shown": shown, "terms": terms, "known": known, "version": offer.version if offer else None, "sold": sold}


def _terms(terms: Terms) -> dict[str, Any]:
    """In one currency: the form has no other."""
    return {name: value for name, value in terms.values().items() if name != "currency"}


def _confirmed(terms: Terms) -> bool:
    """Whether the second confirmation was given for exactly these terms."""
    return request.form.get("confirm_unusual_rate") == _rate(terms)


def _rate(terms: Terms) -> str:
    return f"{terms.price_minor}:{terms.credited_micros}"


def _revision() -> int:
    """The product's revision from which the form was created; a form without one is outdated."""
    text = request.form.get("revision", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1


def _said(offer: Offer, before: int) -> str:
    if offer.version.number == before:
        return f"{offer.product.name} is saved. It still sells version {before}."
    return f"{offer.product.name} now sells version {offer.version.number}."
