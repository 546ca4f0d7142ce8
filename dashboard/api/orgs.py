"""Organizations: those that a key can access, creating one, and its settings."""

import contextlib
from typing import Annotated, Any
from uuid import UUID

from flask import Response
from pydantic import BaseModel, Field
from sqlalchemy import select

from dashboard.api import auth, inputs, paging, shapes
from dashboard.api.routes import answer, blueprint, refusal
from dashboard.core import ids
from dashboard.core.db import db, retrying, transaction
from dashboard.core.errors import Forbidden, Invalid, NotFound
from dashboard.domain import org_status
from dashboard.domain.access import permissions
from dashboard.domain.access.permissions import Caller, Verb
from dashboard.domain.audit import Actor
from dashboard.domain.org_status import OrgAction
from dashboard.domain.organizations import invites, lifecycle, memberships, org_settings, user_organizations
from dashboard.domain.organizations.memberships import OrgMembership
from dashboard.domain.organizations.org_refs import OrgFilters
from dashboard.domain.people import users
from dashboard.domain.platform import external_keys
from dashboard.domain.platform.external_keys import ExternalKeyTaken, ExternalKeyUnconfirmed, OperatorOnly
from dashboard.models import ApiKey, Membership, Organization, PersonalToken, User

NOT_YOURS = (
    "The external key is the operator's own id for an organization: a platform manager sets it, at "
    "PATCH /admin/api/v1/orgs/{id}, or a service key at PATCH /api/v1/orgs/{org_id}. Nothing was changed."
)
UNCONFIRMED = "An owner set this external key. A platform manager must confirm or clear it."

api = blueprint("orgs")


Host = Annotated[inputs.Text, Field(pattern=r"^[A-Za-z0-9.-]+(:[0-9]{1,5})?$")]


class OrgUpdate(inputs.Body):
    """Omitted fields stay unchanged; null clears optional ones. `external_key` is only for service keys."""

    name: inputs.Text | None = None
    slug: inputs.Text | None = None
    timezone: inputs.Text | None = None
    billing_email: inputs.Text | None = None
    billing_address: inputs.Lines | None = None
    tax_id: inputs.Text | None = None
    return_hosts: Annotated[list[Host], Field(max_length=org_settings.MOST_RETURN_HOSTS)] | None = None
    external_key: inputs.Text | None = None

    def wanted(self) -> dict[str, str | None]:
        """The fields that an owner may set."""
        given = self.model_dump(include=self.model_fields_set - {"external_key", "owner_email", "idempotency_key"})
        hosts = {"return_hosts": " ".join(given["return_hosts"] or [])} if "return_hosts" in given else {}
        return given | hosts


class OrgCreate(OrgUpdate, inputs.PostBody):
    """A team whose owner is the caller. Without a `slug`, one is derived from the name.

    `external_key` needs a platform manager's token with the scope `platform:grant`, or a service key.
    """

    name: inputs.Text
    owner_email: inputs.Text | None = None


class ExternalKeyPath(BaseModel):
    key: str


class OrgQuery(paging.PageQuery):
    """Each filter must match exactly; `email` regardless of case."""

    external_key: str | None = Field(default=None, description="The operator's own id for it, if confirmed.")
    email: str | None = Field(default=None, description="The email address of a member, or for billing.")
    slug: str | None = Field(default=None, description="The slug.")

    def filters(self) -> OrgFilters:
        return OrgFilters(self.external_key, self.email, self.slug)


