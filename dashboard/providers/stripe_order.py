"""The request to Stripe for the hosted page of one order."""

from typing import Any

from dashboard.providers.base import CheckoutOrder


def params(order: CheckoutOrder) -> dict[str, Any]:
    """No payment method types: the account's own settings decide."""
    metadata = dict(order.metadata)
    made: dict[str, Any] = {
        "mode": "payment",
        "line_items": [{**_line_price(order), "quantity": order.quantity}],
        "client_reference_id": str(order.org_id),
        "metadata": metadata,
        "payment_intent_data": {"metadata": metadata},
        "success_url": order.success_url,
        "cancel_url": order.cancel_url,
    }
    if order.customer_id:
        made["customer"] = order.customer_id
    elif order.customer_email:
        made["customer_email"] = order.customer_email
    if order.promotion_id:
        made["discounts"] = [{"promotion_code": order.promotion_id}]
    if order.invoice_creation:
        made["invoice_creation"] = {"enabled": True, "invoice_data": {"metadata": metadata}}
    return made


def _line_price(order: CheckoutOrder) -> dict[str, Any]:
    if order.price_id:
        return {"price": order.price_id}
    product = {"name": order.name}
    if order.description:
        product["description"] = order.description
    return {
        "price_data": {
            "currency": order.currency,
            "unit_amount": order.unit_amount_minor,
            "product_data": product,
        }
    }
