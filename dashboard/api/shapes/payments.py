"""Payments."""

from uuid import UUID

from pydantic import BaseModel

from dashboard.models import Payment


class Checkout(BaseModel):
    checkout_url: str
    payment_id: UUID
    session_id: str


def checkout(payment: Payment) -> Checkout:
    return Checkout(checkout_url=payment.session_url or "", payment_id=payment.id, session_id=payment.session_id or "")
