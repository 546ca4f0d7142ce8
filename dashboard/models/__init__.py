"""The rows. Ids are set, not objects; relationships are for reading."""

from dashboard.models.accounts import PROOF_PURPOSES, KnownDevice, RecoveryCode, UserProof, WelcomedAddress
from dashboard.models.base import PLATFORM_ORG_ID, Base
from dashboard.models.funds import OTHER_APPS, CreditGrant, GrantBurn, LedgerSeal, Transaction, Wallet, WalletDay
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
from dashboard.models.invites import ALGORITHMS, INVITE_STATES, EndUser, IdentityProvider, Invite
from dashboard.models.limits import WINDOWS, LimitWindow, SpendLimit
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
from dashboard.models.transaction_types import ADJUSTMENTS, SPENDING, TRANSACTION_TYPES, TransactionType

__all__ = [
    "ADJUSTMENTS",
    "ALGORITHMS",
    "EMAIL_STATES",
    "INBOX_STATES",
    "INVITE_STATES",
    "OTHER_APPS",
    "PAYMENT_STATES",
    "PLATFORM_ORG_ID",
    "PROOF_PURPOSES",
    "SPENDING",
    "TRANSACTION_TYPES",
    "WINDOWS",
    "ApiKey",
    "AuditEntry",
    "Base",
    "CreditGrant",
    "Customer",
    "DummySession",
    "EndUser",
    "GrantBurn",
    "IdentityProvider",
    "InboxEvent",
    "InboxTry",
    "Invite",
    "KnownDevice",
    "Lease",
    "LedgerSeal",
    "LimitWindow",
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
    "RecoveryCode",
    "SpendLimit",
    "Transaction",
    "TransactionType",
    "User",
    "UserProof",
    "UserSession",
    "Wallet",
    "WalletDay",
    "WelcomedAddress",
]  # fmt: skip
