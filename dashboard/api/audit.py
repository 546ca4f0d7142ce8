"""The audit log of an organization."""

from flask import Response
from pydantic import Field

from dashboard.api import auth, inputs, paging, shapes
from dashboard.api.auth import Access
from dashboard.api.routes import answer, blueprint
from dashboard.domain.access import permissions
from dashboard.domain.access.permissions import Verb
from dashboard.domain.audit import trail
from dashboard.domain.audit.trail import AuditFilters
from dashboard.models import AuditEntry

api = blueprint("audit")


class EntryQuery(paging.PageQuery):
    actor_id: paging.IdText | None = Field(default=None, description="The user or key that acted.")
    action: str | None = Field(default=None, description="Such as `key.revoked`.")
    from_: paging.Since
    to: paging.Until


@api.get("/orgs/<org:org_id>/audit", responses={200: shapes.AuditList})
def list_(path: inputs.OrgPath, query: EntryQuery) -> Response:
    """Who did what, newest first

    A search by action reads a limited number of entries: a page can be short or empty and still have a next cursor.
    """
    access = auth.enter(path.org_id, Verb.READ_AUDIT)
    named = access.caller.operator
    given = query.model_dump(by_alias=True, exclude_none=True, exclude={"limit", "cursor"})
    filters = AuditFilters.parse(given, org_id=access.org.id, named=named)
    page = trail.page(filters, cursor=query.cursor, limit=query.size)
    return answer(shapes.AuditList(data=_shown(access, page.rows), next_cursor=page.next_cursor))


@api.get("/orgs/<org:org_id>/audit/<uuid:id>", responses={200: shapes.AuditEntry})
def retrieve(path: inputs.OrgItemPath) -> Response:
    """One entry"""
    access = auth.enter(path.org_id, Verb.READ_AUDIT)
    return answer(_shown(access, [trail.find(access.org.id, path.id)])[0])


def _shown(access: Access, rows: list[AuditEntry]) -> list[shapes.AuditEntry]:
    without = () if permissions.sees_external_key(access.caller) else ("external_key",)
    views = trail.entry_views(rows, for_manager=access.caller.operator, without=without)
    return [shapes.audit_entry(view) for view in views]
