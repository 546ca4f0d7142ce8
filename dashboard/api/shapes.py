"""What things look like in JSON. Money is an integer of micros with a readable twin.

A field that a thing does not have is left out.
"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from dashboard.core.money import MICROS_PER_CENT, MINUS, exact
from dashboard.domain.catalog.products import Offer
from dashboard.domain.funds.explain import Explanation, Step
from dashboard.models import Organization, Payment, Transaction, User
from dashboard.models import Wallet as WalletRow

Mode = Literal["test", "live"]


class Wallet(BaseModel):
    org_id: UUID
    wallet_id: UUID
    mode: Mode
    unit: str
    wallet_balance: int
    wallet_balance_usd: str
    held_micros: int
    available_micros: int
    blocked: bool


class Actor(BaseModel):
    kind: Literal["user", "key", "manager", "system"]
    id: UUID | None


class LedgerRow(BaseModel):
    """A transaction. `amount` is signed, in the wallet's smallest unit."""

    id: UUID
    wallet_id: UUID
    mode: Mode
    unit: str
    seq: int
    type: str
    amount: int
    amount_micros: int | None = None
    amount_usd: str | None = None
    balance_before: int
    balance_after: int
    description: str
    idempotency_key: str | None
    actor: Actor
    app: str | None
    created_at: datetime
    payment_id: UUID | None = None
    org_id: UUID | None = None
    reason: str | None = None


class WalletWithRow(Wallet):
    transaction: LedgerRow


class ExplanationStep(BaseModel):
    kind: str
    text: str
    at: datetime | None = None
    ref: UUID | None = None


class Slice(BaseModel):
    id: UUID
    kind: Literal["paid", "promotional"]
    category: str
    amount_micros: int
    amount_usd: str
    expires_at: datetime | None


class Reasons(BaseModel):
    """What led to the row, the slices of credit that it opened, and what followed."""

    cause: list[ExplanationStep]
    grants: list[Slice]
    followed: list[ExplanationStep]


class ExplainedRow(LedgerRow):
    explanation: Reasons


class Org(BaseModel):
    id: UUID
    name: str
    slug: str
    kind: str
    funding: str
    timezone: str
    role: str | None = None
    suspended_at: datetime | None
    closed_at: datetime | None
    created_at: datetime


class Person(BaseModel):
    id: UUID
    email: str
    name: str
    platform_role: str
    email_verified_at: datetime | None
    disabled_at: datetime | None
    created_at: datetime


class ProductShape(BaseModel):
    """A pack of credits. `amount_micros` is what one piece adds, `bonus_micros` what comes on top.

    `available` is false while its price stands differently at the provider; `active` is whether it is on sale.
    """

    id: UUID
    name: str
    description: str
    kind: str
    price_cents: int
    currency: str
    amount_micros: int
    amount_usd: str
    bonus_micros: int
    grant_kind: Literal["paid", "promotional"]
    min_quantity: int
    max_quantity: int
    expires_days: int | None
    active: bool
    available: bool
    version: int
    created_at: datetime


class Checkout(BaseModel):
    checkout_url: str
    payment_id: UUID
    session_id: str


class WalletList(BaseModel):
    data: list[Wallet]
    next_cursor: str | None


class RowList(BaseModel):
    data: list[LedgerRow]
    next_cursor: str | None


class OrgList(BaseModel):
    data: list[Org]
    next_cursor: str | None


class PersonList(BaseModel):
    data: list[Person]
    next_cursor: str | None


class ProductList(BaseModel):
    data: list[ProductShape]
    next_cursor: str | None


class Catalog(ProductList):
    """`problem`: why the pack that the settings name is not on sale; left out when nothing is wrong."""

    problem: str | None = None


def usd(micros: int) -> str:
    """`$10.00`, `-$3.11`, `$0.0006`: whole cents, else as many of the six decimals as it takes."""
    text = exact(micros).replace(MINUS, "-")
    return text[:-4] if micros % MICROS_PER_CENT == 0 else text.rstrip("0")


