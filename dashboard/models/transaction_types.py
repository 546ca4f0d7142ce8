"""All types of ledger rows in one table: direction, floor, what they count as, and how they are shown.

To add a type, add a line here. `invariants.sql` repeats the signs and floors on purpose, as an independent check.
"""

from dataclasses import dataclass
from typing import Literal

Floor = Literal["overdraft", "zero", "none"]
"""How low a debit may bring the balance: to the overdraft limit, to zero, or without a limit."""

Income = Literal["bought", "granted", "deposited"]
Outgo = Literal["used", "removed", "refunded"]


@dataclass(frozen=True, slots=True)
class TransactionType:
    """`sign`: 1 adds, -1 takes, 0 may do either. `income` and `outgo`: what it counts as in totals. `revenue`: the
    platform was paid for it. `liftable`: an operator may let it pass its floor. `tone` is the tone of its badge;
    `request` says what a caller who requested it did."""

    name: str
    sign: int
    label: str
    tone: str = ""
    floor: Floor = "none"
    income: Income | None = None
    outgo: Outgo | None = None
    revenue: bool = False
    liftable: bool = False
    request: str = "asked for it"

    @property
    def spending(self) -> bool:
        """Whether it is a cost of the organization. Such a debit is refused while the wallet is frozen."""
        return self.outgo == "used"


TRANSACTION_TYPES = {
    row.name: row
    for row in (
        TransactionType("purchase", 1, "Purchase", "ok", income="bought", revenue=True),
        TransactionType("deposit", 1, "Deposit", "ok", income="deposited", request="deposited credits"),
        TransactionType("recharge", 1, "Recharge", "ok", income="bought", revenue=True),
        TransactionType("subscription_grant", 1, "Plan credits", "ok", income="granted", revenue=True),
        TransactionType("admin_grant", 1, "Grant", "ok", income="granted", request="granted credits"),
        TransactionType("renewal", 1, "Renewal", "ok", income="granted", revenue=True),
        TransactionType("charge", -1, "Usage", floor="overdraft", outgo="used"),
        TransactionType("consumption", -1, "Billing run", "info", floor="overdraft", outgo="used"),
        TransactionType("expiry", -1, "Expiry", "warn", floor="zero", outgo="removed"),
        TransactionType(
            "admin_removal",
            -1,
            "Removal",
            "bad",
            floor="zero",
            outgo="removed",
            liftable=True,
            request="removed credits",
        ),
        TransactionType("refund", -1, "Refund", "warn", outgo="refunded"),
        TransactionType("dispute", -1, "Dispute", "bad", outgo="refunded"),
        TransactionType("transfer", 0, "Transfer", floor="zero"),
        TransactionType("reversal", 0, "Reversal", "warn"),
    )
}
"""By name, in the order in which choices are listed."""


SPENDING = frozenset(row.name for row in TRANSACTION_TYPES.values() if row.spending)
ADJUSTMENTS = ("admin_grant", "admin_removal")
"""What platform managers add and remove by hand."""
