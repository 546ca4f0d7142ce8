"""Changes of an organization's status: suspend, close, reopen, and who funds it."""

from sqlalchemy import select, update

from dashboard.core import clock
from dashboard.core.db import db, lock
from dashboard.core.errors import Conflict, Forbidden, NotFound
from dashboard.core.money import money
from dashboard.domain import audit, org_status
from dashboard.domain.access import keys
from dashboard.domain.audit import Actor
from dashboard.domain.funds import wallets
from dashboard.domain.organizations import memberships, organizations
from dashboard.models import (
    ApiKey,
    Invite,
    Organization,
    OrgDirectory,
    Payment,
    Transaction,
)

OPEN_PAYMENTS = ("created", "unknown", "pending", "paid", "review")


class NotEmpty(Conflict):
    """There is money in it, or money on its way."""

    code = "org_not_empty"


class FundsMoved(Conflict):
    code = "funds_moved"


def suspend(org: Organization, *, reason: str, by: Actor) -> Organization:
    """Block spending, purchases and changes; reading still works. For operators. Locks the organization. Raises
    Invalid."""
    row = _locked(org)
    if row.suspended_at is None:
        row.suspended_at = clock.now()
        audit.record(row, "organization.suspended", by=by, reason=audit.checked_reason(reason))
    return row


def unsuspend(org: Organization, *, reason: str, by: Actor) -> Organization:
    row = _locked(org)
    if row.suspended_at is not None:
        row.suspended_at = None
        audit.record(row, "organization.unsuspended", by=by, reason=audit.checked_reason(reason))
    return row


def delete(org: Organization, *, by: Actor) -> None:
    """Close an empty organization as its owner. Locks the organization. Ledger, members and audit log stay.

    Raises Forbidden if the actor is no longer an owner, NotEmpty, PersonalOrganization, OrgSuspended.
    """
    row = org_status.locked(org.id)
    organizations.require_team(row)
    if memberships.role_now(row.id, by) != "owner":
        raise Forbidden("Only owners can do this.")
    if result := obstacles(row):
        raise NotEmpty(" ".join(result))
    _close(row, by=by, reason=None)


def close(org: Organization, *, reason: str, by: Actor) -> None:
    """Close it as an operator, whatever its balance. Locks the organization. Raises NotEmpty for open payments."""
    row, reason = _locked(org), audit.checked_reason(reason)
    if reasons := [*_held(row), *_open_payments(row)]:
        raise NotEmpty(" ".join(reasons))
    if row.closed_at is None:
        _close(row, by=by, reason=reason)


def reopen(org: Organization, *, reason: str, by: Actor) -> Organization:
    """Make a closed organization available to its members again. Keys and invites that ended stay ended. For
    operators."""
    row = _locked(org)
    if row.closed_at is not None:
        row.closed_at = None
        audit.record(row, "organization.reopened", by=by, reason=audit.checked_reason(reason))
    return row


def fund_itself(org: Organization, *, itself: bool, reason: str, by: Actor) -> Organization:
    """Set whether it uses its own payment account for its own users. For operators. Raises FundsMoved once money was
    moved."""
    row, funding = _locked(org), "own" if itself else "platform"
    if row.funding == funding:
        return row
    moved = select(Transaction.id).filter_by(org_id=row.id).limit(1)
    if db.session.scalar(moved) or _open_payments(row):
        raise FundsMoved("Money has moved in this organization: who funds it stays as it is.")
    before, row.funding = row.funding, funding
    audit.record(
        row, "organization.funding_changed", by=by, before={"funding": before}, after={"funding": funding},
        reason=audit.checked_reason(reason),
    )  # fmt: skip
    return row


def obstacles(org: Organization) -> list[str]:
    """What prevents an owner from deleting it, as sentences; empty if nothing does."""
    balances = [
        f"The {'test ' if wallet.mode == 'test' else ''}balance is {money(wallet.balance)}; it must be zero."
        for wallet in wallets.every(org.id)
        if wallet.balance
    ]
    return [*balances, *_held(org), *_open_payments(org)]


def _held(org: Organization) -> list[str]:
    held = sum(wallet.held for wallet in wallets.every(org.id))
    return [f"{money(held)} is held."] if held else []


def _open_payments(org: Organization) -> list[str]:
    states = select(Payment.state).where(Payment.org_id == org.id, Payment.state.in_(OPEN_PAYMENTS)).limit(100)
    many = len(db.session.scalars(states).all())
    if not many:
        return []
    words = f"{many} payments are" if many > 1 else "1 payment is"
    return [f"{words} not finished; what was given up ends by itself within a day."]


def _close(row: Organization, *, by: Actor, reason: str | None) -> None:
    now = clock.now()
    row.closed_at = now
    wallets.end_overdraft(row.id, reason=reason, by=by)  # a charge in progress finds nothing to spend
    for key in db.session.scalars(select(ApiKey).filter_by(org_id=row.id).where(keys.living())):
        keys.revoke(key, by=by)
    pending = update(Invite).filter_by(org_id=row.id, state="pending")
    db.session.execute(pending.values(state="revoked", ended_at=now))
    directory = db.session.get_one(OrgDirectory, row.id, populate_existing=True)
    before, directory.external_key = directory.external_key, None  # free for its successor
    directory.external_key_confirmed_at = None
    audit.record(row, "organization.closed", by=by, reason=reason, before={"external_key": before} if before else None)


def _locked(org: Organization) -> Organization:
    """The organization in any status, because these actions change the status."""
    row = lock(select(Organization).filter_by(id=org.id))
    if row is None or row.kind == "platform":
        raise NotFound
    return row
