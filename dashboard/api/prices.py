"""The versions of prices: read by those who pay, written by operators, and by organizations that fund themselves."""

from typing import Annotated, Any, Literal

from flask import Response
from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from dashboard.api import auth, inputs, paging, shapes
from dashboard.api.routes import answer, blueprint, refusal
from dashboard.core.db import transaction
from dashboard.domain.access import permissions
from dashboard.domain.access.permissions import Verb
from dashboard.domain.usage import metrics
from dashboard.domain.usage.pricing import versions
from dashboard.domain.usage.pricing.terms import BY_RULE, PriceTerms, kind_refusal

api = blueprint("prices")


def _kind(value: Any) -> Any:
    if value in BY_RULE:
        raise PydanticCustomError("not_a_choice", "{sentence}", {"sentence": kind_refusal(value)})
    return value


class Tier(inputs.Body):
    up_to: int | None
    amount_micros: int
    per_units: int = 1


class PriceFields(inputs.Body):
    """A version from `effective_from` (default: now) on."""

    kind: Annotated[Literal["flat", "graduated", "package", "per_event"], BeforeValidator(_kind)] = "flat"
    amount_micros: int = 0
    per_units: int = 1
    tiers: list[Tier] | None = None
    free_units: int = 0
    period: Literal["none", "day", "month"] = "none"
    min_micros: int | None = None
    max_micros: int | None = None
    effective_from: inputs.Moment | None = None

    def terms(self) -> PriceTerms:
        given = self.model_dump(include=set(PriceTerms.__slots__))
        return PriceTerms(**given | {"tiers": given["tiers"] or None})


class PriceSet(PriceFields):
    metric_key: str = Field(min_length=1, max_length=63)


class PricesQuery(paging.Query):
    metric_key: str | None = None


@api.get("/orgs/<org:org_id>/prices", responses={200: shapes.PriceList})
def list_(path: inputs.OrgPath, query: PricesQuery) -> Response:
    """The price list: each metric with all versions that count for the organization, newest first

    A price of the organization's own takes the place of the platform's from the moment it begins.
    """
    access = auth.enter(path.org_id, Verb.READ_PRICES)
    rows = [one for one in metrics.offered(access.org) if query.metric_key in (None, one[0].key)]
    return answer(
        shapes.PriceList(data=[shapes.metric_prices(row, versions.of_metric(access.org, row.key)) for row, _ in rows])
    )


@api.put(
    "/orgs/<org:org_id>/prices",
    responses={
        200: shapes.PriceVersion,
        201: shapes.PriceVersion,
        409: refusal("Another price begins at this moment."),
    },
)
def set_(path: inputs.OrgPath, body: PriceSet) -> Response:
    """Set the price that the organization pays

    For a self-funded organization, the price of its metric; else a price of its own in place of the platform's, which
    only operators set. The same call again finds the version that it made.
    """
    access = auth.find(path.org_id)
    auth.require_open(access)
    own = access.org.funding == "own"
    permissions.require(Verb.MANAGE_OWN_PRICES if own else Verb.MANAGE_PRICES, access.caller)
    metric = metrics.require(metrics.owner_of(access.org), body.metric_key)
    with transaction(org=access.org.id):
        row, made = metrics.put_price(
            access.org.id, metric, body.terms(), since=body.effective_from, by=access.actor
        )  # fmt: skip
    return answer(shapes.price_version(row), 201 if made else 200)