@api.get("/orgs", responses={200: shapes.OrgList})
def list_(query: OrgQuery) -> Response:
    """The key's organization, or those that its user belongs to; for a service key, all in which it acts

    A service key needs the scope `orgs:write`. A personal token finds organizations by `external_key` with the scope
    `org:admin`, as owner, admin or viewer, and by a member's `email` with `members:write`.
    """
    row, filters = auth.bearer(), query.filters()
    if isinstance(row, ApiKey) and row.service:
        permissions.require(Verb.PROVISION, permissions.of_key(row))
        wanted = select(Organization).where(auth.served(), *filters.conditions(billing=True))
        page = query.page(wanted, Organization.id, "orgs", row.mode, filters)
        return answer(shapes.OrgList(data=[shapes.org(org) for org in page.rows], next_cursor=page.next_cursor))
    scope = ("orgs", row.org_id if isinstance(row, ApiKey) else row.user_id, filters)
    entries = _entries(row, filters, after=query.after(*scope), limit=query.size + 1)
    rows, cursor = query.cut(entries, lambda entry: entry.org.id, *scope)
    return answer(shapes.OrgList(data=[shapes.org(entry.org, entry.role) for entry in rows], next_cursor=cursor))


def _entries(
    row: ApiKey | PersonalToken, filters: OrgFilters, *, after: UUID | None, limit: int
) -> list[OrgMembership]:
    """The organization of a key, or those of a user, newest first. Raises Forbidden if it may not search so."""
    for name, scope in (("external_key", "org:admin"), ("email", "members:write")):
        if getattr(filters, name) is not None and scope not in row.scopes:
            raise Forbidden(f"This key lacks the scope {scope}.")
    conditions = [*filters.conditions(billing=False)]
    if isinstance(row, PersonalToken):
        if filters.external_key is not None:
            conditions.append(Membership.role.in_(permissions.TABLE[Verb.READ_EXTERNAL_KEY].roles))
        return user_organizations.page(row.user_id, *conditions, token_of=row.created_at, after=after, limit=limit)
    org_status.require_state(OrgAction.READ, row.organization)
    # A key of the platform's own organization gives access to the platform's paths, but to no customer's.
    own = select(Organization).where(Organization.id == row.org_id, Organization.kind != "platform", *conditions)
    orgs = db.session.scalars(own.where(Organization.id < after) if after else own)
    return [OrgMembership(org, None) for org in orgs]


@api.post(
    "/orgs",
    responses={
        200: shapes.OrgDetails, 201: shapes.OrgDetails, 409: refusal("The slug or the external key is taken."),
    },
)  # fmt: skip
def create(body: OrgCreate) -> Response:
    """Create a team's organization, or answer the one with this external key

    A personal token with the scope `org:admin` makes its user the owner. A service key with the scope `orgs:write`
    creates one without a member, and invites `owner_email` to own it. With an `external_key`, an organization that
    already has it is answered as it is, with 200.
    """
    caller, owner = _maker(body)
    existing = _existing(body, caller) if body.external_key else None
    if existing is None:
        try:
            return _details(_create(body, caller, owner), caller, status=201)
        except ExternalKeyTaken:  # by another call at the same moment
            existing = _existing(body, caller)
            if existing is None:
                raise
    if body.owner_email is not None:
        with transaction(org=existing.org.id):
            _invite_owner(existing.org, body.owner_email, by=caller.actor)
    return _details(existing.org, existing.caller)


def _maker(body: OrgCreate) -> tuple[Caller, User | None]:
    """Who creates it, and its owner, if that is a person. Raises Forbidden."""
    row = auth.bearer()
    if isinstance(row, ApiKey) and row.service:
        caller = permissions.of_key(row)
        permissions.require(Verb.PROVISION, caller)
        return caller, None
    token = auth.person()
    caller = permissions.of_token(token, token.user, "owner")
    if "external_key" in body.model_fields_set and not permissions.allowed(Verb.MANAGE_PLATFORM, caller):
        raise OperatorOnly(NOT_YOURS)
    if body.owner_email is not None:
        raise Invalid("Only a service key names an owner: you own what you create.", field="owner_email")
    return caller, token.user


def _existing(body: OrgCreate, caller: Caller) -> auth.Access | None:
    """The organization with this external key, if there is one. Raises ExternalKeyTaken for one that the caller may not
    see, ExternalKeyUnconfirmed."""
    row = external_keys.holder(external_keys.checked(body.external_key) or "")
    if row is None:
        return None
    if row.external_key_confirmed_at is None:
        raise ExternalKeyUnconfirmed(UNCONFIRMED)
    try:
        return auth.look(str(row.org_id))
    except NotFound:
        raise ExternalKeyTaken("An organization in which this key does not act has this external key.") from None


