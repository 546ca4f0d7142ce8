"""The rows. Ids are set, not objects; relationships are for reading."""

from dashboard.models.base import PLATFORM_ORG_ID, Base
from dashboard.models.funds import TRANSACTION_TYPES, CreditGrant, GrantBurn, LedgerSeal, Transaction, Wallet, WalletDay
from dashboard.models.identity import (
    ApiKey,
    AuditEntry,
    Lease,
    Membership,
    Organization,
    OrgDirectory,
    PersonalToken,
    RateBucket,
    User,
    UserSession,
)
from dashboard.models.messages import EMAIL_STATES, OutboxEmail
from dashboard.models.payments import (
    INBOX_STATES,
    PAYMENT_STATES,
    Customer,
    DummySession,
    InboxEvent,
    InboxTry,
    Payment,
    Product,
    ProductVersion,
    ProviderPrice,
)

__all__ = [
    "EMAIL_STATES",
    "INBOX_STATES",
    "PAYMENT_STATES",
    "PLATFORM_ORG_ID",
    "TRANSACTION_TYPES",
    "ApiKey",
    "AuditEntry",
    "Base",
    "CreditGrant",
    "Customer",
    "DummySession",
    "GrantBurn",
    "InboxEvent",
    "InboxTry",
    "Lease",
    "LedgerSeal",
    "Membership",
    "OrgDirectory",
    "Organization",
    "OutboxEmail",
    "Payment",
    "PersonalToken",
    "Product",
    "ProductVersion",
    "ProviderPrice",
    "RateBucket",
    "Transaction",
    "User",
    "UserSession",
    "Wallet",
    "WalletDay",
]  # fmt: skip
