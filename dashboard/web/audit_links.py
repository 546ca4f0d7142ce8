"""Where the object of an entry is looked at."""

from typing import Any

from flask import current_app, url_for

from dashboard.core import ids
from dashboard.domain.identity.permissions import Verb
from dashboard.models import AuditEntry
from dashboard.web.guards import Visit

_OF_ORG = {
    "membership": ("members.listing", ""),
    "invite": ("members.listing", ""),
    "api_key": ("keys.show", "key_id"),
    "payment": ("payments.show", "payment_id"),
    "transaction": ("transactions.show", "transaction_id"),
    "product": ("catalog.show", "product_id"),
}
_OF_PLATFORM = {
    "user": ("admin_users.show", "user_id"),
    "organization": ("admin_orgs.show", "org_id"),
    "payment": ("admin_payments.show", "payment_id"),
    "product": ("admin_catalog.show", "product_id"),
    "inbox_event": ("admin_webhooks.show", "event_id"),
}


def of_org(entry: AuditEntry, visit: Visit) -> str:
    """The object's page in its organization; empty where it has none, or none for this visitor."""
    slug = visit.org.slug
    if entry.object_kind == "api_key" and not visit.may(Verb.MANAGE_KEYS):
        return ""
    if entry.object_kind == "page":
        return entry.object_id if entry.object_id.startswith(f"/o/{slug}/") else ""
    return _address(_OF_ORG, entry, slug=slug)


def of_platform(entry: AuditEntry) -> str:
    """The object's page among those of the platform; empty where it has none."""
    return _address(_OF_PLATFORM, entry)


def _address(places: dict[str, tuple[str, str]], entry: AuditEntry, **values: str) -> str:
    endpoint, name = places.get(entry.object_kind, ("", ""))
    if endpoint not in current_app.view_functions or ids.parse(entry.object_id) is None:
        return ""
    address: dict[str, Any] = {name: entry.object_id, **values} if name else dict(values)
    return url_for(endpoint, **address)