@retrying
def _create(body: OrgCreate, caller: Caller, owner: User | None) -> Organization:
    org_id = ids.new()
    by = Actor("user", owner.id) if owner else caller.actor
    with transaction(org=org_id):
        org = org_settings.create_team(body.wanted(), org_id=org_id, owner=owner, by=by)
        keeper = users.actor_of(owner) if owner else by
        external_keys.assign(org, body.external_key, reason="Made with this key", by=keeper)
        if body.owner_email is not None:
            _invite_owner(org, body.owner_email, by=by)
    return org


def _invite_owner(org: Organization, address: str, *, by: Actor) -> None:
    """Invite the owner of an organization without members. An open invite stays; one that ended is renewed."""
    if memberships.page(org.id, after=None, limit=1):
        return
    with contextlib.suppress(invites.AlreadyInvited):
        invites.invite(org, address, role="owner", by=by, may_give=permissions.ROLES, inviter=None)


@api.get("/orgs/<org:org_id>", responses={200: shapes.OrgDetails})
def retrieve(path: inputs.OrgPath) -> Response:
    """One organization

    Any key of the organization can read it. Billing details are included for owners and admins with the scope
    `org:admin`; the external key for them, for viewers with that scope, and for operators with `platform:read`.
    """
    access = auth.look(path.org_id)
    return _details(access.org, access.caller)


@api.get("/orgs/by-external-key/<key>", doc_ui=False)  # the document names `external_key` of GET /orgs and `ext:`
def retrieve_by_external_key(path: ExternalKeyPath) -> Response:
    """One organization, by the operator's own key for it

    Needs `platform:read`, a service key with `orgs:write`, or a personal token with `org:admin` of an owner, admin or
    viewer. A key that an owner set is 409 `external_key_unconfirmed` for operators and service keys until an operator
    confirms it, and 404 for everybody else.
    """
    asked = auth.bearer()
    if not {"platform:read", "org:admin", "orgs:write"} & set(asked.scopes):
        raise Forbidden("This key lacks the scope platform:read.")
    row = external_keys.holder(path.key)
    if row is None:
        raise NotFound
    result = auth.find(str(row.org_id)).caller
    if row.external_key_confirmed_at is None and permissions.keeps_external_keys(result):
        raise ExternalKeyUnconfirmed(UNCONFIRMED)
    if row.external_key_confirmed_at is None or not permissions.sees_external_key(result):
        raise NotFound
    return _details(auth.look(str(row.org_id)).org, result)


@api.patch("/orgs/<org:org_id>", responses={200: shapes.OrgDetails, 409: refusal("The slug is taken.")})
def update(path: inputs.OrgPath, body: OrgUpdate) -> Response:
    """Change an organization's settings

    An owner's personal token with the scope `org:admin`. After a change of slug, the old URL stops working. A service
    key with the scope `orgs:write` sets or clears only `external_key`.
    """
    if isinstance(auth.bearer(), ApiKey) and body.model_fields_set == {"external_key"}:
        return _set_external_key(path, body.external_key)
    access = auth.enter(path.org_id, Verb.MANAGE_ORG, OrgAction.MEMBERS)
    if "external_key" in body.model_fields_set:
        raise OperatorOnly(NOT_YOURS)
    with transaction(org=access.org.id):
        org = org_settings.change(access.org, body.wanted(), by=access.actor)
    return _details(org, access.caller)


def _set_external_key(path: inputs.OrgPath, key: str | None) -> Response:
    access = auth.enter(path.org_id, Verb.PROVISION)
    with transaction(org=access.org.id):
        external_keys.assign(access.org, key, reason="Set by a service key", by=access.actor)
    return _details(access.org, access.caller)


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
