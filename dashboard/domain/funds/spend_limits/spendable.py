"""What somebody can spend now: one number, and the name of what bounds it."""

from dataclasses import dataclass
from typing import Literal

from dashboard.core import clock
from dashboard.core.money import Micros
from dashboard.domain.funds import spend_limits
from dashboard.domain.funds.spend_limits import Limit, Spender, windows
from dashboard.models import Organization, Wallet

Bound = Literal["wallet", "hold", "limit"]


@dataclass(frozen=True, slots=True)
class Spendable:
    """`hold`: holds take all that the wallet has. `limit` is the one that bounds it."""

    micros: Micros
    bounded_by: Bound
    limit: Limit | None = None


def spendable(org: Organization, spender: Spender, wallet: Wallet) -> Spendable:
    """What `spender` can take from a dollar wallet: what is available in it, the overdraft included, or less if a hard
    limit has less room. Nothing from a frozen wallet or in a suspended organization."""
    usable = wallet.frozen_at is None and org.suspended_at is None
    available = max(wallet.available + wallet.overdraft_limit, 0) if usable else 0
    all_held = usable and not available and wallet.held > 0 and wallet.balance + wallet.overdraft_limit > 0
    limits = [limit for limit in spend_limits.applicable(org, spender, mode=wallet.mode) if limit.hard]
    spent = windows.spent_in(((one.org_id, one.id, one.window) for one in limits), at=clock.now())
    left = {limit: max(limit.amount - spent.get(limit.id, 0), 0) for limit in limits}
    tightest = min(left, key=lambda limit: left[limit], default=None)
    if tightest is not None and left[tightest] < available:
        return Spendable(Micros(left[tightest]), "limit", tightest)
    return Spendable(Micros(available), "hold" if all_held else "wallet")
