"""The kinds of objects that entries are about, one line each: how its name is read, its fallback name, its pages."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import String, case, cast, select

from dashboard.models import (
    ApiKey,
    Base,
    Hold,
    IdentityProvider,
    InboxEvent,
    Invite,
    Membership,
    Metric,
    Organization,
    OutboxEmail,
    Payment,
    PersonalToken,
    Price,
    Product,
    SpendLimit,
    Transaction,
    UsageEvent,
    User,
    UserSession,
    Wallet,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """`noun` is used if the name is unknown. `name` is an SQL expression over the model's table; without one, the name
    comes from the entry's own values. The pages are endpoints of the website: the organization's and the platform's."""

    noun: str
    model: type[Base] | None = None
    name: Any = None
    org_page: str = ""
    admin_page: str = ""


_MEMBER = select(User.name).where(User.id == Membership.user_id).scalar_subquery()
_LIMITED = case(
    (SpendLimit.scope == "org", "the organization"),
    (SpendLimit.scope == "app", "the app " + SpendLimit.scope_id),
    (SpendLimit.scope == "member", select(User.name).where(cast(User.id, String) == SpendLimit.scope_id)
     .scalar_subquery()),
    else_=select(ApiKey.name).where(ApiKey.org_id == SpendLimit.org_id, ApiKey.limit_id == SpendLimit.id).limit(1)
    .scalar_subquery(),
)  # fmt: skip

KINDS = {
    "api_key": Kind("a key", ApiKey, ApiKey.name, "keys.show"),
    "email": Kind("a mail", OutboxEmail, OutboxEmail.event),
    "hold": Kind("a hold", Hold, org_page="holds.show"),
    "identity_provider": Kind("the identity provider", IdentityProvider),
    "inbox_event": Kind("a webhook", InboxEvent, InboxEvent.type, admin_page="admin_webhooks.show"),
    "invite": Kind("an invite", Invite, Invite.email, "members.listing"),
    "ledger": Kind("the ledger"),
    "membership": Kind("a former member", Membership, _MEMBER, "members.listing"),
    "organization": Kind("the organization", Organization, Organization.name, admin_page="admin_orgs.show"),
    "limit": Kind("a limit", SpendLimit, _LIMITED),
    "metric": Kind("a metric", Metric, Metric.name),
    "page": Kind("a page"),
    "payment": Kind("a payment", Payment, Payment.name, "payments.show", "admin_payments.show"),
    "personal_token": Kind("a token", PersonalToken, PersonalToken.name),
    "price": Kind("a price", Price, Price.metric_key),
    "product": Kind("a pack", Product, Product.name, "catalog.show", "admin_catalog.show"),
    "session": Kind("the session", UserSession),
    "transaction": Kind("the transaction", Transaction, org_page="transactions.show"),
    "usage_event": Kind("a usage event", UsageEvent, UsageEvent.metric_key, "usage.show"),
    "user": Kind("an unknown account", User, User.name, admin_page="admin_users.show"),
    "wallet": Kind("the wallet", Wallet),
}
"""By the kind that entries store."""

KIND_OF: dict[type, str] = {kind.model: name for name, kind in KINDS.items() if kind.model}
