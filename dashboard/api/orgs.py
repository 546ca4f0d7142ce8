"""The organizations that a key opens."""

from uuid import UUID

from flask import Response

from dashboard.api import auth, paging, shapes
from dashboard.api.routes import answer, blueprint
from dashboard.domain.identity import memberships, permissions
from dashboard.domain.identity.permissions import Act
from dashboard.models import PLATFORM_ORG_ID, ApiKey

api = blueprint("orgs")


@api.get("/orgs", responses={200: shapes.OrgList})
def listing(query: paging.PageQuery) -> Response:
    """The key's organization, or those its person belongs to"""
    row = auth.bearer()
    if isinstance(row, ApiKey):
        permissions.require_state(Act.READ, row.organization)
        # A key of the platform's own organization opens the platform's paths, and no customer's.
        found = [shapes.org(row.organization)] if row.org_id != PLATFORM_ORG_ID else []
        scope = ("orgs", row.org_id)
    else:
        found = [shapes.org(entry.org, entry.role) for entry in memberships.orgs_of(row.user_id)]
        scope = ("orgs", row.user_id)
    after = query.after(*scope)
    newest = sorted(found, key=lambda org: org.id, reverse=True)
    rows, cursor = paging.cut([org for org in newest if after is None or org.id < after], query.size, _id, *scope)
    return answer(shapes.OrgList(data=rows, next_cursor=cursor))


def _id(org: shapes.Org) -> UUID:
    return org.id
