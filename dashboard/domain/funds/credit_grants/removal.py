"""Removes from one credit grant, whatever would be spent first.

The transaction names its grant, so that which grant paid for what remains a function of the ledger.
"""

from typing import Any
from uuid import UUID

from dashboard.core import clock
from dashboard.domain.audit import Actor
from dashboard.domain.funds import credit_grants, expiry, ledger, origins
from dashboard.domain.funds.credit_grants import CurrentGrant, settlement
from dashboard.domain.funds.credit_grants.settlement import Allocation, OpenGrant
from dashboard.domain.funds.ledger import Posting, RemovalTooLarge
from dashboard.models import Wallet


class GrantTooSmall(RemovalTooLarge):
    """Less is left of the named grant than the removal takes. `available_micros` is what is left of it."""


def remove(wallet: Wallet, grant_id: UUID, *, amount: int, key: str, by: Actor, **others: Any) -> Posting:
    """Post a removal of `amount` (above zero) from what is left of the grant, once per `key`; `others` are those of
    `ledger.post`.

    Needs the wallet's lock. Settles the wallet up to the removal and removes expired credit first. Raises Invalid if
    the wallet has no such grant, GrantTooSmall, RemovalTooLarge if open holds need the credit, KeyReused.
    """
    kind, replay = "admin_removal", origins.booked(wallet.org_id, wallet.mode, origins.OPERATOR, {key})
    grant = None if replay else _settled(wallet, grant_id, amount)
    posting = ledger.post(
        wallet, type=kind, amount=-amount, origin=origins.OPERATOR, key=key, by=by, grant_id=grant_id, **others
    )
    if grant is not None:
        grant.remaining -= amount
        allocation = Allocation(grant, posting.seq, posting.seq, amount)
        settlement.keep(wallet.org_id, wallet.id, [allocation], [grant], posting.seq, posting.created_at)
    return posting


def _settled(wallet: Wallet, grant_id: UUID, amount: int) -> OpenGrant:
    """The grant, with what is left of it after the wallet's last row."""
    expiry.clear(wallet.org_id, wallet.id, clock.now())
    found = credit_grants.named(wallet, grant_id)
    check(found, amount)
    return OpenGrant(grant_id, found.grant.kind, 0, None, 0, found.remaining)


def check(found: CurrentGrant, amount: int) -> None:
    """Raise GrantTooSmall if less than `amount` of the grant can be taken now."""
    left = found.remaining if found.state == "open" else 0
    if amount > left:
        text = "This is more than what is left of this credit grant. Nothing was changed."
        raise GrantTooSmall(text, available_micros=left)
