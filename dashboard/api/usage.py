"""Usage: programs report what was used, and it is charged at once."""

from typing import Annotated, Any, Literal

from flask import Response, request
from pydantic import AfterValidator, Field

from dashboard.api import auth, idempotency, inputs, paging, shapes
from dashboard.api.routes import answer, blueprint, refusal
from dashboard.api.wallets import spender_of
from dashboard.core import ids
from dashboard.core.errors import CofferError, Invalid
from dashboard.domain.access.permissions import Verb
from dashboard.domain.funds import ledger
from dashboard.domain.org_status import OrgAction
from dashboard.domain.usage import metrics, recording, reports
from dashboard.domain.usage.recording import Recorded, Usage
from dashboard.models import ApiKey, UsageEvent

MOST_EVENTS = 1_000
MOST_PROPERTIES = 20
LONGEST_PROPERTY = 200

SHORT = (
    "The balance is too low (`insufficient_funds`), the wallet is frozen (`wallet_frozen`), or a spend limit or the "
    "key's cap has no room until `resets_at` (`limit_reached`, `key_cap_exceeded`). Nothing was recorded."
)

api = blueprint("usage")
metric_api = blueprint("metrics")


def _properties(given: dict[str, str]) -> dict[str, str]:
    if len(given) > MOST_PROPERTIES or any(max(map(len, pair)) > LONGEST_PROPERTY for pair in given.items()):
        raise ValueError(f"at most {MOST_PROPERTIES} names and texts of up to {LONGEST_PROPERTY} characters")
    return given


Properties = Annotated[dict[inputs.App, inputs.Text], AfterValidator(_properties)]


class Event(inputs.Body):
    """What was used: `units` of the metric, at `occurred_at` (default: now)."""

    metric_key: str = Field(min_length=1, max_length=63)
    units: int = Field(ge=1, le=metrics.LARGEST_UNITS)
    occurred_at: inputs.Moment | None = None
    app: inputs.App | None = None
    properties: Properties = Field(default_factory=dict)
    idempotency_key: inputs.Key | None = None


class Batch(inputs.Body):
    events: list[Event] = Field(min_length=1, max_length=MOST_EVENTS)


class EventsQuery(paging.PageQuery):
    metric_key: str | None = None


class SumsQuery(paging.Query):
    """`from` and `to` are UTC days, both inclusive, at most 366."""

    from_: str | None = Field(default=None, alias="from")
    to: str | None = None
    group_by: Literal["all", "app", "member", "key"] = "all"
    metric_key: str | None = None


@api.post(
    "/orgs/<org:org_id>/usage",
    responses={201: shapes.UsageResult, 402: refusal(SHORT), 409: refusal("The metric has no price.")},
)
@idempotency.own_row
def record(path: inputs.OrgPath, body: Event) -> Response:
    """Record and charge one event"""
    access = _enter(path)
    key = idempotency.key(body.idempotency_key)
    results, balance = _record(access, [_usage(access, body, key)])
    result = results[0]
    if isinstance(result, CofferError):
        raise result
    shape = shapes.usage_result(result, balance)
    return idempotency.answered(answer(shape, 201), key, replayed=result.duplicate)


@api.post("/orgs/<org:org_id>/usage/batch", responses={201: shapes.UsageResults, 207: shapes.UsageResults})
@idempotency.own_row
def record_batch(path: inputs.OrgPath, body: Batch) -> Response:
    """Record and charge up to 1,000 events

    The results are in the order of the events; 207 if some were refused. An event without `idempotency_key` gets one.
    The events are charged in order until the first that does not fit; the rest is refused with the same error.
    """
    access = _enter(path)
    if idempotency.HEADER in request.headers:
        raise Invalid("In a batch, each event has a key of its own.", field="idempotency_key")
    usages = [_usage(access, event, event.idempotency_key or str(ids.new())) for event in body.events]
    results, balance = _record(access, usages)
    refused = any(isinstance(one, CofferError) for one in results)
    return answer(shapes.usage_results(usages, results, balance), 207 if refused else 201)


@api.get("/orgs/<org:org_id>/usage", responses={200: shapes.UsageSums})
def sums(path: inputs.OrgPath, query: SumsQuery) -> Response:
    """Units and cost by metric and UTC day"""
    access = auth.enter(path.org_id, Verb.READ_USAGE)
    first, last = reports.span({"from": query.from_ or "", "to": query.to or ""})
    rows = reports.by_day(access.org.id, access.mode, first, last, dimension=query.group_by, metric=query.metric_key)
    return answer(shapes.UsageSums(data=[shapes.usage_sum(row) for row in rows]))


@api.get("/orgs/<org:org_id>/usage/events", responses={200: shapes.UsageEvents})
def events(path: inputs.OrgPath, query: EventsQuery) -> Response:
    """Usage events, newest first"""
    access = auth.enter(path.org_id, Verb.READ_USAGE)
    wanted = reports.events(access.org.id, access.mode, metric=query.metric_key)
    page = query.page(wanted, UsageEvent.id, "usage events", access.org.id, access.mode, query.metric_key)
    return answer(shapes.UsageEvents(data=[shapes.usage_event(row) for row in page.rows], next_cursor=page.next_cursor))


@metric_api.get("/orgs/<org:org_id>/metrics", responses={200: shapes.Metrics})
def list_(path: inputs.OrgPath) -> Response:
    """The metrics that the organization's usage can have, with the price in force"""
    access = auth.enter(path.org_id, Verb.READ_CATALOG)
    return answer(shapes.Metrics(data=[shapes.metric(*one) for one in metrics.offered(access.org)]))


def _enter(path: inputs.OrgPath) -> auth.Access:
    access = auth.enter(path.org_id, Verb.RECORD_USAGE, OrgAction.SPEND)
    auth.require_open(access)
    return access


def _record(access: auth.Access, usages: list[Usage]) -> tuple[list[Recorded | CofferError], int]:
    row = auth.bearer()
    return recording.record(
        access.org, usages, mode=access.mode, by=access.actor, api_key_id=row.id if isinstance(row, ApiKey) else None,
        spender=spender_of(access),
    )  # fmt: skip


def _usage(access: auth.Access, event: Event, key: str) -> Usage:
    fields: dict[str, Any] = event.model_dump(exclude={"idempotency_key"}, exclude_none=True)
    return Usage(
        event.metric_key, event.units, key, ledger.body_hash(f"/api/v1/orgs/{access.org.id}/usage", fields),
        occurred_at=event.occurred_at, app=event.app or "", properties=event.properties,
    )  # fmt: skip
