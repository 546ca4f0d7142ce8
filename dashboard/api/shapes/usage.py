"""Usage, metrics and prices."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from dashboard.api.shapes.money import usd
from dashboard.core.errors import CofferError
from dashboard.domain.usage.charging.voids import Voided
from dashboard.domain.usage.new_events import AnyEvent
from dashboard.domain.usage.recording import Recorded
from dashboard.domain.usage.reports import Hour, Sum
from dashboard.models import UsageEvent as EventRow

EventState = Literal["charged", "uncharged", "unpriced"]


class UsageResult(BaseModel):
    """One event that was recorded. What it costs is null until it is charged. `balance_micros` is the balance now of
    the wallet that pays."""

    usage_event_id: UUID
    state: EventState
    cost_micros: int | None
    cost_usd: str | None
    transaction_id: UUID | None = Field(default=None, description="Absent if the event cost nothing.")
    balance_micros: int
    duplicate: bool = Field(description="Whether it was recorded before; then nothing was charged now.")


class BatchResult(BaseModel):
    """What became of one event of a batch: recorded, or an error's code and sentence."""

    idempotency_key: str
    status: Literal["recorded", "duplicate", "refused"]
    usage_event_id: UUID | None = None
    state: EventState | None = None
    cost_micros: int | None = None
    transaction_id: UUID | None = None
    code: str | None = None
    detail: str | None = None


class UsageResults(BaseModel):
    """The results in the order of the events, and the balance after all of them: of the wallet that pays, or of the
    organization's own if the events name several."""

    data: list[BatchResult]
    balance_micros: int


class ChargeResult(BaseModel):
    """What became of one event: charged now, charged before, or an error's code and sentence."""

    usage_event_id: UUID
    status: Literal["charged", "duplicate", "refused"]
    state: EventState | None = None
    cost_micros: int | None = None
    transaction_id: UUID | None = None
    code: str | None = None
    detail: str | None = None


class ChargeResults(BaseModel):
    """The results in the order of the events, and the balance after all of them: of the wallet that pays, or of the
    organization's own if several do."""

    data: list[ChargeResult]
    balance_micros: int


class VoidResult(BaseModel):
    """The void, and the balance of the event's wallet now. `transaction_id` is absent if nothing was given back."""

    usage_event_id: UUID
    voided_at: datetime
    credited_micros: int
    credited_usd: str
    transaction_id: UUID | None = None
    balance_micros: int
    duplicate: bool = Field(description="Whether it was voided before; then nothing was changed now.")


class UsageEvent(BaseModel):
    """What it costs, its price and its position are null until it is charged. A voided event counts no more."""

    id: UUID
    wallet_id: UUID
    metric_key: str
    units: int
    state: EventState
    cost_micros: int | None
    cost_usd: str | None
    occurred_at: datetime
    created_at: datetime
    app: str | None = None
    member_id: UUID | None = None
    api_key_id: UUID | None = None
    properties: dict[str, str]
    idempotency_key: str
    transaction_id: UUID | None = None
    price_id: UUID | None
    units_after: int | None
    voided_at: datetime | None = None
    credited_micros: int | None = None
    void_transaction_id: UUID | None = None


class UsageEvents(BaseModel):
    data: list[UsageEvent]
    next_cursor: str | None


class UsageSum(BaseModel):
    """`value` is the app, the member's user ID or the key's ID, if grouped by one."""

    day: date = Field(description="The UTC day, or the first day of the month.")
    hour: datetime | None = Field(default=None, description="When the hour begins, if asked for by hour.")
    metric_key: str
    value: str | None = None
    units: int
    cost_micros: int
    cost_usd: str
    events: int


class UsageSums(BaseModel):
    data: list[UsageSum]


def usage_result(result: Recorded, balance: int) -> UsageResult:
    event = result.event
    return UsageResult(
        usage_event_id=event.id, balance_micros=balance, duplicate=result.duplicate, cost_usd=_usd(event.cost),
        **_charged(event),
    )  # fmt: skip


def usage_results(
    keys: Sequence[str], results: Sequence[Recorded | CofferError], balance: int
) -> UsageResults:  # fmt: skip
    """`keys`: the idempotency key of each event."""
    pairs = zip(keys, results, strict=True)
    return UsageResults(data=[_batch_result(key, result) for key, result in pairs], balance_micros=balance)


def _batch_result(key: str, result: Recorded | CofferError) -> BatchResult:
    if isinstance(result, CofferError):
        return BatchResult(idempotency_key=key, status="refused", code=result.code, detail=result.detail)
    status: Any = "duplicate" if result.duplicate else "recorded"
    return BatchResult(
        idempotency_key=key, status=status, usage_event_id=result.event.id, **_charged(result.event)
    )  # fmt: skip


def charge_results(
    event_ids: Sequence[UUID], results: Sequence[Recorded | CofferError], balance: int
) -> ChargeResults:  # fmt: skip
    pairs = zip(event_ids, results, strict=True)
    return ChargeResults(data=[_charge_result(event_id, result) for event_id, result in pairs], balance_micros=balance)


def _charge_result(event_id: UUID, result: Recorded | CofferError) -> ChargeResult:
    if isinstance(result, CofferError):
        return ChargeResult(usage_event_id=event_id, status="refused", code=result.code, detail=result.detail)
    status: Any = "duplicate" if result.duplicate else "charged"
    return ChargeResult(usage_event_id=event_id, status=status, **_charged(result.event))


def void_result(result: Voided) -> VoidResult:
    event = result.event
    optional = {"transaction_id": event.void_transaction_id} if event.void_transaction_id else {}
    return VoidResult(
        usage_event_id=event.id, voided_at=event.voided_at, credited_micros=event.credited,
        credited_usd=_usd(event.credited), balance_micros=result.wallet.balance, duplicate=result.replayed, **optional,
    )  # fmt: skip


def usage_event(row: EventRow) -> UsageEvent:
    optional = {
        "app": row.app or None, "member_id": row.member_id, "api_key_id": row.api_key_id, "voided_at": row.voided_at,
        "credited_micros": row.credited, "void_transaction_id": row.void_transaction_id,
    }  # fmt: skip
    return UsageEvent(
        id=row.id, wallet_id=row.wallet_id, metric_key=row.metric_key, units=row.units, cost_usd=_usd(row.cost),
        occurred_at=row.occurred_at, created_at=row.created_at, properties=row.properties, idempotency_key=row.key,
        price_id=row.price_id, units_after=row.units_after, **_charged(row),
        **{name: value for name, value in optional.items() if value is not None},
    )  # fmt: skip


def _charged(row: AnyEvent) -> dict[str, Any]:
    optional = {"transaction_id": row.transaction_id} if row.transaction_id else {}
    return {"state": row.state, "cost_micros": row.cost} | optional


def _usd(micros: int | None) -> str | None:
    return None if micros is None else usd(micros)


def usage_sum(row: Sum, *, valued: bool) -> UsageSum:
    optional = {"value": row.key} if valued else {}
    return UsageSum(
        day=row.day, metric_key=row.metric_key, units=row.units, cost_micros=row.cost, cost_usd=usd(row.cost),
        events=row.events, **optional,
    )  # fmt: skip


def usage_hour(row: Hour) -> UsageSum:
    return UsageSum(
        day=row.at.date(), hour=row.at, metric_key=row.metric_key, units=row.units, cost_micros=row.cost,
        cost_usd=usd(row.cost), events=row.events,
    )  # fmt: skip
