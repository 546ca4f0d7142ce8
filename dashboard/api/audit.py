"""The audit log of an organization."""

from flask import Response
from pydantic import Field

from dashboard.api import auth, inputs, paging, shapes
from dashboard.api.routes import answer, blueprint
from dashboard.domain.access import permissions
from dashboard.domain.access.permissions import Verb
from dashboard.domain.audit import trail
from dashboard.domain.audit.trail import AuditFilters

api = blueprint("audit")


class EntryQuery(paging.PageQuery):
    """`from` and `to` are UTC days or RFC 3339 moments, both inclusive."""

    actor_id: str | None = None
    action: str | None = Field(default=None, description="Such as `key.revoked`.")
    from_: str | None = Field(default=None, alias="from")
    to: str | None = None


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
    without = () if permissions.sees_external_key(access.caller) else ("external_key",)
    rows = [shapes.audit_entry(view) for view in trail.entry_views(page.rows, for_manager=named, without=without)]
    return answer(shapes.AuditList(data=rows, next_cursor=page.next_cursor))
