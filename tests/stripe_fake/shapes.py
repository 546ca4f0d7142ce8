"""Stripe's objects, made from the examples in the event files so that they keep every field the contract asks for."""

import secrets
from typing import Any

from tests.stripe_fake.signing import Json, example


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


def customer(params: Json, *, livemode: bool, now: int) -> Json:
    settings = {"custom_fields": None, "default_payment_method": None, "footer": None, "rendering_options": None}
    return example("customer.updated") | {
        "id": new_id("cus"),
        "created": now,
        "livemode": livemode,
        "name": params.get("name"),
        "email": params.get("email"),
        "metadata": params.get("metadata", {}),
        "description": params.get("description"),
        "invoice_settings": settings,
        "address": None,
        "preferred_locales": [],
    }


def product(params: Json, *, livemode: bool, now: int) -> Json:
    return example("product.updated") | {
        "id": params.get("id", new_id("prod")),
        "created": now,
        "updated": now,
        "livemode": livemode,
        "active": params.get("active", True),
        "name": params["name"],
        "description": params.get("description"),
        "metadata": params.get("metadata", {}),
        "default_price": None,
    }


def price(params: Json, product_id: str, *, livemode: bool, now: int) -> Json:
    return example("price.created") | {
        "id": new_id("price"),
        "created": now,
        "livemode": livemode,
        "active": params.get("active", True),
        "currency": params["currency"],
        "lookup_key": params.get("lookup_key"),
        "metadata": params.get("metadata", {}),
        "nickname": params.get("nickname"),
        "product": product_id,
        "unit_amount": params["unit_amount"],
        "unit_amount_decimal": str(params["unit_amount"]),
    }


def line_item(priced: Json, quantity: int, name: str) -> Json:
    amount = priced["unit_amount"] * quantity
    return {
        "id": new_id("li"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": priced["currency"],
        "description": name,
        "metadata": {},
        "price": priced,
        "quantity": quantity,
    }


def session(params: Json, items: list[Json], *, base_url: str, livemode: bool, now: int) -> Json:
    """A Checkout session just opened: nothing paid, no payment intent yet."""
    id_ = f"cs_{'live' if livemode else 'test'}_a1{secrets.token_hex(28)}"
    amount = sum(item["amount_total"] for item in items)
    made = example("checkout.session.completed", "payment_paid") | {
        "id": id_,
        "created": now,
        "expires_at": params.get("expires_at", now + 24 * 3600),
        "livemode": livemode,
        "status": "open",
        "payment_status": "unpaid",
        "url": f"{base_url}/c/pay/{id_}",
        "amount_subtotal": amount,
        "amount_total": amount,
        "currency": items[0]["currency"],
        "payment_intent": None,
        "customer_details": None,
        "invoice": None,
        "metadata": params.get("metadata", {}),
        "allow_promotion_codes": params.get("allow_promotion_codes"),
        "customer_creation": None if params.get("customer") else params.get("customer_creation", "if_required"),
    }
    for name in ("customer", "customer_email", "client_reference_id", "success_url", "cancel_url"):
        made[name] = params.get(name)
    if params.get("invoice_creation", {}).get("enabled"):
        made["invoice_creation"] = {"enabled": True, "invoice_data": _invoice_data(params)}
    return made


def _invoice_data(params: Json) -> Json:
    names = ("account_tax_ids", "custom_fields", "description", "footer", "issuer", "rendering_options")
    asked = params["invoice_creation"].get("invoice_data", {})
    return {**dict.fromkeys(names), "metadata": asked.get("metadata", {})}


def customer_details(name: str | None, email: str | None) -> Json:
    made: Json = example("checkout.session.completed", "payment_paid")["customer_details"]
    return made | {"name": name, "email": email or "buyer@example.test"}


def payment_intent(of: Json, status: str, metadata: Json, *, now: int) -> Json:
    """The payment of session `of`; `status` is `succeeded`, `processing` or `requires_payment_method`."""
    id_ = new_id("pi")
    return example("payment_intent.succeeded", "checkout") | {
        "id": id_,
        "client_secret": f"{id_}_secret_{secrets.token_hex(12)}",
        "created": now,
        "livemode": of["livemode"],
        "amount": of["amount_total"],
        "amount_received": of["amount_total"] if status == "succeeded" else 0,
        "currency": of["currency"],
        "customer": of["customer"],
        "metadata": metadata,
        "status": status,
        "latest_charge": None,
    }


def decline(intent: Json) -> Json:
    """What a declined card leaves on the intent."""
    error = example("payment_intent.payment_failed", "auto_recharge_declined")["last_payment_error"]
    error["payment_method"] |= {"livemode": intent["livemode"], "customer": intent["customer"]}
    return {"status": "requires_payment_method", "payment_method": None, "last_payment_error": error}


def charge(intent: Json, details: Json, *, now: int) -> Json:
    made = example("charge.succeeded") | {
        "id": new_id("ch"),
        "created": now,
        "balance_transaction": new_id("txn"),
        "amount_captured": intent["amount"],
        "payment_intent": intent["id"],
    }
    made |= {name: intent[name] for name in ("amount", "currency", "customer", "livemode", "metadata")}
    made["billing_details"] |= {"name": details["name"], "email": details["email"]}
    return made


def invoice(of: Json, items: list[Json], metadata: Json, *, now: int) -> Json:
    """The paid invoice of a session with `invoice_creation`."""
    total = of["amount_total"]
    made = example("invoice.paid", "manual_no_subscription") | {
        "id": new_id("in"),
        "metadata": metadata,
        "period_start": now,
        "period_end": now,
        "effective_at": now,
        "created": now,
        "webhooks_delivered_at": now,
        "customer_email": of["customer_details"]["email"],
        "customer_name": of["customer_details"]["name"],
    }
    made |= {name: of[name] for name in ("currency", "customer", "livemode")}
    made |= dict.fromkeys(("amount_due", "amount_paid", "subtotal", "subtotal_excluding_tax", "total"), total)
    made["total_excluding_tax"] = total
    made["status_transitions"] |= {"finalized_at": now, "paid_at": now}
    line = made["lines"]["data"][0]
    made["lines"]["data"] = [line | _invoice_line(item, made["id"], of, now) for item in items]
    made["lines"] |= {"total_count": len(items), "url": f"/v1/invoices/{made['id']}/lines"}
    return made


def _invoice_line(item: Json, invoice_id: str, of: Json, now: int) -> Json:
    pricing: dict[str, Any] = {
        "price_details": {"price": item["price"]["id"], "product": item["price"]["product"]},
        "type": "price_details",
        "unit_amount_decimal": str(item["price"]["unit_amount"]),
    }
    return {
        "id": new_id("il"),
        "invoice": invoice_id,
        "amount": item["amount_total"],
        "subtotal": item["amount_subtotal"],
        "currency": item["currency"],
        "description": item["description"],
        "livemode": of["livemode"],
        "period": {"start": now, "end": now},
        "pricing": pricing,
        "quantity": item["quantity"],
        "quantity_decimal": str(item["quantity"]),
    }
