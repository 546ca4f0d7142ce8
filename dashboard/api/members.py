"""Members of an organization and their roles, and transferring ownership."""

from collections.abc import Callable
from typing import Literal, TypeVar
from uuid import UUID

from flask import Response
from pydantic import Field

from dashboard.api import auth, inputs, invites, paging, shapes
from dashboard.api.auth import Access
from dashboard.api.routes import answer, blueprint, refusal
from dashboard.core.db import retrying, transaction
from dashboard.core.errors import NotFound
from dashboard.domain.access.permissions import Verb, allowed
from dashboard.domain.org_status import OrgAction
from dashboard.domain.organizations import memberships, ownership
from dashboard.models import Membership

api = blueprint("members")

Found = TypeVar("Found")

LAST_OWNER = refusal("It would leave no active owner.")


class MemberUpdate(inputs.Body):
    """`end_keys` revokes all of the member's keys that exceed the new role, instead of handing any over."""

    role: shapes.Role
    end_keys: bool = False


class Removal(paging.Query):
    end_keys: Literal["true", "false"] = Field(
        default="false", description="`true` revokes all of the member's keys, instead of handing any over."
    )


class OwnershipTransfer(inputs.PostBody):
    """`member_id` is the `id` of a member."""

    member_id: inputs.Id


@api.get("/orgs/<org:org_id>/members", responses={200: shapes.MemberList})
def list_(path: inputs.OrgPath, query: paging.PageQuery) -> Response:
    """The members, newest first"""
    access = auth.enter(path.org_id, Verb.READ_MEMBERS)
    scope = ("members", access.org.id)
    page = memberships.page(access.org.id, after=query.after(*scope), limit=query.size + 1)
    rows, cursor = query.cut(page, lambda row: row.id, *scope)
    managing = allowed(Verb.MANAGE_MEMBERS, access.caller)
    return answer(shapes.MemberList(data=[shapes.member(row, managing=managing) for row in rows], next_cursor=cursor))


@api.post("/orgs/<org:org_id>/members", responses={201: shapes.Invite, 409: invites.TAKEN})
def create(path: inputs.OrgPath, body: invites.MemberInvite) -> Response:
    """Invite a user, who becomes a member by accepting"""
    access = auth.enter(path.org_id, Verb.MANAGE_MEMBERS, OrgAction.MEMBERS)
    return invites.send(access, body.email, body.role)


@api.get("/orgs/<org:org_id>/members/<uuid:id>", responses={200: shapes.Member})
def retrieve(path: inputs.OrgItemPath) -> Response:
    """One member"""
    access = auth.enter(path.org_id, Verb.READ_MEMBERS)
    managing = allowed(Verb.MANAGE_MEMBERS, access.caller)
    return answer(shapes.member(_find(access, path.id), managing=managing))


@api.patch("/orgs/<org:org_id>/members/<uuid:id>", responses={200: shapes.MemberUpdateResult, 409: LAST_OWNER})
def update(path: inputs.OrgItemPath, body: MemberUpdate) -> Response:
    """Change a member's role

    Scope `members:write`; a personal token also needs `org:admin`. Only owners give and take the owner role; a key of
    the organization acts as an admin. Keys of the member that exceed the new role pass to the caller (if a key calls:
    to its holder, else to an owner); keys that can admit others or have an operator scope are revoked.
    """
    access = auth.enter(path.org_id, Verb.MANAGE_MEMBERS, OrgAction.MEMBERS)
    auth.require_admin_scope(access)
    member = _find(access, path.id)
    handed = _carry_out(
        access, lambda: memberships.change_role(member, role=body.role, by=access.actor, end_keys=body.end_keys)
    )
    return answer(shapes.changed_member(_find(access, path.id), handed))


@api.delete("/orgs/<org:org_id>/members/<uuid:id>", responses={200: shapes.MemberRemoval, 409: LAST_OWNER})
def remove(path: inputs.OrgItemPath, query: Removal) -> Response:
    """Remove a member, or leave

    Scope `members:write`, for an owner also `org:admin`; to leave, one's own personal token with `org:admin`. The
    member's keys pass to the caller (if a key calls: to its holder, else to an owner; if the member leaves: to an
    owner); keys that can admit others or have an operator scope are revoked. The member's personal tokens stop working
    here permanently.
    """
    found = auth.find(path.org_id)
    person, membership = found.person, memberships.find(found.org.id, path.id)
    own = membership is not None and person is not None and membership.user_id == person.user_id
    access = auth.enter(path.org_id, Verb.LEAVE if own else Verb.MANAGE_MEMBERS, OrgAction.MEMBERS)
    member = _find(access, path.id)
    if member.role == "owner":
        auth.require_admin_scope(access)
    end_keys = query.end_keys == "true"
    handed = _carry_out(access, lambda: memberships.remove(member, by=access.actor, end_keys=end_keys))
    return answer(shapes.removed_member(member, handed))


@api.post(
    "/orgs/<org:org_id>/ownership-transfer",
    operation_id="ownership_transfer",
    responses={200: shapes.Member, 409: refusal("The member cannot own it, or it is personal.")},
)
def transfer(path: inputs.OrgPath, body: OwnershipTransfer) -> Response:
    """Transfer ownership of the organization

    An owner's personal token with the scope `org:admin`. In one step, the member becomes an owner and the caller an
    admin; both get an email.
    """
    access = auth.enter(path.org_id, Verb.MANAGE_ORG, OrgAction.MEMBERS)
    member = _find(access, body.member_id)
    _carry_out(access, lambda: ownership.transfer(member, by=access.actor))
    return answer(shapes.member(_find(access, member.id), managing=True))


@retrying
def _carry_out(access: Access, act: Callable[[], Found]) -> Found:
    with transaction(org=access.org.id):
        return act()


def _find(access: Access, member_id: UUID) -> Membership:
    member = memberships.find(access.org.id, member_id)
    if member is None:
        raise NotFound
    return member
