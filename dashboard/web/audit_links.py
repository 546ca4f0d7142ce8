"""Links to the pages of objects: those of audit entries, and any other by its endpoint."""

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
    return address(kind.org_page, entry.object_id, slug=slug) if kind else ""


def of_platform(entry: AuditEntry) -> str:
    """The object's page among the platform's pages; empty if it has none."""
    if entry.object_kind == "api_key" and entry.org_id == PLATFORM_ORG_ID:
        return address("admin_service_keys.show", entry.object_id)
    kind = KINDS.get(entry.object_kind)
    return address(kind.admin_page, entry.object_id) if kind else ""


def address(endpoint: str, object_id: str, *, slug: str = "") -> str:
    """The URL of the object's page; empty without an endpoint or a valid id."""
    if not endpoint or ids.parse(object_id) is None:
        return ""
    names = next(current_app.url_map.iter_rules(endpoint)).arguments
    values: dict[str, Any] = {name: slug if name == "slug" else object_id for name in names}
    return url_for(endpoint, **values)
