"""Organizations: those that a key can access, creating one, and its settings."""

from typing import Any
from uuid import UUID

from flask import Response
from pydantic import BaseModel

from dashboard.api import auth, inputs, paging, shapes
from dashboard.api.routes import answer, blueprint, refusal
from dashboard.core import ids
from dashboard.core.db import retrying, transaction
from dashboard.core.errors import Forbidden, NotFound
from dashboard.domain import org_status
from dashboard.domain.access import permissions
from dashboard.domain.access.permissions import Caller, Verb
from dashboard.domain.audit import Actor
from dashboard.domain.org_status import OrgAction
from dashboard.domain.organizations import lifecycle, org_settings, user_organizations
from dashboard.domain.people import users
from dashboard.domain.platform import external_keys
from dashboard.domain.platform.external_keys import ExternalKeyUnconfirmed, OperatorOnly
from dashboard.models import PLATFORM_ORG_ID, ApiKey, Organization

NOT_YOURS = (
    "The external key is the operator's own id for an organization: a platform manager sets it, at "
    "PATCH /admin/api/v1/orgs/{id}. Nothing was changed."
)

api = blueprint("orgs")


class OrgUpdate(inputs.Body):
    """Omitted fields stay unchanged; null clears optional ones. `external_key` is for platform managers."""

    name: inputs.Text | None = None
    slug: inputs.Text | None = None
    timezone: inputs.Text | None = None
    billing_email: inputs.Text | None = None
    billing_address: inputs.Lines | None = None
    tax_id: inputs.Text | None = None
    external_key: inputs.Text | None = None

    def wanted(self) -> dict[str, str | None]:
        """The fields that an owner may set."""
        return self.model_dump(include=self.model_fields_set - {"external_key"})


class OrgCreate(OrgUpdate):
    """A team whose owner is the caller. Without a `slug`, one is derived from the name.

    `external_key` needs a platform manager's token with the scope `platform:grant`.
    """

    name: inputs.Text


class ExternalKeyPath(BaseModel):
    key: str


@api.get("/orgs", responses={200: shapes.OrgList})
def list_(query: paging.PageQuery) -> Response:
    """The key's organization, or those that its user belongs to"""
    row = auth.bearer()
    if isinstance(row, ApiKey):
        org_status.require_state(OrgAction.READ, row.organization)
        # A key of the platform's own organization gives access to the platform's paths, but to no customer's.
        items = [shapes.org(row.organization)] if row.org_id != PLATFORM_ORG_ID else []
        scope = ("orgs", row.org_id)
    else:
        scope = ("orgs", row.user_id)
        entries = user_organizations.page(
            row.user_id, token_of=row.created_at, after=query.after(*scope), limit=query.size + 1
        )
        items = [shapes.org(entry.org, entry.role) for entry in entries]
    after = query.after(*scope)
    newest = sorted(items, key=lambda org: org.id, reverse=True)
    rows, cursor = query.cut([org for org in newest if after is None or org.id < after], _id, *scope)
    return answer(shapes.OrgList(data=rows, next_cursor=cursor))


@api.post("/orgs", responses={201: shapes.OrgDetails, 409: refusal("The slug or the external key is taken.")})
def create(body: OrgCreate) -> Response:
    """Create a team's organization

    Needs a personal token with the scope `org:admin`; its user becomes the owner.
    """
    token, org_id = auth.person(), ids.new()
    caller, user = permissions.of_token(token, token.user, "owner"), token.user
    if "external_key" in body.model_fields_set and not permissions.allowed(Verb.MANAGE_PLATFORM, caller):
        raise OperatorOnly(NOT_YOURS)
    with transaction(org=org_id):
        org = org_settings.create_team(body.wanted(), org_id=org_id, owner=user, by=Actor("user", user.id))
        external_keys.assign(org, body.external_key, reason="Made with this key", by=users.actor_of(user))
    return _details(org, caller, status=201)


@api.get("/orgs/<org:org_id>", responses={200: shapes.OrgDetails})
def retrieve(path: inputs.OrgPath) -> Response:
    """One organization

    Any key of the organization can read it. Billing details are included for owners and admins with the scope
    `org:admin`; the external key for them, for viewers with that scope, and for operators with `platform:read`.
    """
    access = auth.look(path.org_id)
    return _details(access.org, access.caller)


@api.get(
    "/orgs/by-external-key/<key>",
    responses={200: shapes.OrgDetails, 409: refusal("No platform manager has confirmed the key yet.")},
)
def retrieve_by_external_key(path: ExternalKeyPath) -> Response:
    """One organization, by the operator's own key for it

    Needs `platform:read`, or a personal token with `org:admin` of an owner, admin or viewer. A key that an owner set is
    409 `external_key_unconfirmed` for operators until one of them confirms it, and 404 for everybody else.
    """
    asked = auth.bearer()
    if not {"platform:read", "org:admin"} & set(asked.scopes):
        raise Forbidden("This key lacks the scope platform:read.")
    row = external_keys.holder(path.key)
    if row is None:
        raise NotFound
    result = auth.find(str(row.org_id)).caller
    if row.external_key_confirmed_at is None and permissions.allowed(Verb.PLATFORM_READ, result):
        raise ExternalKeyUnconfirmed("An owner set this external key. A platform manager must confirm or clear it.")
    if row.external_key_confirmed_at is None or not permissions.sees_external_key(result):
        raise NotFound
    return _details(auth.look(str(row.org_id)).org, result)


@api.patch("/orgs/<org:org_id>", responses={200: shapes.OrgDetails, 409: refusal("The slug is taken.")})
def update(path: inputs.OrgPath, body: OrgUpdate) -> Response:
    """Change an organization's settings

    An owner's personal token with the scope `org:admin`. After a change of slug, the old URL stops working.
    """
    access = auth.enter(path.org_id, Verb.MANAGE_ORG, OrgAction.MEMBERS)
    if "external_key" in body.model_fields_set:
        raise OperatorOnly(NOT_YOURS)
    with transaction(org=access.org.id):
        org = org_settings.change(access.org, body.wanted(), by=access.actor)
    return _details(org, access.caller)


@api.delete("/orgs/<org:org_id>", responses={204: None, 409: refusal("There is money in it or on its way.")})
def delete(path: inputs.OrgPath) -> Response:
    """Delete an organization

    An owner's personal token with the scope `org:admin`; both balances must be zero and nothing pending. The ledger
    stays.
    """
    access = auth.enter(path.org_id, Verb.MANAGE_ORG, OrgAction.MEMBERS)
    _delete(access)
    return Response(status=204)


@retrying
def _delete(access: auth.Access) -> None:
    with transaction(org=access.org.id):
        lifecycle.delete(access.org, by=access.actor)


def _details(org: Organization, caller: Caller, *, status: int = 200) -> Response:
    options: dict[str, Any] = {"role": caller.role, "billing": permissions.allowed(Verb.READ_BILLING, caller)}
    if permissions.sees_external_key(caller):
        options["directory"] = external_keys.of(org)
    return answer(shapes.org_details(org, **options), status)


def _id(org: shapes.Org) -> UUID:
    return org.id
