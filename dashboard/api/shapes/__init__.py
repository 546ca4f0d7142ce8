"""What things look like in JSON, one file per noun. Money is an integer of micros with a readable twin.

A field that a thing does not have is left out.
"""

from dashboard.api.shapes.audit import AuditActor, AuditEntryShape, AuditList, AuditObject, audit_entry
from dashboard.api.shapes.callers import IdentityProviderShape, Me, identity_provider
from dashboard.api.shapes.invites import (
    Invite,
    InviteList,
    InvitePeek,
    InviteResult,
    InviteResults,
    invite,
    invite_peek,
    invite_result,
)
from dashboard.api.shapes.keys import Key, KeyCap, KeyList, NewKey, key, new_key
from dashboard.api.shapes.money import Mode, mode, usd
from dashboard.api.shapes.orgs import (
    Member,
    MemberList,
    Org,
    OrgDetails,
    OrgList,
    OrgTerms,
    Role,
    member,
    org,
    org_details,
    org_terms,
)
from dashboard.api.shapes.payments import Checkout, checkout
from dashboard.api.shapes.people import Person, PersonList, person
from dashboard.api.shapes.products import Catalog, ProductList, ProductShape, product
from dashboard.api.shapes.transactions import (
    Actor,
    ExplainedRow,
    ExplanationStep,
    LedgerRow,
    Reasons,
    RowList,
    Slice,
    WalletWithRow,
    explained,
    transaction,
    transaction_values,
    transactions,
)
from dashboard.api.shapes.wallets import Wallet, WalletList, wallet, wallet_values

__all__ = [
    "Actor",
    "AuditActor",
    "AuditEntryShape",
    "AuditList",
    "AuditObject",
    "Catalog",
    "Checkout",
    "ExplainedRow",
    "ExplanationStep",
    "IdentityProviderShape",
    "Invite",
    "InviteList",
    "InvitePeek",
    "InviteResult",
    "InviteResults",
    "Key",
    "KeyCap",
    "KeyList",
    "LedgerRow",
    "Me",
    "Member",
    "MemberList",
    "Mode",
    "NewKey",
    "Org",
    "OrgDetails",
    "OrgList",
    "OrgTerms",
    "Person",
    "PersonList",
    "ProductList",
    "ProductShape",
    "Reasons",
    "Role",
    "RowList",
    "Slice",
    "Wallet",
    "WalletList",
    "WalletWithRow",
    "audit_entry",
    "checkout",
    "explained",
    "identity_provider",
    "invite",
    "invite_peek",
    "invite_result",
    "key",
    "member",
    "mode",
    "new_key",
    "org",
    "org_details",
    "org_terms",
    "person",
    "product",
    "transaction",
    "transaction_values",
    "transactions",
    "usd",
    "wallet",
    "wallet_values",
]
