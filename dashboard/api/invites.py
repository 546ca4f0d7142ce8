"""Inviting users to an organization, and responding with the token from the email and the user's own token."""

from typing import Annotated
from uuid import UUID

from flask import Response, request
from pydantic import Field

from dashboard.api import auth, inputs, paging, shapes, throttle
from dashboard.api.auth import Access
from dashboard.api.routes import answer, blueprint, open_blueprint, refusal
from dashboard.core import logs
from dashboard.core.db import transaction
from dashboard.core.errors import Forbidden, Invalid
from dashboard.domain.access.permissions import Verb, assignable
from dashboard.domain.org_status import OrgAction
from dashboard.domain.organizations import invites
from dashboard.domain.organizations.invites import InviteView
from dashboard.domain.people import accounts
from dashboard.models import ApiKey, User

api = blueprint("invites")
public = open_blueprint("invites")

TAKEN = refusal("A member or invited already (`already_member`, `already_invited`), or no more fit.")
ENDED = refusal("Answered or withdrawn already (`invite_ended`).")
ACCEPTED = refusal("Accepted already (`invite_ended`).")
DEAD = refusal("It no longer works: `invite_expired`, `invite_used`, `invite_withdrawn` and others.")

SCOPE = "org:admin"
"""The scope that a personal token needs to respond to an invite."""

Address = Annotated[inputs.Text, Field(min_length=1)]


class MemberInvite(inputs.PostBody):
    """Only owners can invite an owner, with a personal token that also has `org:admin`."""

    email: Address
    role: shapes.Role


class InviteCreate(inputs.PostBody):
    """Either one `email` or several `emails`. Only owners can invite an owner, with a personal token that has
    `org:admin`."""

    role: shapes.Role
    email: Address | None = None
    emails: list[Address] | None = Field(default=None, min_length=1, max_length=invites.MOST_AT_ONCE)


class InviteToken(inputs.PostBody):
    """The part of the link in the email after `/invite/`."""

    token: inputs.Text


class PeekQuery(paging.Query):
    token: str | None = Field(default=None, description="The part of the mailed link after `/invite/`.")


@api.get("/orgs/<org:org_id>/invites", responses={200: shapes.InviteList})
def list_(path: inputs.OrgPath, query: paging.PageQuery) -> Response:
    """The organization's invites in any state, newest first"""
    access = auth.enter(path.org_id, Verb.READ_INVITES)
    scope = ("invites", access.org.id)
    page = invites.page(access.org.id, after=query.after(*scope), limit=query.size + 1)
    rows, cursor = query.cut(page, lambda row: row.invite.id, *scope)
    return answer(shapes.InviteList(data=[shapes.invite(row) for row in rows], next_cursor=cursor))


@api.post(
    "/orgs/<org:org_id>/invites",
    responses={201: shapes.Invite, 207: shapes.InviteResultList, 409: TAKEN},
)
def create(path: inputs.OrgPath, body: InviteCreate) -> Response:
    """Invite one address, or several at once

    Each gets an email with a link, valid for 7 days. With `emails`, the response is 207 with a result per address, in
    order; an error for one does not stop the others.
    """
    access = auth.enter(path.org_id, Verb.MANAGE_MEMBERS, OrgAction.MEMBERS)
    if (body.email is None) == (body.emails is None):
        raise Invalid("Send either email or emails.", field="email")
    if body.email is not None:
        return send(access, body.email, body.role)
    outcomes = invites.invite_each(
        access.org, body.emails or [], role=body.role, by=access.actor, may_give=assignable(access.caller),
        inviter=_inviter(access),
    )  # fmt: skip
    return answer(shapes.InviteResultList(data=[shapes.invite_result(one) for one in outcomes]), 207)


@api.get("/orgs/<org:org_id>/invites/<uuid:id>", responses={200: shapes.Invite})
def retrieve(path: inputs.OrgItemPath) -> Response:
    """One invite"""
    access = auth.enter(path.org_id, Verb.READ_INVITES)
    return answer(shapes.invite(invites.view(invites.with_id(access.org.id, path.id))))


@api.post("/orgs/<org:org_id>/invites/<uuid:id>/resend", responses={200: shapes.Invite, 409: ENDED})
def resend(path: inputs.OrgItemPath) -> Response:
    """Send a new link by email, valid for 7 days; the old one stops working"""
    access = auth.enter(path.org_id, Verb.MANAGE_MEMBERS, OrgAction.MEMBERS)
    row = invites.with_id(access.org.id, path.id)
    with transaction(org=access.org.id):
        invites.resend(row, by=access.actor, may_give=assignable(access.caller), inviter=_inviter(access))
    return answer(shapes.invite(invites.view(row)))


@api.delete("/orgs/<org:org_id>/invites/<uuid:id>", responses={204: None, 409: ACCEPTED})
def revoke(path: inputs.OrgItemPath) -> Response:
    """Revoke an invite

    Its link stops working at once. A declined one leaves the list of the members page.
    """
    access = auth.enter(path.org_id, Verb.MANAGE_MEMBERS, OrgAction.MEMBERS)
    row = invites.with_id(access.org.id, path.id)
    with transaction(org=access.org.id):
        invites.revoke(row, by=access.actor, may_give=assignable(access.caller))
    return Response(status=204)


@public.get("/invites/peek", responses={200: shapes.InvitePeek, 410: DEAD})
def peek(query: PeekQuery) -> Response:
    """What an invite is: who invites, where, and as what"""
    throttle.require_room(f"peek:{logs.network_of(request.remote_addr or '')}")
    return answer(shapes.invite_peek(_opening(query.token or "")))


@api.post(
    "/invites/accept", responses={200: shapes.Org, 409: refusal("A member already (`already_member`)."), 410: DEAD}
)
def accept(body: InviteToken) -> Response:
    """Join the organization of an invite

    With a personal token that has the scope `org:admin`, of the user whose address was invited.
    """
    user = _person()
    invite_view = _opening(body.token)
    with transaction(org=invite_view.org.id):
        membership = invites.accept(invite_view.invite, by=user, by_link=True)
    accounts.confirm_by_link(user, mode=auth.platform_mode())
    return answer(shapes.org(invite_view.org, membership.role))


@api.post("/invites/decline", responses={200: shapes.Invite, 410: DEAD})
def decline(body: InviteToken) -> Response:
    """Decline an invite

    With a personal token that has the scope `org:admin`, of the user whose address was invited. Without an account, use
    the page of the link.
    """
    user = _person()
    invite_view = _opening(body.token)
    with transaction(org=invite_view.org.id):
        row = invites.decline(invite_view.invite, by=user, by_link=True)
    return answer(shapes.invite(invites.view(row)))


def send(access: Access, email: str, role: str) -> Response:
    """Invite one address."""
    with transaction(org=access.org.id):
        row = invites.invite(
            access.org, email, role=role, by=access.actor, may_give=assignable(access.caller), inviter=_inviter(access)
        )
    return answer(shapes.invite(invites.view(row)), 201)


def _opening(token: str) -> InviteView:
    result = invites.view(invites.find(token, ip=request.remote_addr or ""))
    invites.require_open(result)
    return result


def _person() -> User:
    row = auth.bearer()
    if isinstance(row, ApiKey):
        raise Forbidden("A person's own token answers an invite.")
    if SCOPE not in row.scopes:  # a read-only token must not gain another organization to read
        raise Forbidden(f"This token lacks the scope {SCOPE}.")
    return row.user


def _inviter(access: Access) -> UUID | None:
    """The user whose right the invite depends on."""
    row = auth.bearer()
    return invites.inviter_behind(row) if isinstance(row, ApiKey) else row.user_id
