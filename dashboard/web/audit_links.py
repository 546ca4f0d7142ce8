"""Links to the objects of audit entries."""

from typing import Any

from flask import current_app, url_for

from dashboard.core import ids
from dashboard.domain.access.permissions import Verb
from dashboard.domain.audit.kinds import KINDS
from dashboard.models import PLATFORM_ORG_ID, AuditEntry
from dashboard.web.guards import Visit


def of_org(entry: AuditEntry, visit: Visit) -> str:
    """The object's page in its organization; empty if it has none, or none for this visitor."""
    slug = visit.org.slug
    if entry.object_kind == "api_key" and not visit.may(Verb.MANAGE_KEYS):
        return ""
    if entry.object_kind == "page":
        return entry.object_id if entry.object_id.startswith(f"/o/{slug}/") else ""
    kind = KINDS.get(entry.object_kind)
    return _address(kind.org_page, entry, slug=slug) if kind else ""


def of_platform(entry: AuditEntry) -> str:
    """The object's page among the platform's pages; empty if it has none."""
    if entry.object_kind == "api_key" and entry.org_id == PLATFORM_ORG_ID:
        return _address("admin_service_keys.show", entry)
    kind = KINDS.get(entry.object_kind)
    return _address(kind.admin_page, entry) if kind else ""


def _address(endpoint: str, entry: AuditEntry, *, slug: str = "") -> str:
    if not endpoint or ids.parse(entry.object_id) is None:
        return ""
    names = next(current_app.url_map.iter_rules(endpoint)).arguments
    address: dict[str, Any] = {name: slug if name == "slug" else entry.object_id for name in names}
    return url_for(endpoint, **address)
