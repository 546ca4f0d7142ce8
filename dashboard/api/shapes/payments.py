"""Payments."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from dashboard.api.shapes.money import Mode, usd
from dashboard.config.urls import base_url
from dashboard.domain.payments.receipts import receipts
from dashboard.models import Organization
from dashboard.models import Payment as PaymentRow


class Checkout(BaseModel):
    checkout_url: str
    payment_id: UUID
    session_id: str


class Payment(BaseModel):
    """A purchase of credits. `amount_minor` is the price, in the smallest unit of `currency`; `total_minor` is what was
    paid, after the discount and with tax, in `paid_currency`. `credits_micros` includes the bonus."""

    id: UUID
    org_id: UUID
    mode: Mode
    state: str
    kind: str
    product_id: UUID
    description: str
    quantity: int
    amount_minor: int
    currency: str
    discount_minor: int | None = None
    tax_minor: int | None = None
    total_minor: int | None = None
    paid_currency: str | None = None
    credits_micros: int
    credits_usd: str
    bonus_micros: int
    promotion_code: str | None = None
    decline_code: str | None = None
    transaction_id: UUID | None = None
    session_id: str | None = None
    receipt_url: str | None = None
    created_at: datetime
    paid_at: datetime | None = None
    credited_at: datetime | None = None


class PaymentList(BaseModel):
    data: list[Payment]
    next_cursor: str | None


def checkout(payment: PaymentRow) -> Checkout:
    return Checkout(checkout_url=payment.session_url or "", payment_id=payment.id, session_id=payment.session_id or "")


def payment(row: PaymentRow, org: Organization) -> Payment:
    receipt_url = f"{base_url()}/o/{org.slug}/payments/{row.id}/receipt.pdf" if receipts.exists(row) else None
    credits_ = row.grant_micros + row.bonus_micros
    given: dict[str, Any] = {
        "discount_minor": row.discount_minor, "tax_minor": row.tax_minor, "total_minor": row.total_minor,
        "paid_currency": row.paid_currency, "promotion_code": row.promotion_code, "decline_code": row.decline_code,
        "transaction_id": row.transaction_id, "session_id": row.session_id, "receipt_url": receipt_url,
        "paid_at": row.paid_at, "credited_at": row.credited_at,
    }  # fmt: skip
    return Payment(
        id=row.id, org_id=row.org_id, mode=row.mode, state=row.state, kind="purchase", product_id=row.product_id,
        description=row.sold, quantity=row.quantity, currency=row.currency, amount_minor=row.amount_minor,
        credits_micros=credits_, credits_usd=usd(credits_), bonus_micros=row.bonus_micros,
        created_at=row.created_at, **{name: value for name, value in given.items() if value is not None},
    )  # fmt: skip
