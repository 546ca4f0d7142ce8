"""Sends invites, and ends those that nobody answered."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from dashboard.config.urls import base_url
from dashboard.core import clock, crypto, ids
from dashboard.core.db import db, lock, retrying, transaction
from dashboard.core.errors import Conflict, Invalid, NotFound, TooManyRequests
from dashboard.domain import audit, org_status, rate_limits
from dashboard.domain.access.permissions import ROLE_WORDS, ROLES
from dashboard.domain.audit import Actor
from dashboard.domain.messages import outbox
from dashboard.domain.org_status import OrgAction, require_state
from dashboard.domain.organizations import memberships, organizations
from dashboard.domain.organizations.invites.listing import view
from dashboard.domain.organizations.memberships import AlreadyMember, RoleTooHigh
from dashboard.domain.people import users
from dashboard.models import Invite, Organization, Payment

EVENT = "invite"
LIFETIME = timedelta(days=7)
NEW = timedelta(days=1)
MOST_OPEN = 500
MOST_AT_ONCE = 100
LONGEST_SHOWN = 100


class AlreadyInvited(Conflict):
    code = "already_invited"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result for one of several addresses: the invite, or the error's code and message."""

    address: str
    invite: Invite | None = None
    code: str = "sent"
    detail: str = ""


def addresses_in(text: str) -> list[str]:
    """The addresses in a text, in order and without duplicates, separated by comma, semicolon, blank or line break.

    For `Ada <ada@example.com>`, the address is used. They are not validated. Raises Invalid for none or more than 100.
    """
    addresses: dict[str, str] = {}
    for part in re.split(r"[,;\n\r]", text):
        named = re.search(r"<([^<>]*)>", part)
        for word in [named[1].strip()] if named else part.split():
            addresses.setdefault(word.lower(), word)
    if not addresses:
        raise Invalid("Enter at least one email address.", field="emails")
    if len(addresses) > MOST_AT_ONCE:
        raise Invalid(f"Invite up to {MOST_AT_ONCE} addresses at once; these are {len(addresses)}.", field="emails")
    return list(addresses.values())


def invite_each(
    org: Organization,
    addresses: Iterable[str],
    *,
    role: str,
    by: Actor,
    may_give: Collection[str],
    inviter: UUID | None,
) -> list[Outcome]:
    """Call `invite` for each address in its own transaction: an error for one address does not stop the others.

    Raises RoleTooHigh, Invalid for the role, OrgSuspended, PersonalOrganization, in which case nothing was sent.
    """
    _require_role(role, may_give)
    require_state(OrgAction.MEMBERS, org)
    organizations.require_team(org)
    outcomes = []
    for address in addresses:
        try:
            row = _in_transaction(org, address, role=role, by=by, may_give=may_give, inviter=inviter)
            outcomes.append(Outcome(row.email, row))
        except (Invalid, Conflict, TooManyRequests) as refusal:
            shown_address = "".join(c for c in address[:LONGEST_SHOWN] if c.isprintable())
            outcomes.append(Outcome(shown_address, None, refusal.code, refusal.detail))
    return outcomes


@retrying
def _in_transaction(org: Organization, address: str, **wanted: Any) -> Invite:
    with transaction(org=org.id):
        return invite(org, address, **wanted)


def invite(
    org: Organization, address: str, *, role: str, by: Actor, may_give: Collection[str], inviter: UUID | None
) -> Invite:
    """Invite an address for 7 days and queue the email. Needs the organization's transaction; locks its row.

    `may_give` holds the roles that the inviter may give (`permissions.assignable`); `inviter` is the user whose right
    the invite depends on, None for a program. An invite that expired or stopped working is renewed in place. Raises
    Invalid, RoleTooHigh, OrgSuspended, PersonalOrganization, AlreadyMember, AlreadyInvited, Conflict for too many open
    ones, TooManyRequests.
    """
    _require_role(role, may_give)
    email = users.checked_email(address)
    org = org_status.locked(org.id)
    organizations.require_team(org)
    user = users.by_email(email)
    if user is not None and memberships.role_of(user.id, org.id) is not None:
        raise AlreadyMember(f"{email} belongs to the organization already.")
    waiting = select(Invite).where(Invite.org_id == org.id, Invite.state == "pending")
    current = lock(waiting.where(func.lower(Invite.email) == email))
    if current is not None and view(current).opens:
        raise AlreadyInvited(f"{email} is invited already. Resend that invite to send a new link.")
    if current is None:
        _require_room(org.id)
        current = Invite(org_id=org.id, id=ids.new(), email=email, role=role)
    current.role, current.invited_by = role, inviter
    _send(org, current)
    audit.record(current, "invite.sent", by=by, after={"role": role})
    return current


