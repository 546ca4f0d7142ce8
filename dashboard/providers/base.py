"""The payment provider as the product sees it: one protocol, plain values, a few errors.

Amounts here are in the currency's minor unit (`*_minor`, cents for usd); no other package uses cents. Nothing in this
package knows wallets or the ledger.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID


class ProviderError(Exception):
    """Base class of provider errors. The text is safe to show to operators: it never contains a secret."""

    def __init__(self, detail: str, code: str = "provider_error") -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code


class ProviderUnavailable(ProviderError):
    """No definite answer: timeout, reset, 429, 5xx or unreadable body. The action may or may not have happened."""


class UnreadableAnswer(ProviderUnavailable):
    """The provider answered in an unknown format."""


class ProviderBusy(ProviderUnavailable):
    """No call was made: too many requests wait for the provider, or it just failed to answer one. Nothing happened."""


class ProviderRefused(ProviderError):
    """A definite rejection. Repeating the call gives the same answer."""


class CustomerMissing(ProviderRefused):
    """The stored customer id is unknown there: it is of another mode or account, or was deleted."""


class PromotionRefused(ProviderRefused):
    """The promotion code is unknown, expired, used up, or does not fit the purchase."""


class BadSignature(ProviderError):
    """The event was not signed with one of our secrets, or its timestamp is too old or in the future."""


class BadPayload(ProviderError):
    """The event is signed but cannot be read."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """A promotion by its id at the provider, and what it takes off: a percentage or an amount in cents. Neither if only
    the provider can tell."""

    id: str
    percent: Decimal | None = None
    amount_minor: int | None = None

    def discount(self, total_minor: int) -> int | None:
        """Cents off an order of `total_minor` cents; None if only the provider can tell, such as how it rounds."""
        if self.amount_minor is not None:
            return min(self.amount_minor, total_minor)
        if self.percent is None or (total_minor * self.percent) % 100:
            return None
        return int(total_minor * self.percent / 100)


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """A request to the provider: one hosted payment page for one payment row."""

    org_id: UUID
    payment_id: UUID
    mode: str
    name: str
    description: str
    unit_amount_minor: int
    currency: str
    quantity: int
    price_id: str | None
    customer_id: str | None
    customer_email: str | None
    success_url: str
    cancel_url: str
    metadata: Mapping[str, str]
    invoice_creation: bool
    idempotency_key: str
    promotion_id: str | None = None


@dataclass(frozen=True, slots=True)
class CheckoutSession:
    """A hosted payment page in its current state. `mode` is the provider's term (`payment`, `setup`, ...).

    `decline_code` is the provider's code for why the last attempt to pay failed; while the page is open, another
    attempt may succeed. `declined`: the page is complete, but the money did not arrive.
    """

    id: str
    url: str | None
    status: str | None
    payment_status: str
    amount_subtotal: int | None
    amount_total: int | None
    amount_discount: int
    amount_tax: int
    currency: str | None
    customer_id: str | None
    payment_intent_id: str | None
    invoice_id: str | None
    client_reference_id: str | None
    metadata: Mapping[str, str]
    livemode: bool
    mode: str
    decline_code: str | None = None
    declined: bool = False


@dataclass(frozen=True, slots=True)
class Price:
    """A price that exists at the provider. `version_id` is the version that its metadata names.

    It can be sold while both it and its product are active.
    """

    id: str
    unit_amount_minor: int
    currency: str
    active: bool
    product_name: str
    product_description: str = ""
    product_id: str = ""
    version_id: str = ""
    product_active: bool = True


@dataclass(frozen=True, slots=True)
class PriceOrder:
    """A request to the provider: a fixed price for one version of a product, to be found again by `lookup_key`."""

    org_id: UUID
    product_id: UUID
    version_id: UUID
    mode: str
    name: str
    description: str
    unit_amount_minor: int
    currency: str
    lookup_key: str
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class Event:
    """A verified webhook event. `object` is the object it reports on, `raw` the complete event."""

    id: str
    type: str
    created: int
    livemode: bool
    account: str | None
    api_version: str | None
    object: Mapping[str, Any]
    raw: Mapping[str, Any]


class Provider(Protocol):
    """One provider account in one mode. Every method may raise ProviderUnavailable or ProviderRefused."""

    @property
    def name(self) -> str: ...

    @property
    def mode(self) -> str: ...

    @property
    def api_version(self) -> str | None:
        """The API version in which its events are parsed; None if events have no version."""

    def flow(self) -> AbstractContextManager[None]:
        """Held around several calls of a request. Raises ProviderBusy before the first call if the limit is reached."""

    def account_id(self) -> str:
        """Id of the account that the key belongs to. Customers are valid only in it."""

    def create_customer(self, org_id: UUID, *, name: str, email: str | None, idempotency_key: str) -> str: ...

    def open_checkout(self, order: CheckoutOrder) -> CheckoutSession:
        """The same idempotency key returns the same session. Also raises CustomerMissing."""

    def read_checkout(self, session_id: str) -> CheckoutSession: ...

    def find_checkout(self, payment_id: UUID, *, customer_id: str, since: datetime) -> CheckoutSession | None:
        """The page opened for this payment and customer at or after `since`. None is definite: there is no page."""

    def read_price(self, price_id: str) -> Price: ...

    @property
    def keeps_prices(self) -> bool:
        """Whether it has its own catalog, to which ours is copied."""

    def find_price(self, lookup_key: str) -> Price | None:
        """The price with that key, including archived ones. None is definite."""

    def make_price(self, order: PriceOrder) -> Price:
        """Create the price, and create or activate its product. Moves the lookup key to it. The same keys return the
        same price."""

    def switch_price(self, price_id: str, *, active: bool) -> Price: ...

    def name_product(self, product_id: str, *, name: str, description: str) -> None:
        """Set the name that buyers see on the payment page. `product_id` is the provider's id."""

    def switch_product(self, product_id: str, *, active: bool) -> None:
        """Activate or archive a product. An archived one is not sold, whatever its prices say. `product_id` is the
        provider's id."""

    def find_promotion(self, code: str) -> Promotion:
        """The promotion with this code that buyers may use now. Raises PromotionRefused."""

    def verify(self, raw: bytes, headers: Mapping[str, str], *, now: datetime) -> Event:
        """The event in `raw` if it was signed with a current secret within 300 s of `now`. Raises BadSignature,
        BadPayload."""
