"""Payments: what was paid to buy credits, and what became of it."""

from typing import Annotated

from flask import Response
from pydantic import Field, WithJsonSchema

from dashboard.api import auth, inputs, paging, shapes
from dashboard.api.routes import answer, blueprint
from dashboard.core.errors import NotFound
from dashboard.domain.access.permissions import Verb
from dashboard.domain.payments import fulfil, listing
from dashboard.domain.payments.listing import PaymentFilters
from dashboard.models import PAYMENT_STATES

api = blueprint("payments")

State = Annotated[str, WithJsonSchema({"type": "string", "enum": list(PAYMENT_STATES)})]


class PaymentQuery(paging.PageQuery):
    state: State | None = Field(default=None, description="Only payments in this state.")
    q: str | None = Field(default=None, description="An exact id, ours or the provider's, or words of what was bought.")
    from_: paging.Since
    to: paging.Until


@api.get("/orgs/<org:org_id>/payments", responses={200: shapes.PaymentList})
def list_(path: inputs.OrgPath, query: PaymentQuery) -> Response:
    """Payments in the caller's mode, newest first

    A search by words reads the newest 20,000.
    """
    access = auth.enter(path.org_id, Verb.READ_PAYMENTS)
    given = query.model_dump(by_alias=True, exclude_none=True, exclude={"limit", "cursor"})
    filters = PaymentFilters.parse(given, org_id=access.org.id)
    page = listing.page(filters, mode=access.mode, cursor=query.cursor, limit=query.size)
    data = [shapes.payment(row, access.org) for row in page.rows]
    return answer(shapes.PaymentList(data=data, next_cursor=page.next_cursor))


@api.get("/orgs/<org:org_id>/payments/<uuid:id>", responses={200: shapes.Payment})
def retrieve(path: inputs.OrgItemPath) -> Response:
    """One payment

    To learn what became of a checkout, ask for its `payment_id` until `state` is `credited`, `failed` or `expired`.
    """
    access = auth.enter(path.org_id, Verb.READ_PAYMENTS)
    row = fulfil.find(access.org.id, path.id)
    if row.mode != access.mode:
        raise NotFound("There is no such payment.")
    return answer(shapes.payment(row, access.org))
