"""The email about a delayed payment that failed, after its payer left and expected it to succeed."""

import logging

from dashboard.config import settings
from dashboard.core import clock
from dashboard.core.db import db
from dashboard.core.errors import Invalid
from dashboard.core.mail import one_line
from dashboard.domain.messages import outbox
from dashboard.domain.payments import declines
from dashboard.domain.payments.receipts import receipts
from dashboard.models import Organization, Payment

EVENT = "payment_failed"

log = logging.getLogger(__name__)


def tell(payment: Payment) -> None:
    """Notify its payer, or the billing email if a program bought it, once per payment. Needs the organization's open
    transaction. An invalid address does not stop the caller."""
    org, to = db.session.get(Organization, payment.org_id), receipts.payer_address(payment)
    if org is None or to is None:
        return
    words, base = declines.explain(payment.decline_code), settings().base_url
    context = {
        "org": one_line(org.name),
        "sold": one_line(payment.sold),
        "why": words.why,
        "advice": words.advice,
        "ordered_at": clock.in_words(payment.created_at),
        "payment_id": str(payment.id),
        "test": payment.mode == "test",
        "link": f"{base}/o/{org.slug}/payments/{payment.id}" if base else "",
    }
    try:
        outbox.send(payment.org_id, key=f"payment-failed:{payment.id}", event=EVENT, to=to, context=context)
    except Invalid as refusal:
        log.warning("no mail about a failed payment", extra={"payment": str(payment.id), "reason": refusal.detail})
