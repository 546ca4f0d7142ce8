"""The external key: the operator's own id for an organization. Only operators set it.

An unconfirmed key was set by an owner in an earlier version. It is kept and shown, but finds nothing until an operator
confirms or clears it.
"""

import re

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from dashboard.core import clock
from dashboard.core.db import db
from dashboard.core.errors import Conflict, Forbidden, Invalid
from dashboard.domain import audit, org_status
from dashboard.domain.audit import Actor
from dashboard.domain.org_status import OrgAction
from dashboard.models import Organization, OrgDirectory

LONGEST = 200

_ALLOWED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@|+=-]*", re.ASCII)


class OperatorOnly(Forbidden):
    code = "operator_only"


class ExternalKeyTaken(Conflict):
    code = "external_key_taken"


class ExternalKeyUnconfirmed(Conflict):
    code = "external_key_unconfirmed"


class ExternalKeyChanged(Conflict):
    code = "external_key_changed"


def checked(text: str | None) -> str | None:
    """The key as it is stored; None if empty. Raises Invalid with the field."""
    text = (text or "").strip()
    if text and (not _ALLOWED.fullmatch(text) or len(text) > LONGEST):
        raise Invalid(
            f"Use up to {LONGEST} letters, digits and . _ : @ | + = -, such as crm-4821.", field="external_key"
        )
    return text or None


def of(org: Organization) -> OrgDirectory:
    """The row that holds the organization's key: `external_key` and `external_key_confirmed_at`."""
    return db.session.get_one(OrgDirectory, org.id)


def holder(key: str) -> OrgDirectory | None:
    """The organization with this key, confirmed or not. Case matters."""
    if not key.isprintable():  # PostgreSQL refuses text with a NUL
        return None
    return db.session.scalar(select(OrgDirectory).filter_by(external_key=key))


def unconfirmed(*, limit: int) -> list[tuple[Organization, str]]:
    """Organizations whose key an operator must still confirm or clear, oldest first."""
    query = (
        select(Organization, OrgDirectory.external_key)
        .join(OrgDirectory, OrgDirectory.org_id == Organization.id)
        .where(OrgDirectory.unconfirmed())
        .order_by(OrgDirectory.org_id)
        .limit(limit)
    )
    return [(org, key) for org, key in db.session.execute(query) if key]


def assign(org: Organization, key: str | None, *, reason: str, by: Actor) -> None:
    """Set or clear the organization's key. For operators. Locks the organization; needs its transaction.

    Setting the same key again confirms it. Raises Invalid, ExternalKeyTaken; NotFound for a closed organization.
    """
    key, reason = checked(key), audit.checked_reason(reason)
    org_status.locked(org.id, OrgAction.READ)
    row = db.session.get_one(OrgDirectory, org.id, populate_existing=True)
    before = row.external_key
    if before == key and (key is None or row.external_key_confirmed_at):
        return
    if key and (other := holder(key)) and other.org_id != org.id:
        raise ExternalKeyTaken(f"The organization {other.org_id} has this external key. Clear it there first.")
    row.external_key, row.external_key_confirmed_at = key, clock.now() if key else None
    _flush()
    audit.record(
        org,
        "external_key.cleared" if key is None else "external_key.confirmed" if before == key else "external_key.set",
        by=by, before={"external_key": before}, after={"external_key": key}, reason=reason,
    )  # fmt: skip


def settle(org: Organization, *, seen: str, keep: bool, reason: str, by: Actor) -> None:
    """Confirm (`keep`) or clear the key that the operator saw. Raises ExternalKeyChanged if it has changed."""
    org_status.locked(org.id, OrgAction.READ)
    if db.session.get_one(OrgDirectory, org.id, populate_existing=True).external_key != seen:
        raise ExternalKeyChanged("This organization has another external key now. Nothing was changed.")
    assign(org, seen if keep else None, reason=reason, by=by)


def _flush() -> None:
    try:
        db.session.flush()
    except IntegrityError:  # another organization took it since the lookup
        raise ExternalKeyTaken("Another organization has this external key.") from None
