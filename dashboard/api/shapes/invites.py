"""Invites. Only emails contain their tokens."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from dashboard.api.shapes.orgs import Role
from dashboard.domain.access.permissions import ROLE_WORDS
from dashboard.domain.organizations.invites import InviteView, Outcome, view

InviteState = Literal["pending", "expired", "stopped", "accepted", "declined", "revoked"]


class Invite(BaseModel):
    """A `pending` invite works until `expires_at`; `stopped`: its sender may no longer invite. `invited_by` is a
    user."""

    id: UUID
    email: str
    role: Role
    state: InviteState
    invited_by: UUID | None
    sent_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    created_at: datetime


class InviteList(BaseModel):
    data: list[Invite]
    next_cursor: str | None


class InviteResult(BaseModel):
    """The result for one address: `sent` with its invite, or the code and message of an error."""

    email: str
    code: str
    detail: str | None = None
    invite: Invite | None = None


class InviteResultList(BaseModel):
    """In the order of the addresses."""

    data: list[InviteResult]


class InvitePeek(BaseModel):
    """What the invited user sees. `role_may` says what the role may do."""

    org_id: UUID
    org_name: str
    email: str
    role: Role
    role_may: str
    invited_by: str | None
    expires_at: datetime


def invite(invite_view: InviteView) -> Invite:
    row = invite_view.invite
    return Invite(
        id=row.id, email=row.email, role=row.role, state=invite_view.state, invited_by=row.invited_by,
        sent_at=row.sent_at, expires_at=row.expires_at, ended_at=row.ended_at, created_at=row.created_at,
    )  # fmt: skip


def invite_result(outcome: Outcome) -> InviteResult:
    if outcome.invite is None:
        return InviteResult(email=outcome.address, code=outcome.code, detail=outcome.detail)
    return InviteResult(email=outcome.address, code=outcome.code, invite=invite(view(outcome.invite)))


def invite_peek(invite_view: InviteView) -> InvitePeek:
    row = invite_view.invite
    return InvitePeek(
        org_id=invite_view.org.id, org_name=invite_view.org.name, email=row.email, role=row.role,
        role_may=ROLE_WORDS[row.role], invited_by=invite_view.inviter.name if invite_view.inviter else None,
        expires_at=row.expires_at,
    )  # fmt: skip
