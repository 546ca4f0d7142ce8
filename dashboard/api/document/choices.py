"""The values that fields of answers can have today. More may come: programs must take values that they do not know.

Sets that cannot grow, such as `mode`, are enums of the schemas themselves.
"""

from collections.abc import Iterable

from dashboard.api import error_codes
from dashboard.api.document.nouns import BASES
from dashboard.domain.access.permissions import ROLES, SCOPES, SERVICE_SCOPES
from dashboard.domain.audit.kinds import KINDS
from dashboard.domain.audit.words import ACTIONS
from dashboard.models import HOLD_STATES, PAYMENT_STATES, PERIODS, PRICE_KINDS, TRANSACTION_TYPES

_ALL_SCOPES = sorted(SCOPES | SERVICE_SCOPES)
_ACTORS = ("user", "key", "manager", "system")

_CHOICES: dict[str, Iterable[str]] = {
    "ApiKey.scopes": _ALL_SCOPES,
    "AuditActor.kind": _ACTORS,
    "AuditEntry.action": ACTIONS,
    "AuditObject.kind": KINDS,
    "ExplanationStep.kind": ("actor", "origin", "payment", "hold", "posted", "grant"),
    "FieldError.code": error_codes.FIELD_CODES,
    "Hold.state": HOLD_STATES,
    "Invite.state": ("pending", "expired", "stopped", "accepted", "declined", "revoked"),
    "Me.kind": ("user", "key", "service_key", "end_user"),
    "Me.scopes": _ALL_SCOPES,
    "Org.funding": ("platform", "own"),
    "Org.kind": ("team", "personal"),
    "Org.role": ROLES,
    "Payment.kind": ("purchase",),
    "Payment.state": PAYMENT_STATES,
    "Problem.code": sorted({code for codes in error_codes.CODES.values() for code in codes}),
    "PriceVersion.kind": PRICE_KINDS,
    "PriceVersion.period": PERIODS,
    "Product.kind": ("pack",),
    "Transaction.type": TRANSACTION_TYPES,
    "TransactionActor.kind": _ACTORS,
    "User.platform_role": ("standard", "platform_manager"),
    "Wallet.funding": ("platform", "own"),
}


def of_field(schema: str, field: str) -> list[str]:
    """The known values, in their usual order; empty if the set is fixed or open."""
    return list(_CHOICES.get(f"{BASES.get(schema, schema)}.{field}", ()))
