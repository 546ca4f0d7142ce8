"""Charging: the only operation by which anything that is sold takes money from a wallet, for every caller."""

from functools import partial
from uuid import UUID

from dashboard.core.db import in_transaction, retrying, transaction
from dashboard.domain.audit import Actor
from dashboard.domain.funds import ledger, spend_limits
from dashboard.domain.funds.ledger import Posting
from dashboard.domain.funds.spend_limits import LimitId
from dashboard.domain.org_status import OrgAction, require_state
from dashboard.models import Organization, Wallet


def charge(
    wallet: Wallet,
    *,
    org: Organization,
    amount: int,
    origin: str,
    key: str,
    by: Actor,
    limit: LimitId | None = None,
    description: str = "",
    app: str = "",
    body_hash: bytes | None = None,
) -> Posting:
    """Take `amount` (above zero, in the wallet's smallest unit), once per (organization, mode, `origin`, `key`).

    Without a spend limit it is one statement, in autocommit if no transaction is open. With one, the charge and its
    count towards the limit are one transaction: the open one, or its own, which is repeated if it loses a race. Locks
    the wallet, then the limit's window. Raises OrgSuspended, NotFound for a closed organization, InsufficientFunds,
    WalletFrozen, KeyReused, KeyCapExceeded.
    """
    require_state(OrgAction.SPEND, org)
    post = partial(
        ledger.post, wallet, type="charge", amount=-amount, origin=origin, key=key, by=by, description=description,
        app=app, body_hash=body_hash,
    )  # fmt: skip
    if limit is None:
        return post()
    if in_transaction():
        return _counted(post(), limit)
    return _alone(org.id, post, limit)


@retrying
def _alone(org_id: UUID, post: "partial[Posting]", limit: LimitId) -> Posting:
    with transaction(org=org_id):
        return _counted(post(), limit)


def _counted(posting: Posting, limit: LimitId) -> Posting:
    """Post the charge and count it towards the limit. A replay was counted when it was posted."""
    if not posting.replayed:
        spend_limits.take(limit, amount=-posting.amount, at=posting.created_at)
    return posting
