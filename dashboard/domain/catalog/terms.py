"""What a version sells: its price, what one piece credits, and how many can be bought at once."""

import re
from dataclasses import asdict, dataclass

from dashboard.core.errors import Invalid
from dashboard.core.money import LARGEST, Micros
from dashboard.models import ProductVersion

NAME_LIMIT = 100
DESCRIPTION_LIMIT = 500
LARGEST_PAYMENT_MINOR = 99_999_999
CREDITS_LIMIT = Micros(LARGEST // 1000)
QUANTITY_LIMIT = 100
EXPIRY_LIMIT_DAYS = 3650
LAST_PRIORITY = 100
CURRENCIES = ("usd",)
GRANT_KINDS = ("paid", "promotional")

_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Terms:
    """`grant_micros` and `bonus_micros` are those of one piece; `grant_kind` is the kind of credit of the grant.

    What is left of both expires at the end of the UTC day `expires_days` after it was credited; 0: never. With
    `bonus_expires_days`, the bonus expires after so many days; of promotional credit, a lower `bonus_priority` is spent
    first.
    """

    price_minor: int
    grant_micros: int
    bonus_micros: int = 0
    currency: str = "usd"
    grant_kind: str = "paid"
    min_quantity: int = 1
    max_quantity: int = QUANTITY_LIMIT
    expires_days: int = 0
    bonus_expires_days: int = 0
    bonus_priority: int = 0

    @classmethod
    def of(cls, version: ProductVersion) -> "Terms":
        return cls(
            version.price_minor, version.grant_micros, version.bonus_micros, version.currency, version.grant_kind,
            version.min_quantity, version.max_quantity, version.expires_days or 0,
            version.bonus_expires_days, version.bonus_priority,
        )  # fmt: skip

    @property
    def bonus_days(self) -> int:
        """Days after which the bonus expires; 0: never."""
        return self.bonus_expires_days or self.expires_days

    @property
    def credited_micros(self) -> int:
        """What one piece adds to the balance."""
        return self.grant_micros + self.bonus_micros

    def values(self) -> dict[str, object]:
        """The values, by the names of the version's columns."""
        return asdict(self)

    def check(self) -> None:
        """Raise Invalid, whose `field` is the API's name."""
        if not 0 < self.price_minor <= LARGEST_PAYMENT_MINOR:
            raise Invalid("The price must be between $0.01 and $999,999.99.", field="price_cents")
        if self.currency not in CURRENCIES:
            raise Invalid("Only usd is sold.", field="currency")
        if not 0 < self.grant_micros <= CREDITS_LIMIT:
            raise Invalid("The credits are out of range.", field="amount_micros")
        if not 0 <= self.bonus_micros <= CREDITS_LIMIT:
            raise Invalid("The bonus is out of range.", field="bonus_micros")
        if self.grant_kind not in GRANT_KINDS:
            raise Invalid(f"The kind of credit is {' or '.join(GRANT_KINDS)}.", field="grant_kind")
        if not 1 <= self.min_quantity <= QUANTITY_LIMIT:
            raise Invalid(f"The smallest quantity must be between 1 and {QUANTITY_LIMIT}.", field="min_quantity")
        if self.price_minor * self.min_quantity > LARGEST_PAYMENT_MINOR:
            raise Invalid("That is more than the largest payment, $999,999.99.", field="min_quantity")
        if not self.min_quantity <= self.max_quantity <= QUANTITY_LIMIT:
            raise Invalid(
                f"The largest quantity is at least the smallest, up to {QUANTITY_LIMIT}.", field="max_quantity"
            )
        if not 0 <= self.expires_days <= EXPIRY_LIMIT_DAYS:
            raise Invalid(f"Credits expire after 1 to {EXPIRY_LIMIT_DAYS:,} days.", field="expires_days")
        if not 0 <= self.bonus_expires_days <= EXPIRY_LIMIT_DAYS:
            raise Invalid(f"A bonus expires after 1 to {EXPIRY_LIMIT_DAYS:,} days.", field="bonus_expires_days")
        if not 0 <= self.bonus_priority <= LAST_PRIORITY:
            raise Invalid(f"Enter a whole number from 0 to {LAST_PRIORITY}.", field="bonus_priority")


def check_words(name: str, description: str) -> None:
    """Raise Invalid for text that cannot be shown to buyers."""
    if not name.strip() or len(name) > NAME_LIMIT or not name.isprintable():
        raise Invalid(f"Enter a name of 1 to {NAME_LIMIT} characters.", field="name")
    if len(description) > DESCRIPTION_LIMIT or _CONTROL.search(description):
        raise Invalid(f"Enter a description of up to {DESCRIPTION_LIMIT} characters, on one line.", field="description")
