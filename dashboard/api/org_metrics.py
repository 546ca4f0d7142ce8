"""The metrics of an organization: the platform's, or its own if it funds itself."""

from flask import Response
from pydantic import Field

from dashboard.api import auth, inputs, shapes
from dashboard.api.auth import Access
from dashboard.api.products import PlatformFunded
from dashboard.api.routes import answer, blueprint
from dashboard.core.db import transaction
from dashboard.domain.access import permissions
from dashboard.domain.access.permissions import Verb
from dashboard.domain.usage import metrics
from dashboard.models import Metric

api = blueprint("metrics")


class MetricSet(inputs.Body):
    metric_key: str = Field(min_length=1, max_length=63)
    name: inputs.Text
    unit: inputs.Text
    archived: bool = False


@api.get("/orgs/<org:org_id>/metrics", responses={200: shapes.Metrics})
def list_(path: inputs.OrgPath) -> Response:
    """The metrics that the organization's usage can have, with the price in force"""
    access = auth.enter(path.org_id, Verb.READ_PRICES)
    return answer(shapes.Metrics(data=[shapes.metric(*one) for one in metrics.offered(access.org)]))


@api.put(
    "/orgs/<org:org_id>/metrics",
    responses={200: shapes.MetricOffer, 201: shapes.MetricOffer},
)
def set_(path: inputs.OrgPath, body: MetricSet) -> Response:
    """Create or change a metric of a self-funded organization

    The key stays; name and unit become what is sent. Usage of an archived metric is refused.
    """
    access = auth.find(path.org_id)
    auth.require_open(access)
    if access.org.funding != "own":
        raise PlatformFunded("This organization uses the platform's metrics, which it cannot change.")
    permissions.require(Verb.MANAGE_OWN_PRICES, access.caller)
    with transaction(org=access.org.id):
        row, made = _put_metric(access, body)
    price = next((price for one, price in metrics.offered(access.org) if one.key == row.key), None)
    return answer(shapes.metric(row, price), 201 if made else 200)


def _put_metric(access: Access, body: MetricSet) -> tuple[Metric, bool]:
    row = metrics.find(access.org.id, body.metric_key)
    made = row is None
    if row is None:
        row = metrics.create(access.org.id, key=body.metric_key, name=body.name, unit=body.unit, by=access.actor)
    else:
        metrics.change(row, name=body.name, unit=body.unit, by=access.actor)
    (metrics.archive if body.archived else metrics.restore)(row, by=access.actor)
    return row, made
