"""Charging: the only operation by which anything that is sold takes money from a wallet, for every caller."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID

from dashboard.core.db import in_transaction, retrying, transaction
from dashboard.domain.audit import Actor
from dashboard.domain.funds import ledger, spend_limits, wallets
from dashboard.domain.funds.ledger import Posting
from dashboard.domain.funds.spend_limits import Limit, Spender
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
    spender: Spender | None = None,
    description: str = "",
    app: str = "",
    body_hash: bytes | None = None,
) -> Posting:
    """Take `amount` (above zero, in the wallet's smallest unit), once per (organization, mode, `origin`, `key`).

    It counts towards every spend limit that applies to `spender`, by default the user behind `by`, with `app`. Without
    a limit it is one statement, in autocommit if no transaction is open. With limits, the charge and its counts are one
    transaction: the open one, or its own, which is repeated if it loses a race. Locks the wallet, then the limits'
    windows. Raises OrgSuspended, NotFound for a closed organization, InsufficientFunds, WalletFrozen, KeyReused,
    LimitReached.
    """
    require_state(OrgAction.SPEND, org)
    post = partial(
        ledger.post, wallet, type="charge", amount=-amount, origin=origin, key=key, by=by, description=description,
        app=app, body_hash=body_hash,
    )  # fmt: skip
    limits = _limits(wallet, org, spender or Spender(by.user_id), app)
    if not limits:
        return post()
    if in_transaction():
        return _counted(post(), limits)
    return _alone(org.id, post, limits)


def _limits(wallet: Wallet, org: Organization, spender: Spender, app: str) -> Sequence[Limit]:
    if wallet.unit != wallets.USD:
        return ()
    return spend_limits.applicable(org, replace(spender, app=app), mode=wallet.mode)


@retrying
def _alone(org_id: UUID, post: "partial[Posting]", limits: Sequence[Limit]) -> Posting:
    with transaction(org=org_id):
        return _counted(post(), limits)


def _counted(posting: Posting, limits: Sequence[Limit]) -> Posting:
    """Count the posted charge. A replay was counted when it was posted."""
    if not posting.replayed:
        spend_limits.take(limits, amount=-posting.amount, at=posting.created_at)
    return posting
