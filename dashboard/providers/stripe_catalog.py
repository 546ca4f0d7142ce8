"""Our catalog at Stripe, and its promotion codes. Only `stripe.py` uses the SDK; it passes its client to these
calls."""

import hashlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from dashboard.providers import reading
from dashboard.providers.base import Price, PriceOrder, Promotion, PromotionRefused, ProviderRefused

T = TypeVar("T")

EXISTS = "resource_already_exists"
NOT_VALID = "This code is unknown, has expired or was used up."


class StripeCatalog:
    """The part of the Stripe provider that keeps products, prices and promotion codes."""

    keeps_prices = True

    def _ask(self, call: Callable[[Any], Any], read: Callable[[dict[str, Any]], T]) -> T:
        raise NotImplementedError

    def read_price(self, price_id: str) -> Price:
        """A fixed price with its product's name. Rejected (`price_not_fixed`) if the buyer chooses the amount."""
        return self._ask(lambda client: client.v1.prices.retrieve(price_id, {"expand": ["product"]}), price)

    def find_price(self, lookup_key: str) -> Price | None:
        params = {"lookup_keys": [lookup_key], "limit": 1, "expand": ["data.product"]}
        return self._ask(lambda client: client.v1.prices.list(params), _first)

    def make_price(self, order: PriceOrder) -> Price:
        """The product's id at Stripe is derived from ours, so that it exists once however often it is created."""
        product_id = self._product(order)
        metadata = {"org_id": str(order.org_id), "product_id": str(order.product_id), "mode": order.mode}
        params: dict[str, Any] = {
            "product": product_id, "unit_amount": order.unit_amount_minor, "currency": order.currency,
            "lookup_key": order.lookup_key, "transfer_lookup_key": True, "expand": ["product"],
            "metadata": metadata | {"version_id": str(order.version_id), "kind": "credit_pack"},
        }  # fmt: skip
        key = {"idempotency_key": order.idempotency_key}
        return self._ask(lambda client: client.v1.prices.create(params, key), price)

    def switch_price(self, price_id: str, *, active: bool) -> Price:
        params = {"active": active, "expand": ["product"]}
        return self._ask(lambda client: client.v1.prices.update(price_id, params), price)

    def name_product(self, product_id: str, *, name: str, description: str) -> None:
        params = {"name": name, "description": description}
        self._ask(lambda client: client.v1.products.update(product_id, params), lambda answer: None)

    def switch_product(self, product_id: str, *, active: bool) -> None:
        self._ask(lambda client: client.v1.products.update(product_id, {"active": active}), lambda answer: None)

    def find_promotion(self, code: str) -> Promotion:
        # Stripe's `active` means: not deactivated, not expired, not used up, and its coupon is still valid.
        params = {"code": code, "active": True, "limit": 10, "expand": ["data.promotion.coupon.applies_to"]}
        row = self._ask(lambda client: client.v1.promotion_codes.list(params), _for_everyone)
        if row is None:
            raise PromotionRefused(NOT_VALID, "promotion_code_invalid")
        return row

    def _product(self, order: PriceOrder) -> str:
        product_id = product_ref(order.product_id)
        params: dict[str, Any] = {
            "id": product_id, "name": order.name,
            "metadata": {"org_id": str(order.org_id), "product_id": str(order.product_id), "mode": order.mode},
        }  # fmt: skip
        if order.description:
            params["description"] = order.description
        words = hashlib.sha256(f"{order.name}\n{order.description}".encode()).hexdigest()[:16]
        key = {"idempotency_key": f"product:{order.org_id}:{order.product_id}:{words}"}
        try:
            self._ask(lambda client: client.v1.products.create(params, key), lambda answer: None)
        except ProviderRefused as error:
            if error.code != EXISTS:
                raise
            self.switch_product(product_id, active=True)
        return product_id


def product_ref(product_id: UUID) -> str:
    return f"coffer_{product_id.hex}"


def price(answer: dict[str, Any]) -> Price:
    """A fixed one-time price with its product expanded. Anything else is rejected (`price_not_fixed`)."""
    amount = reading.minor(answer["unit_amount"])
    if amount is None or answer["recurring"] is not None:
        raise ProviderRefused("The price is not a fixed one-time amount.", "price_not_fixed")
    product = reading.mapping(answer["product"])
    return Price(
        id=reading.text(answer, "id"),
        unit_amount_minor=amount,
        currency=reading.text(answer, "currency"),
        active=reading.flag(answer, "active"),
        product_name=reading.text(product, "id" if product.get("deleted") else "name"),
        product_description=str(product.get("description") or ""),
        product_id=reading.text(product, "id"),
        version_id=str((answer["metadata"] or {}).get("version_id") or ""),
        product_active=not product.get("deleted") and reading.flag(product, "active"),
    )


def _first(answer: dict[str, Any]) -> Price | None:
    rows = answer["data"]
    return price(reading.mapping(rows[0])) if rows else None


def _for_everyone(answer: dict[str, Any]) -> Promotion | None:
    """Codes are unique among active ones, except those that belong to one customer."""
    return next((_promotion(row) for row in answer["data"] if row["customer"] is None), None)


def _promotion(row: dict[str, Any]) -> Promotion:
    """With its discount, unless that depends on the order or the customer."""
    id_, coupon, limits = reading.text(row, "id"), row["promotion"]["coupon"], row["restrictions"]
    limited = limits["first_time_transaction"] or limits["minimum_amount"] is not None
    if not isinstance(coupon, dict) or coupon.get("applies_to") or limited:
        return Promotion(id_)
    if coupon["percent_off"] is not None:
        return Promotion(id_, percent=Decimal(str(coupon["percent_off"])))
    return Promotion(id_, amount_minor=coupon["amount_off"] if coupon["currency"] == "usd" else None)
