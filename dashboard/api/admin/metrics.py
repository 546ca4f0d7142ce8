"""The platform's metrics and prices, and prices of single organizations."""

from typing import Literal

from flask import Response
from pydantic import BaseModel, Field

from dashboard.api import auth, inputs, shapes
from dashboard.api.prices import PriceFields
from dashboard.api.routes import PLATFORM, answer, blueprint, refusal
from dashboard.core.db import transaction
from dashboard.core.errors import NotFound
from dashboard.domain.access.permissions import Verb
from dashboard.domain.organizations import organizations
from dashboard.domain.usage import metrics
from dashboard.models import PLATFORM_ORG_ID

api = blueprint("platform_metrics", prefix=PLATFORM)


class NewMetric(inputs.PostBody):
    metric_key: str = Field(min_length=1, max_length=63)
    name: inputs.Text
    unit: inputs.Text
    when_unpriced: Literal["refuse", "park"] = Field(
        default="refuse",
        description="Whether its usage is refused while it has no price, or recorded and charged at the first one.",
    )


class NewPrice(PriceFields, inputs.PostBody):
    """A version from `effective_from` (default: now) on; with `org_id`, only for that organization."""

    org_id: inputs.Id | None = None


class MetricPath(BaseModel):
    metric_key: str


@api.get("/metrics", responses={200: shapes.Metrics})
def list_() -> Response:
    """The platform's metrics, with the price in force"""
    auth.platform(Verb.PLATFORM_READ)
    platform = organizations.by_id(PLATFORM_ORG_ID)
    assert platform is not None  # the first migration makes it
    return answer(shapes.Metrics(data=[shapes.metric(*one) for one in metrics.offered(platform)]))


@api.post("/metrics", responses={201: shapes.MetricOffer, 409: refusal("There is such a metric already.")})
def create(body: NewMetric) -> Response:
    """Create a metric"""
    caller = auth.platform(Verb.MANAGE_PRICES)
    with transaction(org=PLATFORM_ORG_ID):
        row = metrics.create(
            PLATFORM_ORG_ID, key=body.metric_key, name=body.name, unit=body.unit, when_unpriced=body.when_unpriced,
            by=caller.actor,
        )  # fmt: skip
    return answer(shapes.metric(row, None), 201)


@api.post(
    "/metrics/<metric_key>/prices",
    responses={201: shapes.PriceVersion, 409: refusal("Another price begins at this moment.")},
)
def set_price(path: MetricPath, body: NewPrice) -> Response:
    """Set a new price"""
    caller = auth.platform(Verb.MANAGE_PRICES)
    metric = metrics.require(PLATFORM_ORG_ID, path.metric_key)
    owner = organizations.by_id(body.org_id) if body.org_id else None
    if body.org_id and (owner is None or owner.funding == "own"):
        raise NotFound("There is no such organization that the platform funds.")
    owner_id = owner.id if owner else PLATFORM_ORG_ID
    with transaction(org=owner_id):
        row = metrics.set_price(
            owner_id, metric, body.terms(), effective_from=body.effective_from, by=caller.actor
        )  # fmt: skip
    return answer(shapes.price_version(row), 201)
