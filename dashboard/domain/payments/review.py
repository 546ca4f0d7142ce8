"""The review: a manager accepts or rejects, with a reason, a payment whose amount or currency differs from the
order."""

from uuid import UUID

from dashboard.core.errors import Conflict
from dashboard.domain import audit
from dashboard.domain.audit import Actor
from dashboard.domain.payments import fulfil, states
from dashboard.domain.payments.receipts import receipts
from dashboard.models import Payment


class NotInReview(Conflict):
    code = "not_in_review"


def accept(org_id: UUID, payment_id: UUID, *, reason: str, by: Actor) -> bool:
    """Credit exactly what our row grants, whatever the provider took. Returns False and changes nothing if it was
    already credited.

    Needs the organization's transaction; the action is recorded in its audit log, and the payer is sent the receipt.
    Locks the wallet, then the payment. Raises Invalid, NotFound, NotInReview.
    """
    reason = audit.checked_reason(reason)
    wallet, payment = fulfil.locked(org_id, payment_id)
    if payment.state == "credited":
        return False
    require_open(payment)
    fulfil.credit(payment, wallet, by=by, reason=reason)
    credited = payment.grant_micros + payment.bonus_micros
    states.move(payment, "credited", by=by, action="accepted", reason=reason, facts={"amount": credited})
    receipts.owe(payment)
    return True


def reject(org_id: UUID, payment_id: UUID, *, reason: str, by: Actor) -> bool:
    """End it without credit: the money is refunded at the provider by hand. Returns False if it was already rejected.

    Needs the organization's transaction; the action is recorded in its audit log. What the provider reports later
    changes nothing. Raises Invalid, NotFound, NotInReview.
    """
    reason = audit.checked_reason(reason)
    _, payment = fulfil.locked(org_id, payment_id)
    if payment.rejected:
        return False
    require_open(payment)
    problem = f"Rejected after review: {reason}"
    states.move(payment, "failed", problem=problem, by=by, action="rejected", reason=reason, facts={"amount": 0})
    return True


def require_open(payment: Payment) -> None:
    """Raise NotInReview unless the payment is in review."""
    if payment.state != "review":
        raise NotInReview(f"The payment is {payment.state}, not in review. Nothing was changed.")
