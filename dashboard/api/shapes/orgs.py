"""Organizations and their members."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from dashboard.domain.organizations.key_handover import Handover
from dashboard.models import Membership, Organization, OrgDirectory, Wallet

Role = Literal["owner", "admin", "member", "viewer"]


class Org(BaseModel):
    id: UUID
    name: str
    slug: str
    kind: str
    funding: str
    timezone: str
    role: str | None = None
    suspended_at: datetime | None
    closed_at: datetime | None
    created_at: datetime


class OrgDetails(Org):
    """The external key and the billing details are included only if there are any, for callers who may see them."""

    external_key: str | None = None
    billing_email: str | None = None
    billing_address: str | None = None
    tax_id: str | None = None
    return_hosts: list[str] | None = None


class OrgTerms(OrgDetails):
    """Includes what only operators set: `overdraft_limit_micros` of the dollar wallet in the platform's mode.

    An `external_key` without `external_key_confirmed_at` was set by an owner, and does not find the organization.
    """

    external_key: str | None
    external_key_confirmed_at: datetime | None
    billing_email: str | None
    billing_address: str | None
    tax_id: str | None
    return_hosts: list[str]
    overdraft_limit_micros: int
    frozen_at: datetime | None


class OrgList(BaseModel):
    data: list[Org]
    next_cursor: str | None


class Member(BaseModel):
    """`id` identifies the membership: a user who leaves and returns has a different one. `two_factor` is included for
    callers who manage members."""

    id: UUID
    org_id: UUID
    user_id: UUID
    name: str
    email: str
    role: Role
    disabled: bool
    two_factor: bool | None = None
    last_seen_at: datetime | None
    created_at: datetime


class MemberUpdateResult(Member):
    """`keys_passed` now belong to `keys_passed_to`; `keys_ended` are revoked."""

    keys_passed: list[UUID]
    keys_passed_to: UUID | None
    keys_ended: list[UUID]


class MemberRemoval(BaseModel):
    """What happened to the keys of a member who was removed or left."""

    id: UUID
    keys_passed: list[UUID]
    keys_passed_to: UUID | None
    keys_ended: list[UUID]


class MemberList(BaseModel):
    data: list[Member]
    next_cursor: str | None


def org_values(row: Organization, role: str | None = None) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": row.id, "name": row.name, "slug": row.slug, "kind": row.kind, "funding": row.funding,
        "timezone": row.timezone, "suspended_at": row.suspended_at, "closed_at": row.closed_at,
        "created_at": row.created_at,
    }  # fmt: skip
    return values | {"role": role} if role else values


def org(row: Organization, role: str | None = None) -> Org:
    return Org(**org_values(row, role))


def org_details(
    row: Organization, *, role: str | None = None, billing: bool = False, directory: OrgDirectory | None = None
) -> OrgDetails:
    extra = _billing(row) if billing else {}
    if directory:
        extra["external_key"] = directory.external_key
    given = {name: value for name, value in extra.items() if value is not None}
    return OrgDetails(**org_values(row, role), **given)


def org_terms(row: Organization, directory: OrgDirectory, wallet: Wallet) -> OrgTerms:
    return OrgTerms(
        **org_values(row), **_billing(row), external_key=directory.external_key,
        external_key_confirmed_at=directory.external_key_confirmed_at,
        overdraft_limit_micros=wallet.overdraft_limit, frozen_at=wallet.frozen_at,
    )  # fmt: skip


def member(row: Membership, *, managing: bool = False) -> Member:
    extra = {"two_factor": row.user.totp_enabled_at is not None} if managing else {}
    return Member(
        id=row.id, org_id=row.org_id, user_id=row.user_id, name=row.user.name, email=row.user.email, role=row.role,
        disabled=not row.user.is_active, last_seen_at=row.last_seen_at, created_at=row.created_at, **extra,
    )  # fmt: skip


def changed_member(row: Membership, handover: Handover) -> MemberUpdateResult:
    return MemberUpdateResult(**dict(member(row, managing=True)), **_handed(handover))


def removed_member(row: Membership, handover: Handover) -> MemberRemoval:
    return MemberRemoval(id=row.id, **_handed(handover))


def _handed(handover: Handover) -> dict[str, Any]:
    return {
        "keys_passed": [key.id for key in handover.passing],
        "keys_passed_to": handover.heir.id if handover.heir and handover.passing else None,
        "keys_ended": [key.id for key in handover.ending],
    }


def _billing(row: Organization) -> dict[str, Any]:
    return {
        "billing_email": row.billing_email,
        "billing_address": row.billing_address,
        "tax_id": row.tax_id,
        "return_hosts": row.return_hosts,
    }