def resend(row: Invite, *, by: Actor, may_give: Collection[str], inviter: UUID | None) -> Invite:
    """Send a new link, valid for 7 days; the old one stops working. Needs the organization's transaction; locks its
    row.

    From now on, the invite depends on the right of the user who sent it again. Raises NotFound, Conflict for an
    answered or revoked one, RoleTooHigh, OrgSuspended, TooManyRequests.
    """
    org = org_status.locked(row.org_id)
    current = _again(row)
    _require_role(current.role, may_give)
    current.invited_by = inviter
    _send(org, current)
    audit.record(current, "invite.resent", by=by, after={"role": current.role})
    return current


def revoke(row: Invite, *, by: Actor, may_give: Collection[str]) -> Invite:
    """Revoke an invite: its link stops working at once. A declined one leaves the list. Needs the organization's
    transaction; locks its row.

    A revoked one stays unchanged. Raises NotFound, Conflict for an accepted one, RoleTooHigh, OrgSuspended.
    """
    org_status.locked(row.org_id)
    if row.state == "revoked":
        return row
    current = _again(row, states=("pending", "declined"))
    _require_role(current.role, may_give)
    end(current, "revoked", by=by, action="invite.removed" if current.state == "declined" else "invite.revoked")
    return current


def end(row: Invite, state: str, *, by: Actor, action: str, **values: Any) -> None:
    """For this package: mark it as answered or revoked, permanently. The row is locked."""
    row.state, row.ended_at = state, clock.now()
    audit.record(row, action, by=by, before={"role": row.role}, **values)


def _send(org: Organization, row: Invite) -> None:
    """Create a new link and queue its email. Raises Invalid, TooManyRequests, in which case nothing was written."""
    _require_pace(org, row)
    secret = crypto.token()
    now = clock.now()
    digest = crypto.digest(secret)
    outbox.send(
        org.id, key=f"invite:{row.id}:{digest.hex()[:16]}", event=EVENT, to=row.email,
        context=_letter(org, row, now + LIFETIME), secret=f"{org.id.hex}_{secret}",
    )  # fmt: skip
    row.token_hash, row.sent_at, row.expires_at = digest, now, now + LIFETIME
    db.session.add(row)
    db.session.flush()


def _letter(org: Organization, row: Invite, expires_at: datetime) -> dict[str, Any]:
    person = users.by_id(row.invited_by) if row.invited_by else None
    return {
        "org": org.name,
        "inviter": person.name if person else "",
        "role": row.role,
        "may": ROLE_WORDS[row.role],
        "address": row.email,
        "expires": clock.in_words(expires_at),
        "link": f"{base_url()}/invite/",
    }


def _again(row: Invite, *, states: Collection[str] = ("pending",)) -> Invite:
    """The current row, locked, if it is in one of these states: usually, if it waits for an answer. Needs the
    organization's lock."""
    current = lock(select(Invite).filter_by(org_id=row.org_id, id=row.id))
    if current is None:
        raise NotFound
    if current.state not in states:
        words = {"accepted": "was accepted", "declined": "was declined", "revoked": "was withdrawn"}[current.state]
        raise Conflict(f"This invite {words} already. Nothing was changed.", code="invite_ended")
    return current


def _require_role(role: str, may_give: Collection[str]) -> None:
    if role not in ROLES:
        raise Invalid("Choose a role.", field="role")
    if role not in may_give:
        raise RoleTooHigh("Only owners give the owner's role." if may_give else "You can't invite anyone.")


def _require_room(org_id: UUID) -> None:
    waiting = select(func.count()).select_from(Invite).where(Invite.org_id == org_id, Invite.state == "pending")
    if (db.session.scalar(waiting) or 0) >= MOST_OPEN:
        sentence = f"{MOST_OPEN} invites wait for an answer already. Withdraw some first."
        raise Conflict(sentence, code="too_many_invites")


def _require_pace(org: Organization, row: Invite) -> None:
    """Limit the emails that are sent in our name to addresses that users type. Raises TooManyRequests.

    An organization's first email of the day to an address is not counted together with those of other organizations,
    so that nobody can use up an address's limit and stop others from inviting it.
    """
    inviter, pair = str(row.invited_by or org.id), f"{org.id} {row.email}"
    tries = [
        (rate_limits.INVITE_INVITER, inviter),
        (rate_limits.INVITE_PAIR, f"{inviter} {row.email}"),
        (rate_limits.INVITE_ORG, str(org.id)),
        (rate_limits.INVITE_ADDRESS, pair),
    ]
    if _is_new(org):
        tries.append((rate_limits.INVITE_NEW, inviter))
    if rate_limits.exceeded(rate_limits.INVITE_FIRST, pair) is not None:
        tries.append((rate_limits.INVITE_ANYWHERE, row.email))
    waits = [rate_limits.exceeded(limit, subject) for limit, subject in tries]
    if wait := max((wait for wait in waits if wait is not None), default=None):
        raise TooManyRequests("Too many invites were sent. Wait before you send more.", retry_after=wait)


def _is_new(org: Organization) -> bool:
    """Younger than a day with nothing paid yet, as are most organizations that only want to send emails in our
    name."""
    paid = select(Payment.id).filter_by(org_id=org.id, state="credited").limit(1)
    return org.created_at > clock.now() - NEW and db.session.scalar(paid) is None
