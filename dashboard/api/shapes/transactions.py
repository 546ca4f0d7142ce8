"""Transactions, and what caused one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from dashboard.api.shapes.money import Mode, usd
from dashboard.api.shapes.prices import PriceVersion, price_version
from dashboard.api.shapes.wallets import Wallet
from dashboard.core.money import exact, plain_credits
from dashboard.domain.funds import credit_grants, origins, wallets
from dashboard.domain.funds.credit_grants.used import UsedGrant
from dashboard.domain.funds.transactions.explain import Explanation, Step
from dashboard.domain.usage.reading.explained import Explained
from dashboard.models import Transaction as TransactionRow


class TransactionActor(BaseModel):
    kind: Literal["user", "key", "manager", "system"]
    id: UUID | None


class Transaction(BaseModel):
    """A transaction of a dollar wallet has `amount_micros` and `amount_usd`, of any other wallet `units`; signed.
    `user_id` is the user to whom it counts: who acted, or whose key did at that moment; null for managers, the system
    and keys of the platform."""

    id: UUID
    wallet_id: UUID
    mode: Mode
    unit: str
    seq: int
    type: str
    amount_micros: int | None = None
    amount_usd: str | None = None
    units: int | None = None
    balance_before: int
    balance_after: int
    description: str
    idempotency_key: str | None
    actor: TransactionActor
    user_id: UUID | None
    app: str | None
    created_at: datetime
    payment_id: UUID | None = None
    grant_id: UUID | None = None


class PlatformTransaction(Transaction):
    """As platform managers see it. `amount_credits` is the amount in credits, such as `-1.5`: 1 credit = 1 USD."""

    org_id: UUID
    reason: str | None
    amount_credits: str | None = None


class PlatformTransactionList(BaseModel):
    data: list[PlatformTransaction]
    next_cursor: str | None


class TransactionList(BaseModel):
    data: list[Transaction]
    next_cursor: str | None


class WalletMovementResult(Wallet):
    transaction: Transaction


class ExplanationStep(BaseModel):
    kind: str
    text: str
    at: datetime | None = None
    ref: UUID | None = None


class GrantSlice(BaseModel):
    id: UUID
    kind: Literal["paid", "promotional"]
    category: str
    amount_micros: int
    amount_usd: str
    expires_at: datetime | None


class PriceStep(BaseModel):
    """The units after position `from` up to `to`, at `price_micros` per `per_units`. All steps add up to the amount."""

    from_: int = Field(alias="from")
    to: int
    units: int
    price_micros: int
    per_units: int
    micros: int


class ExplainedUsage(BaseModel):
    """The usage event that was charged: the price version that was in force, and the metric's position before and after
    it."""

    usage_event_id: UUID
    metric_key: str
    units: int
    price: PriceVersion
    units_before: int
    units_after: int
    steps: list[PriceStep]


class GrantUsed(BaseModel):
    """A credit grant that paid for it. `amount_micros` is absent if only the sum of several is known."""

    id: UUID
    kind: Literal["paid", "promotional"]
    category: str
    amount_micros: int | None = None


class TransactionExplanation(BaseModel):
    """What caused the transaction, the credit grants that it opened or used, and what followed."""

    cause: list[ExplanationStep]
    usage: ExplainedUsage | None = None
    grants: list[GrantSlice]
    grants_used: list[GrantUsed]
    followed: list[ExplanationStep]


class ExplainedTransaction(Transaction):
    explanation: TransactionExplanation


def transaction_values(row: TransactionRow, unit: str, *, platform: bool = False) -> dict[str, Any]:
    """`unit` is the unit of its wallet. `platform`: name the platform manager who acted."""
    # Customers see that the platform acted, but not which of its managers.
    actor_id = row.actor_id if platform or row.actor_kind != "manager" else None
    values: dict[str, Any] = {
        "id": row.id, "wallet_id": row.wallet_id, "mode": row.mode, "unit": unit, "seq": row.seq, "type": row.type,
        "balance_before": row.balance_before, "balance_after": row.balance_after, "description": row.description,
        "idempotency_key": row.key if row.origin in origins.SENT else None, "app": row.app or None,
        "actor": TransactionActor(kind=row.actor_kind, id=actor_id),
        "user_id": row.member_id, "created_at": row.created_at,
    }  # fmt: skip
    if unit == wallets.USD:
        values |= {"amount_micros": row.amount, "amount_usd": usd(row.amount)}
    else:
        values["units"] = row.amount
    links = {"payment_id": row.payment_id, "grant_id": credit_grants.taken_from(row)}
    return values | {name: id for name, id in links.items() if id}


def transaction(row: TransactionRow, unit: str) -> Transaction:
    return Transaction(**transaction_values(row, unit))


def transactions(rows: Sequence[TransactionRow]) -> list[Transaction]:
    units = wallets.units_of(rows)
    return [transaction(row, units[row.wallet_id]) for row in rows]


def platform_transactions(rows: Sequence[TransactionRow]) -> list[PlatformTransaction]:
    units = wallets.units_of(rows)
    return [_platform(row, units[row.wallet_id]) for row in rows]


def _platform(row: TransactionRow, unit: str) -> PlatformTransaction:
    credits_ = {"amount_credits": plain_credits(row.amount)} if unit == wallets.USD else {}
    values = transaction_values(row, unit, platform=True)
    return PlatformTransaction(**values, org_id=row.org_id, reason=row.reason, **credits_)


def explained(
    row: TransactionRow, unit: str, result: Explanation, usage: Explained | None, used: Sequence[UsedGrant]
) -> ExplainedTransaction:
    slices = [
        GrantSlice(
            id=part.id,
            kind=part.kind,
            category=part.category,
            amount_micros=part.amount,
            amount_usd=usd(part.amount),
            expires_at=part.expires_at,
        )
        for part in result.grants
    ]
    optional = {"usage": _usage(usage)} if usage else {}
    reasons = TransactionExplanation(
        cause=_steps(result.cause), grants=slices, grants_used=[_used(one) for one in used],
        followed=_steps(result.followed) + (_voided(usage) if usage else []), **optional,
    )  # fmt: skip
    return ExplainedTransaction(**transaction_values(row, unit), explanation=reasons)


def _usage(result: Explained) -> ExplainedUsage:
    steps = [
        PriceStep(
            **{"from": part.start}, to=part.end, units=part.end - part.start, price_micros=part.amount_micros,
            per_units=part.per_units, micros=part.micros,
        )
        for part in result.parts
    ]  # fmt: skip
    return ExplainedUsage(
        usage_event_id=result.event.id, metric_key=result.event.metric_key, units=result.event.units,
        price=price_version(result.price), units_before=result.before, units_after=result.after, steps=steps,
    )  # fmt: skip


def _voided(result: Explained) -> list[ExplanationStep]:
    event = result.event
    if event.voided_at is None or result.is_void:
        return []
    text = f"The usage was voided, and {exact(event.credited or 0)} given back"
    ref = {"ref": event.void_transaction_id} if event.void_transaction_id else {}
    return [ExplanationStep(kind="void", text=text, at=event.voided_at, **ref)]


def _used(one: UsedGrant) -> GrantUsed:
    optional = {} if one.amount is None else {"amount_micros": one.amount}
    return GrantUsed(id=one.grant.id, kind=one.grant.kind, category=one.grant.category, **optional)


def _steps(steps: tuple[Step, ...]) -> list[ExplanationStep]:
    rows = []
    for step in steps:
        given = {"at": step.at, "ref": step.ref}
        rows.append(ExplanationStep(kind=step.kind, text=step.text, **{k: v for k, v in given.items() if v}))
    return rows
