"""All organizations, and what operators set on one: funding, suspension, overdraft and external key."""

from typing import Annotated, Literal

from flask import Response
from pydantic import BaseModel, Field
from sqlalchemy import select

from dashboard.api import auth, inputs, shapes
from dashboard.api.org_paths import OrgName
from dashboard.api.orgs import OrgQuery
from dashboard.api.routes import PLATFORM, answer, blueprint, refusal
from dashboard.core.db import transaction
from dashboard.core.errors import Invalid, NotFound
from dashboard.core.money import LARGEST
from dashboard.domain import org_status
from dashboard.domain.access.permissions import Verb
from dashboard.domain.audit import Actor
from dashboard.domain.funds import wallets
from dashboard.domain.organizations import lifecycle, org_refs
from dashboard.domain.platform import external_keys
from dashboard.models import Organization

api = blueprint("platform_orgs", prefix=PLATFORM)


class OrgTermsUpdate(inputs.Body):
    """Omitted fields stay unchanged; null clears `external_key`. `reason` is recorded in the organization's audit
    log."""

    funding: Literal["platform", "own"] | None = None
    suspended: bool | None = None
    overdraft_limit_micros: Annotated[int, Field(ge=0, le=LARGEST)] | None = None
    external_key: inputs.Text | None = None
    reason: inputs.Reason


class CustomerPath(BaseModel):
    id: OrgName


@api.get("/orgs", responses={200: shapes.OrgList})
def list_(query: OrgQuery) -> Response:
    """All organizations, newest first"""
    auth.platform(Verb.PLATFORM_READ)
    filters = query.filters()
    wanted = select(Organization).where(Organization.kind != "platform", *filters.conditions(billing=True))
    page = query.page(wanted, Organization.id, "organizations", filters)
    return answer(shapes.OrgList(data=[shapes.org(row) for row in page.rows], next_cursor=page.next_cursor))


@api.get("/orgs/<org:id>", responses={200: shapes.OrgTerms})
def retrieve(path: CustomerPath) -> Response:
    """One organization, including closed ones"""
    caller = auth.platform(Verb.PLATFORM_READ)
    org = _find(path)
    auth.record_visit(org, by=caller.actor)
    return _terms(org)


@api.patch(
    "/orgs/<org:id>",
    responses={
        200: shapes.OrgTerms,
        409: refusal("Money has moved: its funding stays as it is. Or another organization has the external key."),
    },
)
def update(path: CustomerPath, body: OrgTermsUpdate) -> Response:
    """Set an organization's funding, suspension, overdraft or external key

    `funding` can change only before any money was moved. Setting the current external key again confirms it.
    """
    caller = auth.platform(Verb.MANAGE_PLATFORM)
    org = _find(path)
    if None in (getattr(body, name) for name in body.model_fields_set - {"external_key"}):
        raise Invalid("Leave out what should stay as it is.")
    with transaction(org=org.id):
        _change(org, body, by=caller.actor)
    return _terms(org)


def _change(org: Organization, body: OrgTermsUpdate, *, by: Actor) -> None:
    """In one transaction, with the organization locked first."""
    if body.funding is not None:
        lifecycle.fund_itself(org, itself=body.funding == "own", reason=body.reason, by=by)
    if body.suspended is not None:
        (lifecycle.suspend if body.suspended else lifecycle.unsuspend)(org, reason=body.reason, by=by)
    if "external_key" in body.model_fields_set:
        external_keys.assign(org, body.external_key, reason=body.reason, by=by)
    if body.overdraft_limit_micros is not None:
        org_status.hold_open(org.id)
        wallet = wallets.of_organization(org.id, auth.platform_mode(), fresh=True)
        wallets.set_overdraft(wallet, limit_micros=body.overdraft_limit_micros, reason=body.reason, by=by)


def _find(path: CustomerPath) -> Organization:
    org = org_refs.find(path.id)
    if org is None:
        raise NotFound
    return org


def _terms(org: Organization) -> Response:
    wallet = wallets.of_organization(org.id, auth.platform_mode(), fresh=True)
    return answer(shapes.org_terms(org, external_keys.of(org), wallet))
