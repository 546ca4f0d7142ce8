"""Responding to an invite: view it, accept it, decline it."""

from uuid import UUID

from sqlalchemy import select

from dashboard.core import clock, crypto, ids
from dashboard.core.db import db, lock, transaction
from dashboard.core.errors import Forbidden, Gone, NotFound, TooManyRequests
from dashboard.domain import rate_limits
from dashboard.domain.audit import SYSTEM
from dashboard.domain.org_status import OrgSuspended
from dashboard.domain.organizations import memberships
from dashboard.domain.organizations.invites.listing import EXPIRED, STOPPED, InviteView, view
from dashboard.domain.organizations.invites.send import end
from dashboard.domain.organizations.memberships import AlreadyMember
from dashboard.domain.people import users
from dashboard.models import Invite, Membership, Organization, User

LONGEST_TOKEN = 200
UNKNOWN = (
    "This invite link does not work. It may be incomplete, or a newer mail has replaced it: open the link of the "
    "newest mail, or ask the person who invited you for a new one."
)


class UnknownInvite(NotFound):
    """The same error for a token that never existed, is malformed or was replaced by a newer one."""

    def __init__(self) -> None:
        super().__init__(UNKNOWN)


class DeadInvite(Gone):
    """An invite that no longer works; `code` says why."""


class WrongAddress(Forbidden):
    code = "wrong_address"


class NotInvited(Forbidden):
    """Without the link from the email, an invite can be opened only by a user with a verified address."""

    code = "address_not_verified"


def find(token: str, *, ip: str) -> Invite:
    """The invite that a link leads to, in any state.

    Wrong tokens are counted per address in a separate transaction. Call it outside a transaction. Raises UnknownInvite,
    TooManyRequests.
    """
    wait = rate_limits.spent(rate_limits.INVITE_GUESS, ip)
    row = _with_token(token) if wait is None else None
    if row is None:
        _guessed(ip)
        if wait is not None:
            raise TooManyRequests("Too many links that lead nowhere were tried from here.", retry_after=wait)
        raise UnknownInvite
    return row


def with_id(org_id: UUID, invite_id: UUID) -> Invite:
    """One of the organization's invites. Raises NotFound."""
    row = db.session.scalar(
        select(Invite).filter_by(org_id=org_id, id=invite_id), execution_options={"populate_existing": True}
    )
    if row is None:
        raise NotFound
    return row


def of_person(org_id: UUID, invite_id: UUID, user: User) -> Invite:
    """An invite that was sent to the user's address. Raises NotFound for all others."""
    row = with_id(org_id, invite_id)
    if not _is_for(row, user):
        raise NotFound
    return row


def require_open(invite_view: InviteView) -> None:
    """Raise DeadInvite for an invite that no longer works, OrgSuspended for one that does not work at the moment."""
    invite, org = invite_view.invite, invite_view.org
    leads = f"an owner or admin of {org.name}"
    dead = {
        "accepted": ("invite_used", f"This invite was accepted already. Sign in as {invite.email} to open {org.name}."),
        "declined": ("invite_declined", f"This invite was declined. Ask {leads} for a new one if you want to join."),
        "revoked": ("invite_withdrawn", f"This invite was withdrawn. Ask {leads} if you should still join."),
        EXPIRED: (
            "invite_expired",
            f"This invite ran out on {clock.in_words(invite.expires_at)}. Ask {invite_view.from_whom} or another "
            f"owner or admin of {org.name} to send it again.",
        ),
        STOPPED: (
            "invite_stopped",
            f"{invite_view.from_whom} may no longer invite people to {org.name}. Ask {leads} for a new invite.",
        ),
    }
    if org.closed_at is not None:
        raise DeadInvite(f"{org.name} is closed, and nobody can join it any more.", code="org_closed")
    if invite_view.state in dead:
        code, sentence = dead[invite_view.state]
        raise DeadInvite(sentence, code=code)
    if org.suspended_at is not None:
        raise OrgSuspended(
            f"{org.name} is suspended, and nobody can join it now. An owner of it knows more; the invite stays good "
            f"until {clock.in_words(invite.expires_at)}."
        )


def accept(row: Invite, *, by: User, by_link: bool) -> Membership:
    """Admit the invited user. Needs the organization's transaction; locks its row, then the invite's.

    `by_link`: the user came with the link from the email, and the caller verifies the address with `accounts.prove`.
    Raises what `require_open` raises, UnknownInvite if the link was replaced in the meantime, WrongAddress, NotInvited,
    AlreadyMember.
    """
    invite_view = _answerable(row)
    _require_theirs(invite_view, by, by_link=by_link)
    if memberships.role_of(by.id, invite_view.org.id) is not None:
        raise AlreadyMember(f"You belong to {invite_view.org.name} already. An owner or admin can change your role.")
    actor = users.actor_of(by, invite_view.invite.role)
    membership = memberships.add(invite_view.org, by, role=invite_view.invite.role, by=actor)
    invite_view.invite.accepted_by = by.id
    end(invite_view.invite, "accepted", by=actor, action="invite.accepted", after={"membership": str(membership.id)})
    return membership


def decline(row: Invite, *, by: User | None, by_link: bool) -> Invite:
    """Decline an invite. Needs the organization's transaction; locks and raises as `accept` does.

    `by` None: nobody is signed in, and only the link from the email proves the address; only with `by_link`.
    """
    invite_view = _answerable(row)
    if by is not None:
        _require_theirs(invite_view, by, by_link=by_link)
    elif not by_link:
        raise NotInvited("Open the link in the mail to decline this invite.")
    actor = users.actor_of(by, invite_view.invite.role) if by else SYSTEM
    end(
        invite_view.invite,
        "declined",
        by=actor,
        action="invite.declined",
        reason=None if by else "By the link in the mail",
    )
    return invite_view.invite


def _answerable(row: Invite) -> InviteView:
    """The current invite, locked, if it still works and is the one that the user viewed."""
    lock(select(Organization).filter_by(id=row.org_id))
    seen = row.token_hash
    current = lock(select(Invite).filter_by(org_id=row.org_id, id=row.id))
    if current is None or current.token_hash != seen:
        raise UnknownInvite
    result = view(current)
    require_open(result)
    return result


def _require_theirs(invite_view: InviteView, user: User, *, by_link: bool) -> None:
    if not _is_for(invite_view.invite, user):
        raise WrongAddress(
            f"This invite is for {invite_view.invite.email}, and you are signed in as {user.email}. Switch the "
            f"account, or ask {invite_view.from_whom} to invite {user.email}."
        )
    if not by_link and user.email_verified_at is None:
        raise NotInvited("Your address is not confirmed yet. Open the link in the mail that invited you.")


def _is_for(row: Invite, user: User) -> bool:
    return row.email.lower() == user.email.lower()


def _with_token(token: str) -> Invite | None:
    org, _, secret = token.partition("_")
    org_id = ids.parse(org) if len(token) <= LONGEST_TOKEN and token.isascii() and len(org) == 32 else None
    if org_id is None or not secret:
        return None
    query = select(Invite).filter_by(org_id=org_id, token_hash=crypto.digest(secret))
    return db.session.scalar(query, execution_options={"populate_existing": True})


def _guessed(ip: str) -> None:
    with transaction():
        rate_limits.exceeded(rate_limits.INVITE_GUESS, ip)
