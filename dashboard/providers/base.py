"""The payment world outside, as the product sees it: one protocol, plain values, a few errors.

Amounts here are in the currency's minor unit (`*_minor`, cents for usd): the provider's border is the only place
where cents exist. Nothing in this package knows wallets or the ledger.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID


class ProviderError(Exception):
    """Base of what can go wrong at the border. The text is safe to show to operators: it never holds a secret."""

    def __init__(self, detail: str, code: str = "provider_error") -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code


class ProviderUnavailable(ProviderError):
    """No definite answer: time-out, reset, 429, 5xx, unreadable body. The act may or may not have happened."""


class UnreadableAnswer(ProviderUnavailable):
    """It answered, in a shape that is not known here."""


class ProviderBusy(ProviderUnavailable):
    """Not asked: too many requests wait for the provider, or it just left one without an answer. Nothing happened."""


class ProviderRefused(ProviderError):
    """A definite no. Repeating the same call gives the same answer."""


class CustomerMissing(ProviderRefused):
    """The stored customer id is unknown there: another mode or account, or deleted."""


class PromotionRefused(ProviderRefused):
    """The promotion code is unknown, has expired, was used up, or does not fit what is bought."""


class BadSignature(ProviderError):
    """The event was not signed with a secret of ours, or too long ago, or in the future."""


class BadPayload(ProviderError):
    """Signed, but not an event that can be read."""


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """What is asked of the provider: one hosted payment page for one payment row."""

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
    """A hosted payment page as the provider has it now. `mode` is the provider's word (`payment`, `setup`, ...).

    `decline_code` is why the last try to pay did not succeed, in the provider's word; while the page is open another
    try may. `declined`: the page is complete, and the money did not come.
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
    """A price that stands at the provider. `version_id` is what its metadata says it was made for.

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
    """What is asked of the provider: a fixed price for one version of a product, to be found again by `lookup_key`."""

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
    """A verified webhook event; `object` is the thing it tells of, `raw` the whole event."""

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
        """Version its event shapes are read in; None where events carry none."""

    def flow(self) -> AbstractContextManager[None]:
        """To hold around several calls of a request. Raises ProviderBusy before any of them where there is no room."""

    def account_id(self) -> str:
        """Id of the account the key belongs to: customers are valid in it only."""

    def create_customer(self, org_id: UUID, *, name: str, email: str | None, idempotency_key: str) -> str: ...

    def open_checkout(self, order: CheckoutOrder) -> CheckoutSession:
        """Same idempotency key, same session. Also raises CustomerMissing."""

    def read_checkout(self, session_id: str) -> CheckoutSession: ...

    def find_checkout(self, payment_id: UUID, *, customer_id: str, since: datetime) -> CheckoutSession | None:
        """The page opened for this payment and customer at or after `since`. None is definite: there is none."""

    def read_price(self, price_id: str) -> Price: ...

    @property
    def keeps_prices(self) -> bool:
        """Whether it has a catalog of its own, to which ours is copied."""

    def find_price(self, lookup_key: str) -> Price | None:
        """The price under that key, archived ones too. None is definite."""

    def make_price(self, order: PriceOrder) -> Price:
        """The price, with its product made, or switched on; the lookup key moves to it. Same keys, same price."""

    def switch_price(self, price_id: str, *, active: bool) -> Price: ...

    def name_product(self, product_id: str, *, name: str, description: str) -> None:
        """What buyers read on the payment page; `product_id` is the provider's."""

    def switch_product(self, product_id: str, *, active: bool) -> None:
        """An archived product is not sold, whatever its prices say; `product_id` is the provider's."""

    def find_promotion(self, code: str) -> str:
        """Id of the promotion that buyers may name so now. Raises PromotionRefused."""

    def verify(self, raw: bytes, headers: Mapping[str, str], *, now: datetime) -> Event:
        """The event in `raw`, if signed by a current secret within 300 s of `now`. Raises BadSignature, BadPayload."""
