"""What came into a wallet, from `wallet_days` alone: it costs the same however many rows there are."""

from dataclasses import dataclass

from sqlalchemy import func, select

from dashboard.core.db import db
from dashboard.domain.funds import transactions
from dashboard.domain.funds.costs import Range
from dashboard.domain.funds.transactions import Filters
from dashboard.models import Transaction, Wallet, WalletDay

BOUGHT = ("purchase", "recharge")
GRANTED = ("admin_grant", "subscription_grant", "renewal")
DEPOSITED = ("deposit",)


@dataclass(frozen=True, slots=True)
class Added:
    """Micros that came in within a range, by where they came from."""

    bought: int
    granted: int
    deposited: int

    @property
    def micros(self) -> int:
        return self.bought + self.granted + self.deposited


def added(wallet: Wallet, range: Range) -> Added:
    """What was bought, granted and deposited on the UTC days of the range. Refunds and removals are not taken off."""
    found = db.session.execute(
        select(WalletDay.type, func.sum(WalletDay.amount))
        .where(WalletDay.org_id == wallet.org_id, WalletDay.wallet_id == wallet.id)
        .where(WalletDay.day.between(range.first, range.last))
        .where(WalletDay.type.in_(BOUGHT + GRANTED + DEPOSITED))
        .group_by(WalletDay.type)
    )
    sums = {type: int(micros) for type, micros in found}
    bought, granted, deposited = (sum(sums.get(type, 0) for type in types) for types in (BOUGHT, GRANTED, DEPOSITED))
    return Added(bought, granted, deposited)


def last_purchase(wallet: Wallet) -> Transaction | None:
    """The newest purchase of credits."""
    return next(iter(transactions.page(wallet, Filters(type="purchase"), limit=1).rows), None)
