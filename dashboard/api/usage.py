"""Usage: programs report what was used, and it is charged at once."""

from dataclasses import replace
from typing import Annotated, Any, Literal

from flask import Response, request
from pydantic import AfterValidator, Field

from dashboard.api import auth, idempotency, inputs, paging, shapes
from dashboard.api.routes import answer, blueprint, refusal
from dashboard.api.wallets import spender_of
from dashboard.core import ids, lists
from dashboard.core.errors import CofferError, Invalid, NotFound
from dashboard.domain.access.permissions import LEADS, Verb
from dashboard.domain.funds import ledger, wallets
from dashboard.domain.org_status import OrgAction
from dashboard.domain.organizations import memberships
from dashboard.domain.usage import recording, reports
from dashboard.domain.usage.charging import voids, waiting
from dashboard.domain.usage.pricing.terms import LARGEST_UNITS
from dashboard.domain.usage.reading import event_list
from dashboard.domain.usage.reading.filters import UsageFilters
from dashboard.domain.usage.recording import Recorded, Usage
from dashboard.domain.usage.reports import Hour
from dashboard.models import ApiKey, Wallet

MOST_EVENTS = 1_000
MOST_PROPERTIES = 20
MOST_DAYS_OF_HOURS = 31
LONGEST_PROPERTY = 200

SHORT = (
    "The balance is too low (`insufficient_funds`), the wallet is frozen (`wallet_frozen`), or a spend limit or the "
    "key's cap has no room until `resets_at` (`limit_reached`, `key_cap_exceeded`). Nothing was recorded."
)

api = blueprint("usage")


def _properties(given: dict[str, str]) -> dict[str, str]:
    if len(given) > MOST_PROPERTIES or any(max(map(len, pair)) > LONGEST_PROPERTY for pair in given.items()):
        raise ValueError(f"at most {MOST_PROPERTIES} names and texts of up to {LONGEST_PROPERTY} characters")
    return given


Properties = Annotated[dict[inputs.App, inputs.Text], AfterValidator(_properties)]


class Event(inputs.Body):
    """What was used: `units` of the metric, at `occurred_at` (default: now)."""

    metric_key: str = Field(min_length=1, max_length=63)
    units: int = Field(ge=1, le=LARGEST_UNITS)
    occurred_at: inputs.Moment | None = None
    charge: bool = Field(default=True, description="False: record it only, and charge it later.")
    app: inputs.App | None = None
    properties: Properties = Field(default_factory=dict)
    idempotency_key: inputs.Key | None = None


class Batch(inputs.Body):
    events: list[Event] = Field(min_length=1, max_length=MOST_EVENTS)


class ChargeBody(inputs.PostBody):
    """Recorded events, to be charged in this order."""

    event_ids: list[inputs.Id] = Field(
        min_length=1, max_length=MOST_EVENTS, description="The `usage_event_id` of each, in the order of charging."
    )


class VoidBody(inputs.PostBody):
    """Why the event should not have counted."""

    reason: inputs.Reason


class UsageQuery(paging.Query):
    metric_key: str | None = Field(default=None, description="Only this metric.")
    app: str | None = Field(default=None, description="Only this app.")
    member_id: paging.IdText | None = Field(default=None, description="The `id` or the `user_id` of a member.")
    api_key_id: paging.IdText | None = Field(default=None, description="Only what was reported with this key.")


class EventsQuery(paging.PageQuery, UsageQuery):
    """By when the events happened."""

    from_: paging.Since
    to: paging.Until


class SumsQuery(UsageQuery):
    """`from` and `to` are UTC days, both inclusive, at most 400; by default the last 30."""

    from_: str | None = Field(default=None, alias="from", description="The first UTC day: `2027-03-01`.")
    to: str | None = Field(default=None, description="The last UTC day: `2027-03-31`.")
    interval: Literal["hour", "day", "month"] = Field(
        default="day", description="By UTC hour (at most 31 days, by metric only), day or month."
    )
    group_by: Literal["all", "metric", "app", "member", "key"] = Field(
        default="metric", description="By metric, or also by app, member or key. `all` is the same as `metric`."
    )


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
    return answer(shapes.usage_results([one.key for one in usages], results, balance), 207 if refused else 201)


@api.post("/orgs/<org:org_id>/usage/charge", responses={200: shapes.ChargeResults, 207: shapes.ChargeResults})
def charge(path: inputs.OrgPath, body: ChargeBody) -> Response:
    """Charge up to 1,000 events that were recorded before

    Each is charged once, at the price that was in force when it occurred. The results are in the order of the events;
    207 if some were refused: they stay recorded, and can be charged again.
    """
    access = _enter(path)
    own = access.person is not None and access.caller.role not in LEADS
    results, balance = waiting.charge(
        access.org, body.event_ids, mode=access.mode, by=access.actor, only_of=access.actor.user_id if own else None
    )
    refused = any(isinstance(one, CofferError) for one in results)
    return answer(shapes.charge_results(body.event_ids, results, balance), 207 if refused else 200)


