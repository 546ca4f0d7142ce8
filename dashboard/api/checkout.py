"""Buying credits by program: creates a payment and the provider's hosted page for it."""

from flask import Response
from pydantic import Field
from sqlalchemy import select

from dashboard.api import auth, idempotency, inputs, shapes
from dashboard.api.auth import Access
from dashboard.api.routes import answer, blueprint, refusal
from dashboard.config.urls import require_return_url
from dashboard.core.db import db
from dashboard.core.errors import Conflict, Invalid, NotFound
from dashboard.domain.access.permissions import Verb
from dashboard.domain.catalog import configured, products
from dashboard.domain.catalog.products import Offer
from dashboard.domain.funds import ledger, origins
from dashboard.domain.org_status import OrgAction
from dashboard.domain.payments.checkout.checkout import MAX_QUANTITY, Buyer, open_checkout, refused
from dashboard.models import Payment

api = blueprint("checkout")


class CheckoutCreate(inputs.Body):
    """The URLs may contain `{payment_id}` and, as with Stripe, `{CHECKOUT_SESSION_ID}`."""

    product_id: inputs.Id
    success_url: inputs.Url
    cancel_url: inputs.Url
    quantity: int = Field(default=1, ge=1, le=MAX_QUANTITY)
    promotion_code: inputs.Text | None = None
    idempotency_key: inputs.Key | None = None


class ModeNotConfigured(Conflict):
    code = "mode_not_configured"


@api.post(
    "/orgs/<org:org_id>/checkout",
    responses={201: shapes.Checkout, 409: refusal("The provider refused, or the key's mode has no provider.")},
)
@idempotency.own_row
def create(path: inputs.OrgPath, body: CheckoutCreate) -> Response:
    """Open a payment page for a product"""
    access = auth.enter(path.org_id, Verb.BUY, OrgAction.BUY)
    auth.require_open(access)
    key = idempotency.key(body.idempotency_key)
    _check(access, body)
    payment, replayed = _open(access, body, key)
    if payment.session_url is None:
        raise refused(payment.decline_code)
    return idempotency.answered(answer(shapes.checkout(payment), 201), key, replayed=replayed)


def _check(access: Access, body: CheckoutCreate) -> None:
    if access.mode != auth.platform_provider().mode:
        raise ModeNotConfigured(f"No payment provider is configured for the mode {access.mode}.")
    require_return_url(body.success_url, field="success_url", hosts=access.org.return_hosts, mode=access.mode)
    require_return_url(body.cancel_url, field="cancel_url", hosts=access.org.return_hosts, mode=access.mode)


def _open(access: Access, body: CheckoutCreate, key: str) -> tuple[Payment, bool]:
    """The payment, and whether an earlier request with the key had already opened its page."""
    provider = auth.platform_provider()
    space = origins.SERVICE if access.caller.service else origins.API  # separate from the keys of forms
    stored = f"{space}:{key}"
    known = db.session.scalar(select(Payment).filter_by(org_id=access.org.id, mode=provider.mode, key=stored))
    replayed = known is not None and known.session_url is not None
    payment = open_checkout(
        Buyer(access.org, access.actor, access.email),
        _offer(access, body, sold=known is not None),
        provider=provider, quantity=body.quantity, success_url=body.success_url, cancel_url=body.cancel_url,
        key=stored, body_hash=_hash(access, body), promotion_code=body.promotion_code or "",
    )  # fmt: skip
    return payment, replayed


def _offer(access: Access, body: CheckoutCreate, *, sold: bool) -> Offer:
    """The product on sale. A repeated request gets its answer even if the product is no longer on sale."""
    catalog_id = products.catalog_of(access.org)
    configured.configured_problem(auth.platform_provider())  # the other packs are on sale without it
    try:
        offer = products.find(catalog_id, body.product_id, mode=access.mode)
    except NotFound:
        raise Invalid("There is no such product.", field="product_id", code="no_such_product") from None
    if not sold and not products.sells(offer):
        raise Invalid("This product is not on sale.", field="product_id", code="not_on_sale")
    return offer


def _hash(access: Access, body: CheckoutCreate) -> bytes:
    fields = body.model_dump(mode="json", exclude={"idempotency_key"}, exclude_none=True)
    return ledger.body_hash(f"/api/v1/orgs/{access.org.id}/checkout", fields)
