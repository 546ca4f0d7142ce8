"""Inviting and answering as the surfaces do it: in a transaction, with the token of the mail."""

from typing import Any

import pytest
from sqlalchemy import select

from dashboard.core.db import db, transaction
from dashboard.core.errors import CofferError
from dashboard.domain.access.permissions import Caller, assignable
from dashboard.domain.audit import Actor
from dashboard.domain.messages import outbox
from dashboard.domain.organizations import invites, memberships
from dashboard.models import (
    AuditEntry,
    Invite,
    Membership,
    Organization,
    OutboxEmail,
    User,
)

IP = "192.0.2.7"
GRACE = "grace@example.test"


def send(org: Organization, by: User, email: str = GRACE, role: str = "member") -> Invite:
    with transaction(org=org.id):
        return invites.invite(org, email, role=role, inviter=by.id, **right(org, by))


def resend(row: Invite, by: User) -> Invite:
    with transaction(org=row.org_id):
        return invites.resend(row, inviter=by.id, **right(row, by))


def revoke(row: Invite, by: User) -> Invite:
    with transaction(org=row.org_id):
        return invites.revoke(row, **right(row, by))


def right(of: Any, by: User) -> dict[str, Any]:
    actor = Actor("user", by.id)
    org_id = of.org_id
    return {"by": actor, "may_give": assignable(Caller(actor, memberships.role_of(by.id, org_id)))}


def token_of(row: Invite) -> str:
    """From the newest email."""
    newest = select(OutboxEmail).filter_by(org_id=row.org_id, event="invite", to_address=row.email)
    letter = outbox.rendered(db.session.scalars(newest.order_by(OutboxEmail.id.desc())).first())
    return letter.text.partition("http://localhost/invite/")[2].split()[0]


def look(token: str) -> Invite:
    return invites.find(token, ip=IP)


def accept(token: str, by: User) -> Membership:
    row = invites.find(token, ip=IP)
    with transaction(org=row.org_id):
        return invites.accept(row, by=by, by_link=True)


def decline(token: str, by: User | None) -> Invite:
    row = invites.find(token, ip=IP)
    with transaction(org=row.org_id):
        return invites.decline(row, by=by, by_link=True)


def refused(act: Any, *args: Any) -> CofferError:
    with pytest.raises(CofferError) as found:
        act(*args)
    return found.value


def actions(org: Organization) -> list[str]:
    query = select(AuditEntry.action).filter_by(org_id=org.id, object_kind="invite").order_by(AuditEntry.id)
    return list(db.session.scalars(query))
