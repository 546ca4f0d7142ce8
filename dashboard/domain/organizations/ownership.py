"""Transfers ownership: the owner becomes an admin as another member becomes owner, in one step."""

import logging

from sqlalchemy import select

from dashboard.config import settings
from dashboard.core import clock, ids
from dashboard.core.db import db, lock
from dashboard.core.errors import Conflict, Forbidden, Invalid, NotFound
from dashboard.core.mail import one_line
from dashboard.domain import audit, org_status
from dashboard.domain.audit import Actor
from dashboard.domain.messages import outbox
from dashboard.domain.organizations import memberships, organizations
from dashboard.models import Membership, Organization, User

EVENT = "ownership_transferred"

log = logging.getLogger(__name__)


class CannotOwn(Conflict):
    code = "cannot_own"


def transfer(to: Membership, *, by: Actor) -> Membership:
    """Make `to` an owner and the acting owner an admin; both get an email. Locks the organization.

    Raises NotFound if the member is gone, Forbidden if the actor is no longer an owner, CannotOwn,
    PersonalOrganization.
    """
    org = org_status.locked(to.org_id)
    target, own = memberships.locked(to), _own(to, by)
    require_able(org, target)
    if own.role != "owner":
        raise Forbidden("Only owners can do this.")
    target.role, own.role = "owner", "admin"
    audit.record(
        org, "ownership.transferred", by=by, before={"owner": str(own.user_id)}, after={"owner": str(target.user_id)},
    )  # fmt: skip
    _tell(org, old=_person(own), new=_person(target))
    return target


def require_able(org: Organization, target: Membership) -> None:
    """Raise CannotOwn if the member cannot sign in or is already an owner, PersonalOrganization."""
    organizations.require_team(org)
    if not _person(target).is_active:
        raise CannotOwn("This account is disabled: an owner must be able to sign in.")
    if target.role == "owner":
        raise CannotOwn("This member is an owner already. To step down, change your own role.")


def _own(to: Membership, by: Actor) -> Membership:
    own = lock(select(Membership).filter_by(org_id=to.org_id, user_id=by.id, removed_at=None))
    if own is None or by.kind != "user":
        raise NotFound
    return own


def _person(row: Membership) -> User:
    return db.session.scalars(
        select(User).filter_by(id=row.user_id), execution_options={"populate_existing": True}
    ).one()


def _tell(org: Organization, *, old: User, new: User) -> None:
    """An address that cannot receive email does not block the transfer."""
    key, base = ids.new(), settings().base_url
    facts = {
        "org": one_line(org.name), "old": one_line(old.name), "new": one_line(new.name),
        "at": clock.in_words(clock.now()), "link": f"{base}/o/{org.slug}/members" if base else "",
    }  # fmt: skip
    for person in (old, new):
        try:
            outbox.send(
                org.id, key=f"ownership:{key}:{person.id}", event=EVENT, to=person.email,
                context=facts | {"yours": person is new},
            )  # fmt: skip
        except Invalid as refusal:
            log.warning("no mail", extra={"user": str(person.id), "reason": refusal.detail})
