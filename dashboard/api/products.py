"""The catalog that an organization buys from: the platform's, or its own if it is self-funded."""

from typing import Annotated, Literal
from uuid import UUID

from flask import Response
from pydantic import Field

from dashboard.api import auth, inputs, paging, shapes
from dashboard.api.auth import Access
from dashboard.api.routes import answer, blueprint
from dashboard.core.db import transaction
from dashboard.core.errors import Forbidden
from dashboard.domain.access.permissions import Verb
from dashboard.domain.audit import Actor
from dashboard.domain.catalog import configured, products
from dashboard.domain.catalog.products import Offer
from dashboard.domain.catalog.terms import CREDITS_LIMIT, EXPIRY_LIMIT_DAYS, QUANTITY_LIMIT
from dashboard.domain.org_status import OrgAction

api = blueprint("products")


class PlatformFunded(Forbidden):
    code = "platform_funded"


Bonus = Annotated[int, Field(ge=0, le=CREDITS_LIMIT)]
Quantity = Annotated[int, Field(ge=1, le=QUANTITY_LIMIT)]
Days = Annotated[int, Field(ge=0, le=EXPIRY_LIMIT_DAYS)]
BonusDays = Annotated[
    Days, Field(description="How many days after the purchase the bonus expires; 0: with the credits.")
]
BonusPriority = Annotated[
    inputs.Priority, Field(description="0 to 100: of promotional credit, the lower number is spent first.")
]
Kind = Literal["paid", "promotional"]


class ProductCreate(inputs.PostBody):
    """A pack of credits for a price. `active` says whether it is on sale; `grant_kind` is the kind of credit of the
    amount; the bonus is always promotional. What is left expires `expires_days` days after the purchase, 0: never; the
    bonus after `bonus_expires_days` days, 0: with the credits. If the credits per dollar are far from those of the
    packs on sale, the response is 422 `unusual_rate` unless `confirm_unusual_rate` is true."""

    name: inputs.Text
    price_cents: int
    amount_micros: inputs.AmountMicros
    currency: inputs.Text = "usd"
    description: inputs.Text = ""
    bonus_micros: Bonus = 0
    grant_kind: Kind = "paid"
    min_quantity: Quantity = 1
    max_quantity: Quantity = QUANTITY_LIMIT
    expires_days: Days | None = None
    bonus_expires_days: BonusDays | None = None
    bonus_priority: BonusPriority | None = None
    active: bool = True
    confirm_unusual_rate: bool = False


class ProductUpdate(inputs.Body):
    """Omitted fields stay unchanged. A new price, amount or quantity creates a new version; sold ones do not change. A
    new rate of credits per dollar is checked as for a new product."""

    name: inputs.Text | None = None
    description: inputs.Text | None = None
    price_cents: int | None = None
    amount_micros: inputs.AmountMicros | None = None
    bonus_micros: Bonus | None = None
    grant_kind: Kind | None = None
    min_quantity: Quantity | None = None
    max_quantity: Quantity | None = None
    expires_days: Days | None = None
    bonus_expires_days: BonusDays | None = None
    bonus_priority: BonusPriority | None = None
    active: bool | None = None
    confirm_unusual_rate: bool = False


@api.get("/orgs/<org:org_id>/products", responses={200: shapes.ProductList})
def list_(path: inputs.OrgPath, query: paging.PageQuery) -> Response:
    """What the organization can buy; for a self-funded one, its whole catalog"""
    access = auth.enter(path.org_id, Verb.READ_CATALOG)
    if access.org.funding == "own":
        return answer(page(access.org.id, query, mode=access.mode))
    configured.configured_problem(auth.platform_provider())  # the other packs are listed without it
    scope = ("on sale", access.org.id)
    after = query.after(*scope)
    offers = sorted(products.on_sale(products.catalog_of(access.org), mode=access.mode), key=_id, reverse=True)
    rows, cursor = query.cut([one for one in offers if after is None or _id(one) < after], _id, *scope)
    return answer(shapes.ProductList(data=[shapes.product(row) for row in rows], next_cursor=cursor))


