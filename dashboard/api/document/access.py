"""Who may make a call: the credentials and the scopes, from the table of permissions."""

from typing import Any

from dashboard.domain.access.permissions import PERSONAL_SCOPES, SCOPES, SERVICE_SCOPES, TABLE, Rule, Verb

_ANY = (Rule(frozenset({"owner"})), Rule(scope=""))
"""Any key or token, whatever its scopes."""

_PERSON = (TABLE[Verb.MANAGE_ORG],)

CALLS: dict[str, tuple[Verb | Rule, ...]] = {
    "me_retrieve": _ANY,
    "orgs_list": _ANY,
    "orgs_create": (*_PERSON, Verb.PROVISION),
    "orgs_retrieve": _ANY,
    "orgs_update": (Verb.MANAGE_ORG, Verb.PROVISION),
    "orgs_delete": (Verb.MANAGE_ORG,),
    "members_list": (Verb.READ_MEMBERS,),
    "members_retrieve": (Verb.READ_MEMBERS,),
    "members_create": (Verb.MANAGE_MEMBERS,),
    "members_update": (Verb.MANAGE_MEMBERS,),
    "members_remove": (Verb.MANAGE_MEMBERS, Verb.LEAVE),
    "ownership_transfer": (Verb.MANAGE_ORG,),
    "invites_list": (Verb.READ_INVITES,),
    "invites_retrieve": (Verb.READ_INVITES,),
    "invites_create": (Verb.MANAGE_MEMBERS,),
    "invites_resend": (Verb.MANAGE_MEMBERS,),
    "invites_revoke": (Verb.MANAGE_MEMBERS,),
    "invites_peek": (),
    "invites_accept": _PERSON,
    "invites_decline": _PERSON,
    "api_keys_list": (Verb.MANAGE_OWN_KEYS,),
    "api_keys_retrieve": (Verb.MANAGE_OWN_KEYS,),
    "api_keys_create": (Verb.MANAGE_OWN_KEYS,),
    "api_keys_rotate": (Verb.MANAGE_OWN_KEYS,),
    "api_keys_update": (Verb.CAP_KEYS,),
    "api_keys_revoke": (Verb.MANAGE_OWN_KEYS,),
    "identity_provider_retrieve": (Verb.MANAGE_IDENTITY_PROVIDER,),
    "identity_provider_set": (Verb.MANAGE_IDENTITY_PROVIDER,),
    "identity_provider_remove": (Verb.MANAGE_IDENTITY_PROVIDER,),
    "audit_list": (Verb.READ_AUDIT,),
    "audit_retrieve": (Verb.READ_AUDIT,),
    "wallet_retrieve": (Verb.READ_BALANCE,),
    "wallet_move": (Verb.CHARGE, Verb.DEPOSIT),
    "wallets_list": (Verb.READ_BALANCE,),
    "wallets_retrieve": (Verb.READ_BALANCE,),
    "grants_list": (Verb.READ_BALANCE,),
    "grants_retrieve": (Verb.READ_BALANCE,),
    "transactions_list": (Verb.READ_OWN_ROWS,),
    "transactions_retrieve": (Verb.READ_OWN_ROWS,),
    "limits_list": (Verb.READ_LIMITS,),
    "limits_retrieve": (Verb.READ_LIMITS,),
    "limits_create": (Verb.MANAGE_LIMITS,),
    "limits_update": (Verb.MANAGE_LIMITS,),
    "limits_remove": (Verb.MANAGE_LIMITS,),
    "spendable_retrieve": (Verb.READ_BALANCE,),
    "usage_record": (Verb.RECORD_USAGE,),
    "usage_record_batch": (Verb.RECORD_USAGE,),
    "usage_charge": (Verb.RECORD_USAGE,),
    "usage_sums": (Verb.READ_OWN_USAGE,),
    "usage_events": (Verb.READ_OWN_USAGE,),
    "holds_list": (Verb.READ_OWN_ROWS, Verb.HOLD),
    "holds_retrieve": (Verb.READ_OWN_ROWS, Verb.HOLD),
    "holds_create": (Verb.HOLD,),
    "holds_extend": (Verb.HOLD,),
    "holds_capture": (Verb.HOLD,),
    "holds_release": (Verb.HOLD,),
    "metrics_list": (Verb.READ_PRICES,),
    "metrics_set": (Verb.MANAGE_OWN_PRICES,),
    "prices_list": (Verb.READ_PRICES,),
    "prices_set": (Verb.MANAGE_OWN_PRICES, Verb.MANAGE_PRICES),
    "usage_event": (Verb.READ_OWN_USAGE,),
    "usage_void": (Verb.VOID_USAGE,),
    "payments_list": (Verb.READ_PAYMENTS,),
    "payments_retrieve": (Verb.READ_PAYMENTS,),
    "checkout_create": (Verb.BUY,),
    "products_list": (Verb.READ_CATALOG,),
    "products_retrieve": (Verb.READ_CATALOG,),
    "products_create": (Verb.MANAGE_OWN_CATALOG,),
    "products_update": (Verb.MANAGE_OWN_CATALOG,),
    "products_archive": (Verb.MANAGE_OWN_CATALOG,),
    "platform_transactions_list": (Verb.PLATFORM_READ,),
    "platform_transactions_retrieve": (Verb.PLATFORM_READ,),
    "platform_transactions_create": (Verb.PLATFORM_GRANT,),
    "platform_products_list": (Verb.PLATFORM_READ,),
    "platform_products_retrieve": (Verb.PLATFORM_READ,),
    "platform_products_create": (Verb.MANAGE_CATALOG,),
    "platform_products_update": (Verb.MANAGE_CATALOG,),
    "platform_products_archive": (Verb.MANAGE_CATALOG,),
    "platform_metrics_list": (Verb.PLATFORM_READ,),
    "platform_metrics_create": (Verb.MANAGE_PRICES,),
    "platform_metrics_set_price": (Verb.MANAGE_PRICES,),
    "platform_orgs_list": (Verb.PLATFORM_READ,),
    "platform_orgs_retrieve": (Verb.PLATFORM_READ,),
    "platform_orgs_update": (Verb.MANAGE_PLATFORM,),
    "platform_users_list": (Verb.PLATFORM_READ,),
    "platform_users_retrieve": (Verb.PLATFORM_READ,),
}
"""By operation id. A call with several takes any of them; one without any is open to everyone."""

_FOR_END_USERS = {"me_retrieve"}


def of_call(operation_id: str) -> dict[str, Any]:
    """`security`: the credentials that may make the call. `x-scopes`: the scopes, one of which it takes."""
    rules = [one if isinstance(one, Rule) else TABLE[one] for one in CALLS[operation_id]]
    elsewhere = (None, *PERSONAL_SCOPES, *(SERVICE_SCOPES - SCOPES))
    credentials = {
        "orgKey": any(rule.scope not in elsewhere for rule in rules),
        "serviceKey": any(rule.scope in ("", *SERVICE_SCOPES) for rule in rules),
        "personalToken": any(rule.roles or rule.token_roles or rule.operator for rule in rules),
        "endUser": operation_id in _FOR_END_USERS,
    }
    scopes = dict.fromkeys(rule.scope for rule in rules if rule.scope)
    return {"security": [{name: []} for name, fits in credentials.items() if fits], "x-scopes": list(scopes)}
