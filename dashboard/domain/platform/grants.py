"""What platform managers do with credits: grant them and remove them, always with a reason."""

from datetime import datetime

from dashboard.core.errors import Invalid
from dashboard.domain import audit, org_status
from dashboard.domain.audit import Actor
from dashboard.domain.funds import ledger, origins, wallets
from dashboard.domain.funds.ledger import NewGrant, Posting
from dashboard.models import Organization

CATEGORIES = {"goodwill": "promotional", "promotion": "promotional", "correction": "promotional", "contract": "paid"}
"""What a grant was given for, and the kind of credit it creates."""


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
    description: str | None = None,
    body_hash: bytes | None = None,
) -> Posting:
    """Remove credit, once per `key`; `amount_micros` is above zero. Needs the organization's transaction.

    More than the available amount needs `allow_negative`, else RemovalTooLarge. Raises Invalid, KeyReused.
    """
    check_category(category)
    reason = audit.checked_reason(reason)
    org_status.hold_open(org.id)
    posting = ledger.post(
        wallets.of_organization(org.id, mode), type="admin_removal", amount=-amount_micros, origin=origins.OPERATOR,
        key=key, by=by, body_hash=body_hash, description=description or f"{category.capitalize()} removal",
        reason=reason, allow_negative=allow_negative,
    )  # fmt: skip
    _record(org, posting, by, "credits.removed", category, reason)
    return posting


def check_category(category: str) -> None:
    """Raise Invalid with the field."""
    if category not in CATEGORIES:
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
) -> None:
    if not posting.replayed:
        audit.record(
            audit.Ref("transaction", posting.id), action, by=by, org=org.id,
            before={"balance": posting.balance_before},
            after={"balance": posting.balance_after, "amount": posting.amount, "category": category}
            | ({"source_id": source} if source else {})
            | ({"expires_at": expires_at.isoformat()} if expires_at else {}),
            reason=reason,
        )  # fmt: skip
