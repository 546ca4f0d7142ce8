"""The platform's catalog."""

from flask import Response

from dashboard.api import auth, inputs, paging, products, shapes
from dashboard.api.routes import PLATFORM, answer, blueprint
from dashboard.domain.access.permissions import Verb
from dashboard.domain.catalog import configured
from dashboard.domain.catalog import products as catalog
from dashboard.models import PLATFORM_ORG_ID

api = blueprint("platform_products", prefix=PLATFORM)


@api.get("/products", responses={200: shapes.PlatformProductList})
def list_(query: paging.PageQuery) -> Response:
    """The platform's catalog, including archived products"""
    auth.platform(Verb.PLATFORM_READ)
    problem = configured.configured_problem(auth.platform_provider())
    page = products.page(PLATFORM_ORG_ID, query, mode=auth.platform_mode())
    extra = {"problem": problem} if problem else {}
    return answer(shapes.PlatformProductList(data=page.data, next_cursor=page.next_cursor, **extra))


@api.post("/products", responses={201: shapes.Product})
def create(body: products.ProductCreate) -> Response:
    """Add a product"""
    caller = auth.platform(Verb.MANAGE_CATALOG)
    return answer(shapes.product(products.make(PLATFORM_ORG_ID, body, by=caller.actor)), 201)


@api.get("/products/<uuid:id>", responses={200: shapes.Product})
def retrieve(path: inputs.ItemPath) -> Response:
    """One product"""
    auth.platform(Verb.PLATFORM_READ)
    return answer(shapes.product(catalog.find(PLATFORM_ORG_ID, path.id, mode=auth.platform_mode())))


@api.patch("/products/<uuid:id>", responses={200: shapes.Product})
def update(path: inputs.ItemPath, body: products.ProductUpdate) -> Response:
    """Change a product"""
    caller = auth.platform(Verb.MANAGE_CATALOG)
    return answer(shapes.product(products.alter(PLATFORM_ORG_ID, path.id, body, by=caller.actor)))


@api.delete("/products/<uuid:id>", responses={204: None})
def archive(path: inputs.ItemPath) -> Response:
    """Take a product off sale; what was sold stays unchanged"""
    caller = auth.platform(Verb.MANAGE_CATALOG)
    products.alter(PLATFORM_ORG_ID, path.id, products.ProductUpdate(active=False), by=caller.actor)
    return Response(status=204)