@api.post("/orgs/<org:org_id>/products", responses={201: shapes.Product})
def create(path: inputs.OrgPath, body: ProductCreate) -> Response:
    """Add to a self-funded organization's catalog"""
    access = _own_catalog(path.org_id)
    return answer(shapes.product(make(access.org.id, body, by=access.actor)), 201)


@api.get("/orgs/<org:org_id>/products/<uuid:id>", responses={200: shapes.Product})
def retrieve(path: inputs.OrgItemPath) -> Response:
    """One product, on sale or not"""
    access = auth.enter(path.org_id, Verb.READ_CATALOG)
    return answer(shapes.product(products.find(products.catalog_of(access.org), path.id, mode=access.mode)))


@api.patch("/orgs/<org:org_id>/products/<uuid:id>", responses={200: shapes.Product})
def update(path: inputs.OrgItemPath, body: ProductUpdate) -> Response:
    """Change a product of a self-funded organization"""
    access = _own_catalog(path.org_id)
    return answer(shapes.product(alter(access.org.id, path.id, body, by=access.actor)))


@api.delete("/orgs/<org:org_id>/products/<uuid:id>", responses={204: None})
def archive(path: inputs.OrgItemPath) -> Response:
    """Take a product of a self-funded organization off sale"""
    access = _own_catalog(path.org_id)
    alter(access.org.id, path.id, ProductUpdate(active=False), by=access.actor)
    return Response(status=204)


def page(catalog_id: UUID, query: paging.PageQuery, *, mode: str) -> shapes.ProductList:
    """A page of a whole catalog, including archived products."""
    scope = ("catalog", catalog_id)
    offers = products.everything(catalog_id, mode=mode, after=query.after(*scope), limit=query.size + 1)
    rows, cursor = query.cut(offers, _id, *scope)
    return shapes.ProductList(data=[shapes.product(row) for row in rows], next_cursor=cursor)


def make(catalog_id: UUID, body: ProductCreate, *, by: Actor) -> Offer:
    with transaction(org=catalog_id):
        return products.create(
            catalog_id, name=body.name, price_minor=body.price_cents, grant_micros=body.amount_micros, by=by,
            bonus_micros=body.bonus_micros, currency=body.currency, description=body.description, active=body.active,
            grant_kind=body.grant_kind, min_quantity=body.min_quantity, max_quantity=body.max_quantity,
            expires_days=body.expires_days or 0, bonus_expires_days=body.bonus_expires_days or 0,
            bonus_priority=body.bonus_priority or 0, confirmed=body.confirm_unusual_rate,
        )  # fmt: skip


def alter(catalog_id: UUID, product_id: UUID, body: ProductUpdate, *, by: Actor) -> Offer:
    with transaction(org=catalog_id):
        return products.change(
            catalog_id, product_id, by=by, name=body.name, description=body.description, active=body.active,
            price_minor=body.price_cents, grant_micros=body.amount_micros, bonus_micros=body.bonus_micros,
            grant_kind=body.grant_kind, min_quantity=body.min_quantity, max_quantity=body.max_quantity,
            expires_days=body.expires_days, bonus_expires_days=body.bonus_expires_days,
            bonus_priority=body.bonus_priority, confirmed=body.confirm_unusual_rate,
        )  # fmt: skip


def _own_catalog(org_id: str) -> Access:
    """The organization, if the caller may change its own catalog. A platform-funded organization has none."""
    access = auth.find(org_id)
    auth.require_open(access)
    if access.org.funding != "own":
        raise PlatformFunded("This organization buys from the platform's catalog, which it cannot change.")
    return auth.enter(org_id, Verb.MANAGE_OWN_CATALOG, OrgAction.BUY)


def _id(offer: Offer) -> UUID:
    return offer.product.id
