"""What platform managers do with credits: grant them and remove them, always with a reason."""

import re
from datetime import datetime
from typing import Any
from uuid import UUID

from dashboard.core.errors import Conflict, Invalid
from dashboard.domain import audit, org_status
from dashboard.domain.audit import Actor
from dashboard.domain.funds import credit_grants, ledger, origins, wallets
from dashboard.domain.funds.credit_grants import removal, settlement
from dashboard.domain.funds.credit_grants.settlement import Sources
from dashboard.domain.funds.ledger import NewGrant, Posting
from dashboard.models import Organization, Wallet

CATEGORIES = {"goodwill": "promotional", "promotion": "promotional", "correction": "promotional", "contract": "paid"}
"""What a grant is for, and the kind of credit it creates."""

LAST_PRIORITY = 100
_PRIORITY = re.compile(r"[0-9]{1,3}", re.ASCII)

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
    priority: int = 0,
    body_hash: bytes | None = None,
) -> Posting:
    """Add credit to the organization's wallet of `mode`, once per `key`. Needs its transaction.

    `source` is the caller's own reference, stored in the audit entry. What is left at `expires_at` expires. Of
    two grants of one kind, the one with the lower `priority` is spent first. Raises Invalid, KeyReused.
    """
    check_category(category)
    check_priority(priority)
    reason = audit.checked_reason(reason)
    org_status.hold_open(org.id)
    posting = ledger.post(
        wallets.of_organization(org.id, mode), type="admin_grant", amount=amount_micros, origin=origins.OPERATOR,
        key=key, by=by, body_hash=body_hash, description=description or f"{category.capitalize()} grant", reason=reason,
        slices=[NewGrant(CATEGORIES[category], category, amount_micros, priority, expires_at)],
    )  # fmt: skip
    _record(
        org, posting, by, "credits.granted", category, reason, priority=priority, source=source, expires_at=expires_at
    )
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
    grant_id: UUID | None = None,
    body_hash: bytes | None = None,
) -> Posting:
    """Remove credit, once per `key`; `amount_micros` is above zero. Needs the organization's transaction.

    It is taken from the grant `grant_id`, or in the order in which credit is spent. More than the available amount
    needs `allow_negative`, which no named grant allows, else RemovalTooLarge. Without `allow_paid` it takes no credit
    that was paid for, else TakesPaidCredit; `paid_reason` says why it does. Locks the wallet. Raises Invalid,
    KeyReused.
    """
    if category not in CATEGORIES:
        check_category(category, removing=True)
    reason = audit.checked_reason(reason)
    org_status.hold_open(org.id)
    if grant_id is not None and allow_negative:
        raise Invalid("A removal from one grant can't go below zero.", field="allow_negative")
    wallet = wallets.locked(org.id, mode)
    takes = taken(wallet, amount_micros, grant_id)
    common: dict[str, Any] = {
        "key": key, "by": by, "body_hash": body_hash, "reason": reason,
        "description": description or f"Removal: {REMOVALS.get(category, category).lower()}",
    }  # fmt: skip
    if grant_id is not None:
        posting = removal.remove(wallet, grant_id, amount=amount_micros, **common)
    else:
        posting = ledger.post(
            wallet, type="admin_removal", amount=-amount_micros, origin=origins.OPERATOR,
            allow_negative=allow_negative, **common,
        )  # fmt: skip
    if takes.paid and not allow_paid and not posting.replayed:
        raise TakesPaidCredit(takes.paid)
    _record(
        org, posting, by, "credits.removed", category, reason, taken=takes, paid_reason=paid_reason, grant_id=grant_id
    )
    return posting


def check_category(category: str, *, removing: bool = False) -> None:
    """Raise Invalid with the field."""
    if category not in (REMOVALS if removing else CATEGORIES):
        raise Invalid("Choose what this is for.", field="category")


def check_priority(priority: int) -> None:
    """Raise Invalid with the field."""
    if not 0 <= priority <= LAST_PRIORITY:
        raise Invalid(f"Enter a whole number from 0 to {LAST_PRIORITY}.", field="priority")


def parse_priority(text: str) -> int:
    """The priority that was typed; 0 if none was. Raises Invalid."""
    priority = int(text) if _PRIORITY.fullmatch(text := text.strip()) else -1 if text else 0
    check_priority(priority)
    return priority


def taken(wallet: Wallet, amount: int, grant_id: UUID | None = None) -> Sources:
    """What a removal of `amount` takes now: from the grant, or in the order in which credit is spent. Exact while the
    wallet is locked. Raises Invalid if the wallet has no such grant."""
    if grant_id is None:
        return settlement.sources(wallet, amount)
    kind = credit_grants.named(wallet, grant_id).grant.kind
    return Sources(amount, 0, 0) if kind == "promotional" else Sources(0, amount, 0)


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
    priority: int = 0,
    grant_id: UUID | None = None,
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
            | ({"priority": priority} if priority else {})
            | ({"grant_id": str(grant_id)} if grant_id else {})
            | ({"paid_micros": taken.paid} if taken and taken.paid else {})
            | ({"paid_reason": paid_reason} if taken and taken.paid and paid_reason else {}),
            reason=reason,
        )  # fmt: skip
