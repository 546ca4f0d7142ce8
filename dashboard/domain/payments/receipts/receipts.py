"""Receipts: what a payment was for and what was paid, as one set of texts for the email, its PDF and the page."""

import logging
from typing import Any
from uuid import UUID

from sqlalchemy import select

from dashboard.config import settings
from dashboard.core import clock
from dashboard.core.db import db
from dashboard.core.errors import Invalid, NotFound
from dashboard.core.mail import Attachment, one_line
from dashboard.core.money import from_minor, money, of_currency
from dashboard.domain.messages import outbox
from dashboard.models import Organization, OutboxEmail, Payment, Transaction, User

EVENT = "receipt"
PERSONS = ("user", "manager")
ACCEPTED = "What was paid differs from the price; it was reviewed and accepted, and the whole pack was credited."

log = logging.getLogger(__name__)


def owe(payment: Payment) -> UUID | None:
    """Queue the receipt for the user who paid and for the billing email, once per payment. Needs the organization's
    open transaction. Returns the row of the first email.

    None for a program's payment, an erased user, an invalid address, and if the provider did not report the amount it
    took: a receipt that cannot be sent never blocks the credit.
    """
    if not exists(payment):
        return None
    payer, bills = _payer(payment), _bills_to(payment.org_id)
    first = _send(payment, _key(payment.id), payer.email) if payer and payer.is_active else None
    if bills and (payer is None or bills != payer.email):
        _send(payment, f"{_key(payment.id)}:billing", bills)
    return first


def mailed(payment: Payment) -> OutboxEmail | None:
    """The email with this payment's receipt, if there is one."""
    return outbox.owed(payment.org_id, _key(payment.id))


def exists(payment: Payment) -> bool:
    """Whether there is a receipt: only for a payment that was paid and credited, as sold or as accepted in a review."""
    return payment.state == "credited" and None not in (payment.paid_currency, payment.total_minor)


def facts(payment: Payment) -> dict[str, Any]:
    """The content of a receipt, as texts of one line each; empty if there is nothing to say.

    Prices and credits are in US dollars, the amount paid is in its own currency, times are UTC. Raises NotFound if
    there is no receipt.
    """
    org = db.session.get(Organization, payment.org_id)
    currency, total = payment.paid_currency, payment.total_minor
    if org is None or not exists(payment) or payment.credited_at is None or currency is None or total is None:
        raise NotFound("There is no receipt for this payment.")
    reason = select(Transaction.reason).filter_by(org_id=payment.org_id, id=payment.transaction_id)
    payer = _payer(payment)
    base = settings().base_url
    return {
        "payment_id": str(payment.id),
        "org": one_line(org.name),
        "address": [one_line(line) for line in (org.billing_address or "").splitlines()],
        "tax_id": one_line(org.tax_id or ""),
        "payer": one_line(payer.name) if payer else "",
        "payer_email": one_line(payer.email) if payer else "",
        "pack": one_line(payment.name),
        "quantity": payment.quantity,
        "unit_price": money(from_minor(payment.unit_price_minor)),
        "price": money(from_minor(payment.amount_minor)),
        "discount": _sum(payment.discount_minor, currency),
        "promotion_code": one_line(payment.promotion_code or ""),
        **_tax(payment, currency, total),
        "paid": of_currency(total, currency),
        "note": ACCEPTED if db.session.scalar(reason) else "",
        "credits": money(payment.grant_micros + payment.bonus_micros),
        "bonus": money(payment.bonus_micros) if payment.bonus_micros else "",
        "paid_at": clock.in_words(payment.paid_at or payment.credited_at),
        "test": payment.mode == "test",
        "link": f"{base}/o/{org.slug}/transactions/{payment.transaction_id}" if base else "",
    }


def pdf(receipt: dict[str, Any]) -> Attachment:
    """The receipt as a PDF file with the content of `facts`."""
    from dashboard.domain.payments.receipts import (
        receipt_pdf,  # the library is slow to import, and few processes need it
    )

    name = f"receipt-{receipt['payment_id']}.pdf"
    return Attachment(name, "application/pdf", receipt_pdf.draw(receipt))


ATTACH: outbox.Attach = {EVENT: lambda receipt: [pdf(receipt)]}
"""The attachments of each email."""


def _send(payment: Payment, key: str, to: str) -> UUID | None:
    try:
        return outbox.send(payment.org_id, key=key, event=EVENT, to=to, context=facts(payment))
    except Invalid as refusal:
        log.warning("no receipt", extra={"payment": str(payment.id), "reason": refusal.detail})
        return None


def payer_address(payment: Payment) -> str | None:
    """The recipient of emails about a payment: the user who paid, or the billing email if a program did."""
    payer = _payer(payment)
    if payer is None:
        return _bills_to(payment.org_id)
    return payer.email if payer.is_active else None


def _bills_to(org_id: UUID) -> str | None:
    return db.session.scalar(select(Organization.billing_email).filter_by(id=org_id))


def _key(payment_id: UUID) -> str:
    return f"receipt:{payment_id}"


def _payer(payment: Payment) -> User | None:
    if payment.actor_kind not in PERSONS or payment.actor_id is None:
        return None
    return db.session.scalar(select(User).filter_by(id=payment.actor_id))


def _tax(payment: Payment, currency: str, total: int) -> dict[str, str]:
    """Tax added to the price is one of the amounts that make up the total; tax within the price is part of the
    total."""
    if not payment.tax_minor or payment.tax_on_top:
        return {"tax": _sum(payment.tax_minor, currency), "tax_included": "", "without_tax": ""}
    included, net = of_currency(payment.tax_minor, currency), of_currency(total - payment.tax_minor, currency)
    return {"tax": "", "tax_included": included, "without_tax": net}


def _sum(minor: int | None, currency: str) -> str:
    return of_currency(minor, currency) if minor else ""
