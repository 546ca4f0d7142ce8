"""The navigation around a page: which links somebody sees, and the balance beside them."""

from typing import Any

from flask import request, url_for
from flask_login import current_user

from dashboard.domain.access.permissions import Caller, Verb, allowed
from dashboard.domain.organizations import user_organizations
from dashboard.models import LOW_MICROS, Organization, Wallet
from dashboard.web.shell import Group, Link, Place, Shell


def of_organization(org: Organization, caller: Caller, wallet: Wallet) -> Shell:
    """The pages of one organization, as far as `caller` may see them."""
    slug = org.slug
    sees_balance = allowed(Verb.READ_BALANCE, caller)
    state, words = balance_state(wallet)
    return Shell(
        groups=_groups(org, caller),
        home=url_for("costs.show", slug=slug),
        place=Place(org.name, url_for("costs.show", slug=slug), _role_words(caller)),
        others=_others(slug),
        balance_micros=wallet.balance if sees_balance else None,
        balance_state=state if sees_balance else "",
        balance_words=words if sees_balance else "",
        platform_href=url_for("admin.show") if current_user.is_manager else "",
        notice_platform=caller.role is None,
        leave=(f"Back to {org.name} (platform)", url_for("admin_orgs.show", org_id=org.id)),
        suspended=org.suspended_at is not None,
        test_mode=wallet.mode == "test",
    )


def _groups(org: Organization, caller: Caller) -> tuple[Group, ...]:
    slug = org.slug
    billing = [_link("Cost management", "costs.show", slug=slug)]
    if allowed(Verb.READ_BALANCE, caller):
        billing.append(_link("Credits", "credit_grants.index", slug=slug))
    if allowed(Verb.READ_OWN_ROWS, caller):
        billing.append(_link("Transactions", "transactions.listing", slug=slug))
    if allowed(Verb.READ_OWN_USAGE, caller):
        billing.append(_link("Usage", "usage.listing", slug=slug))
    if allowed(Verb.READ_OWN_ROWS, caller):
        billing.append(_link("Holds", "holds.listing", slug=slug))
    if allowed(Verb.READ_PRICES, caller):
        billing.append(_link("Prices", "prices.listing", slug=slug))
    if allowed(Verb.READ_PAYMENTS, caller):
        billing.append(_link("Payments", "payments.index", slug=slug))
    if allowed(Verb.READ_LIMITS, caller):
        billing.append(_link("Spend limits", "limits.listing", slug=slug))
    if allowed(Verb.BUY, caller):
        billing.append(_link("Buy credits", "buy.form", slug=slug))
    if org.funding == "own" and allowed(Verb.READ_OWN_CATALOG, caller):
        billing.append(_link("Credit packs", "catalog.listing", slug=slug))
    organization = []
    if allowed(Verb.READ_MEMBERS, caller):
        organization.append(_link("Members", "members.listing", slug=slug))
    if allowed(Verb.MANAGE_OWN_KEYS, caller):
        organization.append(_link("API keys", "keys.listing", slug=slug))
    if allowed(Verb.READ_AUDIT, caller):
        organization.append(_link("Audit log", "audit.listing", slug=slug))
    if allowed(Verb.MANAGE_ORG, caller):
        organization.append(_link("Settings", "settings.show", slug=slug))
    groups = [Group("Billing", tuple(billing)), Group("Organization", tuple(organization))]
    return tuple(group for group in groups if group.links)


def of_platform(mode: str) -> Shell:
    links = (
        _link("Overview", "admin.show"),
        _link("Organizations", "admin_orgs.listing"),
        _link("Users", "admin_users.listing"),
        _link("Payments", "admin_payments.listing"),
        _link("Credit packs", "admin_catalog.listing"),
        _link("Metrics and prices", "admin_prices.listing"),
        _link("Webhooks", "admin_webhooks.listing"),
        _link("Mail", "admin_mail.listing"),
        _link("Service keys", "admin_service_keys.listing"),
        _link("Audit log", "admin_audit.listing"),
        _link("System", "admin_system.show"),
    )
    return Shell(
        groups=(Group("Platform", links),),
        home=url_for("admin.show"),
        others=_others(None),
        test_mode=mode == "test",
    )


def of_account(mode: str) -> Shell:
    return Shell(
        groups=(
            Group(
                "Account",
                (
                    _link("Profile", "account.profile"),
                    _link("Security", "account_security.show"),
                    _link("Access tokens", "account_tokens.listing"),
                ),
            ),
            Group("Work", (_link("Organizations", "orgs.listing"),)),
        ),
        home=url_for("auth.start"),
        others=_others(None),
        platform_href=url_for("admin.show") if current_user.is_manager else "",
        test_mode=mode == "test",
    )


def _link(label: str, endpoint: str, **values: Any) -> Link:
    here = (request.endpoint or "").split(".")[0] == endpoint.split(".")[0]
    return Link(label, url_for(endpoint, **values), current=here)


def _others(slug: str | None) -> tuple[Place, ...]:
    """The user's most recent organizations; the switcher's last line leads to all."""
    entries = user_organizations.recent(current_user.id)
    return tuple(
        Place(entry.org.name, url_for("costs.show", slug=entry.org.slug), (entry.role or "").capitalize())
        for entry in entries
        if entry.org.slug != slug
    )


def _role_words(caller: Caller) -> str:
    return caller.role.capitalize() if caller.role else "Platform manager, read only"


def balance_state(wallet: Wallet) -> tuple[str, str]:
    """A tone and a word for a balance that needs attention; both empty for a good one."""
    if wallet.balance < 0:
        return "bad", "overdrawn"
    if wallet.blocked:
        return "bad", "out of credits"
    if wallet.available < LOW_MICROS:
        return "warn", "low"
    return "", ""
