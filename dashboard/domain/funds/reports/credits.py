"""What was added to a wallet. Reads only `wallet_days`, so the cost does not depend on the number of transactions."""

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import func, select

from dashboard.core.db import db
from dashboard.domain.funds import transactions
from dashboard.domain.funds.reports.costs import Range
from dashboard.domain.funds.transactions import TransactionFilters
from dashboard.models import TRANSACTION_TYPES, Transaction, Wallet, WalletDay


@dataclass(frozen=True, slots=True)
class Added:
    """Micros added within a range, by source."""

    bought: int
    granted: int
    deposited: int

    @property
    def micros(self) -> int:
        return self.bought + self.granted + self.deposited


def added(wallet: Wallet, range: Range) -> Added:
    """What was bought, granted and deposited on the UTC days of the range. Refunds and removals are not subtracted."""
    rows = db.session.execute(
        select(WalletDay.type, func.sum(WalletDay.amount))
        .where(WalletDay.org_id == wallet.org_id, WalletDay.wallet_id == wallet.id)
        .where(WalletDay.day.between(range.first, range.last))
        .where(WalletDay.type.in_(kind.name for kind in TRANSACTION_TYPES.values() if kind.income))
        .group_by(WalletDay.type)
    )
    sums = Counter[str | None]()
    for type, micros in rows:
        sums[TRANSACTION_TYPES[type].income] += int(micros)
    return Added(sums["bought"], sums["granted"], sums["deposited"])


def last_purchase(wallet: Wallet) -> Transaction | None:
    """The newest purchase of credits."""
    return next(iter(transactions.page(wallet, TransactionFilters(type="purchase"), limit=1).rows), None)