@api.get("/orgs/<org:org_id>/usage", responses={200: shapes.UsageSums})
def sums(path: inputs.OrgPath, query: SumsQuery) -> Response:
    """Units and cost by metric and time; a member's token sees only its own

    Two filters or groups at once are added up from at most 20,000 events; if there are more, choose fewer days.
    """
    access = auth.enter(path.org_id, Verb.READ_OWN_USAGE)
    wallet, filters = wallets.of_organization(access.org.id, access.mode), _filters(access, query)
    if query.interval == "hour":
        return answer(shapes.UsageSums(data=[shapes.usage_hour(row) for row in _hours(wallet, filters, query)]))
    group = reports.METRIC if query.group_by == "all" else query.group_by
    found = reports.cells(wallet, filters, group)
    _require_whole(wallet, filters, found.bounded)
    rows = [row for row in reports.by_time(found, query.interval) if row.key]
    return answer(shapes.UsageSums(data=[shapes.usage_sum(row, valued=group != reports.METRIC) for row in rows]))


@api.get("/orgs/<org:org_id>/usage/events", responses={200: shapes.UsageEvents})
def events(path: inputs.OrgPath, query: EventsQuery) -> Response:
    """Usage events, newest first; a member's token sees only its own

    A search reads a limited number of events: a page can be short or empty and still have a next cursor.
    """
    access = auth.enter(path.org_id, Verb.READ_OWN_USAGE)
    filters = _filters(access, query, of_all_time=True)
    page = event_list.page(wallets.of_organization(access.org.id, access.mode), filters, query.cursor, query.size)
    return answer(shapes.UsageEvents(data=[shapes.usage_event(row) for row in page.rows], next_cursor=page.next_cursor))


@api.get("/orgs/<org:org_id>/usage/events/<uuid:id>", responses={200: shapes.UsageEvent})
def event(path: inputs.OrgItemPath) -> Response:
    """One usage event; a member's token sees only its own"""
    access = auth.enter(path.org_id, Verb.READ_OWN_USAGE)
    row = reports.find(access.org.id, path.id)
    only_of = auth.only_of(access, Verb.READ_USAGE)
    if row is None or row.mode != access.mode or only_of not in (None, row.member_id):
        raise NotFound("There is no such usage event.")
    return answer(shapes.usage_event(row))


@api.post("/orgs/<org:org_id>/usage/events/<uuid:id>/void", responses={200: shapes.VoidResult})
def void(path: inputs.OrgItemPath, body: VoidBody) -> Response:
    """Void an event that should not have counted

    Gives back what its units cost at the position reached now, so that what is charged is always the price of the units
    that still count. Voiding again changes nothing and answers the first void.
    """
    access = auth.enter(path.org_id, Verb.VOID_USAGE)
    auth.require_open(access)
    result = voids.void(access.org, path.id, mode=access.mode, reason=body.reason, by=access.actor)
    return answer(shapes.void_result(result))


def _filters(access: auth.Access, query: UsageQuery, *, of_all_time: bool = False) -> UsageFilters:
    """Raises Invalid."""
    values = query.model_dump(by_alias=True, exclude_none=True, include={*UsageQuery.model_fields, "from_", "to"})
    only_of = auth.only_of(access, Verb.READ_USAGE)
    filters = UsageFilters.parse(values, only_of=only_of, of_all_time=of_all_time)
    if only_of is None and filters.member_id:
        return replace(filters, member_id=memberships.user_id_of(access.org.id, filters.member_id))
    return filters


def _hours(wallet: Wallet, filters: UsageFilters, query: SumsQuery) -> list[Hour]:
    """Raises Invalid."""
    if query.group_by not in ("all", "metric"):
        raise Invalid("By hour, there are sums by metric only.", field="group_by", code="not_a_choice")
    if (filters.last - filters.first).days >= MOST_DAYS_OF_HOURS:
        raise Invalid(f"By hour, choose 1 to {MOST_DAYS_OF_HOURS} days.", field="from", code="out_of_range")
    _require_whole(wallet, filters, bool(filters.narrowed))
    return reports.hourly(wallet, filters)


def _require_whole(wallet: Wallet, filters: UsageFilters, bounded: bool) -> None:
    """Sums for programs are never of a part. Raises Invalid."""
    if bounded and reports.left_out(wallet, filters):
        raise Invalid(
            f"More than {lists.WINDOW:,} events would have to be added up: choose fewer days, or one filter or group.",
            field="from", code="out_of_range",
        )  # fmt: skip


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
    fields: dict[str, Any] = event.model_dump(exclude={"idempotency_key"} | _as_ever(event), exclude_none=True)
    return Usage(
        event.metric_key, event.units, key, ledger.body_hash(f"/api/v1/orgs/{access.org.id}/usage", fields),
        occurred_at=event.occurred_at, app=event.app or "", properties=event.properties, charge=event.charge,
    )  # fmt: skip


def _as_ever(event: Event) -> set[str]:
    """Fields that are no part of the body's hash while they have their default: earlier requests did not have them."""
    return {"charge"} if event.charge else set()