def wallet_values(row: WalletRow, balance: int | None = None) -> dict[str, Any]:
    """`balance`: what it is after a posting that `row` has not seen."""
    balance = row.balance if balance is None else balance
    available = balance - row.held
    return {
        "org_id": row.org_id, "wallet_id": row.id, "mode": row.mode, "unit": row.unit, "wallet_balance": balance,
        "wallet_balance_usd": usd(balance), "held_micros": row.held, "available_micros": available,
        "blocked": available <= -row.overdraft_limit,
    }  # fmt: skip


def wallet(row: WalletRow) -> Wallet:
    return Wallet(**wallet_values(row))


def transaction_values(row: Transaction, *, platform: bool = False) -> dict[str, Any]:
    """`platform`: with the organization and the reason, for the platform's own lists."""
    values: dict[str, Any] = {
        "id": row.id, "wallet_id": row.wallet_id, "mode": row.mode, "unit": "usd", "seq": row.seq, "type": row.type,
        "amount": row.amount, "amount_micros": row.amount, "amount_usd": usd(row.amount),
        "balance_before": row.balance_before, "balance_after": row.balance_after, "description": row.description,
        "idempotency_key": row.key if row.origin in ("api", "usage") else None, "app": row.app or None,
        # Customers read that the platform acted, not which of its people.
        "actor": Actor(kind=row.actor_kind, id=row.actor_id if platform or row.actor_kind != "manager" else None),
        "created_at": row.created_at,
    }  # fmt: skip
    if row.payment_id:
        values["payment_id"] = row.payment_id
    if platform:
        values |= {"org_id": row.org_id, "reason": row.reason}
    return values


def transaction(row: Transaction, *, platform: bool = False) -> LedgerRow:
    return LedgerRow(**transaction_values(row, platform=platform))


def explained(row: Transaction, found: Explanation) -> ExplainedRow:
    slices = [
        Slice(
            id=part.id,
            kind=part.kind,
            category=part.category,
            amount_micros=part.amount,
            amount_usd=usd(part.amount),
            expires_at=part.expires_at,
        )
        for part in found.grants
    ]
    reasons = Reasons(cause=_steps(found.cause), grants=slices, followed=_steps(found.followed))
    return ExplainedRow(**transaction_values(row), explanation=reasons)


def org(row: Organization, role: str | None = None) -> Org:
    values: dict[str, Any] = {
        "id": row.id, "name": row.name, "slug": row.slug, "kind": row.kind, "funding": row.funding,
        "timezone": row.timezone, "suspended_at": row.suspended_at, "closed_at": row.closed_at,
        "created_at": row.created_at,
    }  # fmt: skip
    return Org(**values, role=role) if role else Org(**values)


def person(row: User) -> Person:
    return Person(
        id=row.id, email=row.email, name=row.name, platform_role=row.platform_role,
        email_verified_at=row.email_verified_at, disabled_at=row.disabled_at, created_at=row.created_at,
    )  # fmt: skip


def product(offer: Offer) -> ProductShape:
    row, version = offer.product, offer.version
    return ProductShape(
        id=row.id, name=row.name, description=row.description, kind=row.kind, price_cents=version.price_minor,
        currency=version.currency, amount_micros=version.grant_micros, amount_usd=usd(version.grant_micros),
        bonus_micros=version.bonus_micros, grant_kind=version.grant_kind, min_quantity=version.min_quantity,
        max_quantity=version.max_quantity, expires_days=version.expires_days, active=row.active,
        available=row.active and not offer.blocked, version=version.number, created_at=row.created_at,
    )  # fmt: skip


def checkout(payment: Payment) -> Checkout:
    return Checkout(checkout_url=payment.session_url or "", payment_id=payment.id, session_id=payment.session_id or "")


def _steps(steps: tuple[Step, ...]) -> list[ExplanationStep]:
    found = []
    for step in steps:
        given = {"at": step.at, "ref": step.ref}
        found.append(ExplanationStep(kind=step.kind, text=step.text, **{k: v for k, v in given.items() if v}))
    return found
