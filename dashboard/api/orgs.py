"""Organizations: those that a key opens, a new one, and its settings."""

from typing import Any
from uuid import UUID

from flask import Response
from pydantic import BaseModel

from dashboard.api import auth, inputs, paging, shapes
from dashboard.api.routes import answer, blueprint, refusal
from dashboard.core import ids
from dashboard.core.db import retrying, transaction
from dashboard.core.errors import NotFound
from dashboard.domain.audit import Actor
from dashboard.domain.identity import memberships, org_settings, organizations, permissions, standing
from dashboard.domain.identity.permissions import LEADS, Act, Verb
from dashboard.models import PLATFORM_ORG_ID, ApiKey, Organization

api = blueprint("orgs")


class OrgChange(inputs.Body):
    """What stays out stays as it is; null unsets what may be unset."""

    name: inputs.Text | None = None
    slug: inputs.Text | None = None
    timezone: inputs.Text | None = None
    billing_email: inputs.Text | None = None
    billing_address: inputs.Lines | None = None
    tax_id: inputs.Text | None = None
    external_key: inputs.Text | None = None

    def wanted(self) -> dict[str, str | None]:
        return self.model_dump(include=self.model_fields_set)


class NewOrg(OrgChange):
    """A team, of which the caller becomes owner. Without a `slug` one is made of the name."""

    name: inputs.Text


class ExternalKeyPath(BaseModel):
    key: str


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


@api.post("/orgs", responses={201: shapes.OrgDetails, 409: refusal("The slug or the external key is taken.")})
def create(body: NewOrg) -> Response:
    """Make a team's organization

    Takes a personal token with the scope `org:admin`; its person becomes the owner.
    """
    user, org_id = auth.person().user, ids.new()
    with transaction(org=org_id):
        org = org_settings.found(body.wanted(), org_id=org_id, owner=user, by=Actor("user", user.id))
    return _details(org, "owner", status=201)


@api.get("/orgs/<uuid:org_id>", responses={200: shapes.OrgDetails})
def show(path: inputs.OrgPath) -> Response:
    """One organization

    Any key of the organization may know it; where bills go is told to owners and admins.
    """
    access = auth.look(path.org_id)
    return _details(access.org, access.caller.role)


@api.get("/orgs/by-external-key/<key>", responses={200: shapes.OrgDetails})
def by_external_key(path: ExternalKeyPath) -> Response:
    """One organization, by the customer's own key for it"""
    org_id = organizations.by_external_key(path.key)
    if org_id is None:
        raise NotFound
    access = auth.look(org_id)
    return _details(access.org, access.caller.role)


@api.patch(
    "/orgs/<uuid:org_id>", responses={200: shapes.OrgDetails, 409: refusal("The slug or the external key is taken.")}
)
def change(path: inputs.OrgPath, body: OrgChange) -> Response:
    """Change an organization's settings

    An owner's personal token with the scope `org:admin`. The old address of a new slug leads nowhere.
    """
    access = auth.enter(path.org_id, Verb.MANAGE_ORG, Act.MEMBERS)
    with transaction(org=access.org.id):
        org = org_settings.change(access.org, body.wanted(), by=access.actor)
    return _details(org, access.caller.role)


@api.delete("/orgs/<uuid:org_id>", responses={204: None, 409: refusal("There is money in it or on its way.")})
def delete(path: inputs.OrgPath) -> Response:
    """Delete an organization

    An owner's personal token with the scope `org:admin`, both balances at zero, nothing open. The books stay.
    """
    access = auth.enter(path.org_id, Verb.MANAGE_ORG, Act.MEMBERS)
    _delete(access)
    return Response(status=204)


@retrying
def _delete(access: auth.Access) -> None:
    with transaction(org=access.org.id):
        standing.delete(access.org, by=access.actor)


def _details(org: Organization, role: str | None, *, status: int = 200) -> Response:
    told: dict[str, Any] = {"role": role, "billing": role in LEADS}
    return answer(shapes.org_details(org, org_settings.external_key(org), **told), status)


def _id(org: shapes.Org) -> UUID:
    return org.id
