"""Erases a user: removes name, address, sessions, tokens and links. The ledger and the audit log keep only ids.

The flow opens a transaction for each organization it touches. Call it outside a transaction. After a failure, what was
done stays done, and a repeated call continues.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.core.errors import NotFound
from dashboard.domain import audit
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.organizations import follow_ups, lifecycle, memberships
from dashboard.domain.people import devices, users
from dashboard.domain.platform import user_administration
from dashboard.models import (
    PLATFORM_ORG_ID,
    EmailToken,
    Invite,
    Membership,
    Organization,
    OrgDirectory,
    OutboxEmail,
    PersonalToken,
    RecoveryCode,
    User,
    UserSession,
)

NAME = "Erased person"
REASON = "The person was erased"
NOBODY = UUID(int=0)
MAILS_A_STEP = 200


def erase(user: User, *, reason: str, by: Actor) -> None:
    """Erase a user. Raises LastOwner and LastManager if someone must take over first, NotEmpty for pending payments in
    the personal organization (which is closed), NotFound for a user who is already erased, Invalid."""
    reason, user_id, email, name = audit.checked_reason(reason), user.id, user.email, user.name
    with transaction(PLATFORM_ORG_ID):
        _require_free(user_id, by=by)
    _close_own(user_id, by=by)
    for membership in memberships.all_of(user_id, teams=True):
        _leave(membership)
    for org_id in _mentioning(user_id, email):
        with transaction(org_id):
            _forget_invites(org_id, email=email, user_id=user_id)
        last: UUID | None = NOBODY
        while last is not None:
            last = _forget_mails(org_id, after=last, email=email, name=name, user_id=user_id)
    with transaction(PLATFORM_ORG_ID):
        row = _require_free(user_id, by=by)
        _blank(row)
        follow_ups.begin(user_id, "erased", by=SYSTEM)
        audit.record(row, "user.erased", by=by, org=PLATFORM_ORG_ID, reason=reason)
    follow_ups.work(user_id)


def _require_free(user_id: UUID, *, by: Actor) -> User:
    row = user_administration.locked(user_id, by=by)
    user_administration.require_other_manager(row)
    memberships.require_other_owners(row)
    return row


def _close_own(user_id: UUID, *, by: Actor) -> None:
    """Close the user's personal organization and remove the user's name from it."""
    own = users.personal_organization(user_id)
    if own is None:
        return
    with transaction(own.id):
        lifecycle.close(own, reason=REASON, by=by)
        org = db.session.get_one(Organization, own.id, populate_existing=True)
        org.name, org.slug = NAME, f"erased-{own.id.hex}"
        org.billing_email = org.billing_address = org.tax_id = None
        db.session.get_one(OrgDirectory, own.id, populate_existing=True).slug = org.slug


def _leave(membership: Membership) -> None:
    try:
        with transaction(membership.org_id):
            memberships.remove(membership, by=SYSTEM)
    except NotFound:  # it ended in the meantime
        return


def _mentioning(user_id: UUID, email: str) -> list[UUID]:
    """Organizations that the user ever belonged to, and those with an invite or an email to this address. Reads all
    invites and emails, because this is rare."""
    queries = (
        select(Membership.org_id).where(Membership.user_id == user_id),
        select(Invite.org_id).where(func.lower(Invite.email) == email.lower()),
        select(OutboxEmail.org_id).where(func.lower(OutboxEmail.to_address) == email.lower()),
    )
    return sorted({org_id for query in queries for org_id in db.session.scalars(query)})


def _forget_invites(org_id: UUID, *, email: str, user_id: UUID) -> None:
    theirs = or_(func.lower(Invite.email) == email.lower(), Invite.accepted_by == user_id)
    invites = select(Invite).where(Invite.org_id == org_id, theirs)
    for invite in db.session.scalars(invites):
        invite.email = _address(user_id)
        if invite.state == "pending":
            invite.state, invite.ended_at = "revoked", clock.now()


def _forget_mails(org_id: UUID, *, after: UUID, email: str, name: str, user_id: UUID) -> UUID | None:
    """Scrub the organization's next emails, at most `MAILS_A_STEP`; unsent ones will never be sent. Returns the last
    one examined, or None at the end. There may be many, so no single transaction holds all of them."""
    with transaction(org_id):
        step = select(OutboxEmail).where(OutboxEmail.org_id == org_id, OutboxEmail.id > after)
        rows = db.session.scalars(step.order_by(OutboxEmail.id).limit(MAILS_A_STEP).with_for_update()).all()
        for mail in rows:
            own = mail.to_address.lower() == email.lower()
            context = {key: _scrubbed(key, value, email, name, own=own) for key, value in mail.context.items()}
            if context != mail.context:
                mail.context = context
            if own:
                mail.to_address, mail.secret = _address(user_id), None
            if own and mail.state not in ("sent", "dismissed"):
                mail.state = "dismissed"
        last = rows[-1].id if len(rows) == MAILS_A_STEP else None
    for mail in rows:
        db.session.expunge(mail)
    return last


def _scrubbed(key: str, value: Any, email: str, name: str, *, own: bool) -> Any:
    if own and key == "ip":
        return ""
    if not isinstance(value, str):
        return value
    return NAME if value == name else value.replace(email, "").replace(name, NAME) if own else value.replace(email, "")


def _blank(row: User) -> None:
    user_administration.end_access(row)
    for table in (EmailToken, RecoveryCode):
        db.session.execute(delete(table).where(table.user_id == row.id))
    seen = update(UserSession).where(UserSession.user_id == row.id)
    db.session.execute(seen.values(ip=None, user_agent=None, state={}))
    devices.forget_all(row.id)
    tokens = update(PersonalToken).where(PersonalToken.user_id == row.id)
    db.session.execute(tokens.values(name="Erased", last_used_ip=None))
    row.email, row.name, row.password_hash, row.platform_role = _address(row.id), NAME, "", users.STANDARD
    row.totp_secret = row.totp_enabled_at = row.totp_last_step = row.password_changed_at = None
    row.timezone, row.theme, row.last_org_id, row.last_seen_at, row.email_verified_at = (
        "UTC",
        "system",
        None,
        None,
        None,
    )
    row.disabled_at = row.disabled_at or clock.now()
    row.erased_at = clock.now()


def _address(user_id: UUID) -> str:
    """An address that nobody can have, because addresses must be unique."""
    return f"erased-{user_id.hex}@erased.invalid"
