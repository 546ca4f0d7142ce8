"""What platform managers do with credits: grant them and remove them, always with a reason."""

from datetime import datetime

from dashboard.core.errors import Conflict, Invalid
from dashboard.domain import audit, org_status
from dashboard.domain.audit import Actor
from dashboard.domain.funds import ledger, origins, settlement, wallets
from dashboard.domain.funds.ledger import NewGrant, Posting
from dashboard.domain.funds.settlement import Sources
from dashboard.models import Organization

CATEGORIES = {"goodwill": "promotional", "promotion": "promotional", "correction": "promotional", "contract": "paid"}
"""What a grant is for, and the kind of credit it creates."""

REMOVALS = {
    "correction": "Correction",
    "mistaken_grant": "Mistaken grant",
    "expired_offer": "Expired offer",
    "fraud": "Fraud",
    "agreed": "Agreed with customer",
}
"""What credit is removed for, and its name. Programs may also send a category of grants, as they always could."""


class TakesPaidCredit(Conflict):
    """A removal would take credit that was paid for, which the caller did not allow. `paid_micros` says how much."""

    code = "takes_paid_credit"

    def __init__(self, paid_micros: int) -> None:
        super().__init__("This would take credit that was paid for. Nothing was changed.", paid_micros=paid_micros)


def grant(
    org: Organization,
    *,
    mode: str,
    amount_micros: int,
    category: str,
    reason: str,
    by: Actor,
    key: str,
    description: str | None = None,
    source: str | None = None,
    expires_at: datetime | None = None,
    body_hash: bytes | None = None,
) -> Posting:
    """Add credit to the organization's wallet of `mode`, once per `key`. Needs its transaction.

    `source` is the caller's own reference, stored in the audit entry. What is left at `expires_at` expires. Raises
    Invalid, KeyReused.
    """
    check_category(category)
    reason = audit.checked_reason(reason)
    org_status.hold_open(org.id)
    posting = ledger.post(
        wallets.of_organization(org.id, mode), type="admin_grant", amount=amount_micros, origin=origins.OPERATOR,
        key=key, by=by, body_hash=body_hash, description=description or f"{category.capitalize()} grant", reason=reason,
        slices=[NewGrant(CATEGORIES[category], category, amount_micros, expires_at=expires_at)],
    )  # fmt: skip
    _record(org, posting, by, "credits.granted", category, reason, source=source, expires_at=expires_at)
    return posting


def remove(
    org: Organization,
    *,
    mode: str,
    amount_micros: int,
    category: str,
    reason: str,
    by: Actor,
    key: str,
    allow_negative: bool = False,
    allow_paid: bool = True,
    paid_reason: str | None = None,
    description: str | None = None,
    body_hash: bytes | None = None,
) -> Posting:
    """Remove credit, once per `key`; `amount_micros` is above zero. Needs the organization's transaction.

    More than the available amount needs `allow_negative`, else RemovalTooLarge. Without `allow_paid` it takes no credit
    that was paid for, else TakesPaidCredit; `paid_reason` says why it does. Locks the wallet. Raises Invalid,
    KeyReused.
    """
    if category not in CATEGORIES:
        check_category(category, removing=True)
    reason = audit.checked_reason(reason)
    org_status.hold_open(org.id)
    wallet = wallets.locked(org.id, mode)
    taken = settlement.sources(wallet, amount_micros)
    posting = ledger.post(
        wallet, type="admin_removal", amount=-amount_micros, origin=origins.OPERATOR, key=key, by=by,
        body_hash=body_hash, description=description or f"Removal: {REMOVALS.get(category, category).lower()}",
        reason=reason, allow_negative=allow_negative,
    )  # fmt: skip
    if taken.paid and not allow_paid and not posting.replayed:
        raise TakesPaidCredit(taken.paid)
    _record(org, posting, by, "credits.removed", category, reason, taken=taken, paid_reason=paid_reason)
    return posting


def check_category(category: str, *, removing: bool = False) -> None:
    """Raise Invalid with the field."""
    if category not in (REMOVALS if removing else CATEGORIES):
        raise Invalid("Choose what this is for.", field="category")


def _record(
    org: Organization,
    posting: Posting,
    by: Actor,
    action: str,
    category: str,
    reason: str,
    *,
    source: str | None = None,
    expires_at: datetime | None = None,
    taken: Sources | None = None,
    paid_reason: str | None = None,
) -> None:
    if not posting.replayed:
        audit.record(
            audit.Ref("transaction", posting.id), action, by=by, org=org.id,
            before={"balance": posting.balance_before},
            after={"balance": posting.balance_after, "amount": posting.amount, "category": category}
            | ({"source_id": source} if source else {})
            | ({"expires_at": expires_at.isoformat()} if expires_at else {})
            | ({"paid_micros": taken.paid} if taken and taken.paid else {})
            | ({"paid_reason": paid_reason} if taken and taken.paid and paid_reason else {}),
            reason=reason,
        )  # fmt: skip
