"""A payment provider that moves no money, for development, tests and the demo. Production rejects it.

It follows the real protocol: a hosted page, a session that is read again, and a signed event to our own webhook that
arrives late and may arrive twice. Only this module uses its table, `dummy_sessions`.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import requests
from sqlalchemy import text

from dashboard.config.urls import base_url
from dashboard.core import clock
from dashboard.core.db import autocommit
from dashboard.providers import reading
from dashboard.providers.base import (
    BadSignature,
    CheckoutOrder,
    CheckoutSession,
    Event,
    Price,
    PriceOrder,
    Promotion,
    PromotionRefused,
    ProviderRefused,
    ProviderUnavailable,
)

SIGNATURE_HEADER = "Coffer-Dummy-Signature"
SIGNATURE_SECONDS = 300
DELIVERY_SECONDS = 10
PAGE_LIVES = timedelta(hours=24)
DECLINE = "insufficient_funds"

PROMOTIONS = {"DEMO20": 20, "FREE": 100}
"""Codes that work here, with their discount in percent."""

EVENTS = {
    "paid": "checkout.session.completed",
    "declined": "checkout.session.async_payment_failed",
    "expired": "checkout.session.expired",
}


@dataclass(frozen=True, slots=True)
class HostedPage:
    """What the payer sees: the order as it was sent, and its state."""

    id: str
    state: str
    name: str
    description: str
    quantity: int
    subtotal_minor: int
    discount_minor: int
    promotion: str
    success_url: str
    cancel_url: str

    @property
    def total_minor(self) -> int:
        return self.subtotal_minor - self.discount_minor


class DummyProvider:
    name = "dummy"
    mode = "test"
    api_version = None
    keeps_prices = False

    def __init__(self, secret_key: str) -> None:
        self._signing_key = hmac.new(secret_key.encode(), b"dummy-webhook", hashlib.sha256).digest()

    def flow(self) -> AbstractContextManager[None]:
        return nullcontext()

    def account_id(self) -> str:
        return "dummy"

    def create_customer(self, org_id: UUID, *, name: str, email: str | None, idempotency_key: str) -> str:
        return f"dummy_cus_{org_id.hex}"

    def open_checkout(self, order: CheckoutOrder) -> CheckoutSession:
        total = order.unit_amount_minor * order.quantity
        session_id = f"dummy_cs_{secrets.token_urlsafe(18)}"
        payload = {
            "name": order.name, "description": order.description, "quantity": order.quantity, "total_minor": total,
            "currency": order.currency, "customer_id": order.customer_id, "metadata": dict(order.metadata),
            "promotion": order.promotion_id or "", "org_id": str(order.org_id),
            "success_url": order.success_url.replace("{CHECKOUT_SESSION_ID}", session_id),
            "cancel_url": order.cancel_url, "base_url": base_url(),
        }  # fmt: skip
        autocommit().execute(
            text(
                "INSERT INTO dummy_sessions (id, key, state, payload, created_at)"
                " VALUES (:id, :key, 'open', CAST(:payload AS jsonb), :now) ON CONFLICT (key) DO NOTHING"
            ),
            {
                "id": session_id, "key": order.idempotency_key, "payload": orjson.dumps(payload).decode(),
                "now": clock.now(),
            },
        )  # fmt: skip
        row = autocommit().execute(
            text("SELECT id, state, payload FROM dummy_sessions WHERE key = :key"), {"key": order.idempotency_key}
        )
        return _session(row.one())

    def read_checkout(self, session_id: str) -> CheckoutSession:
        row = _find(session_id)
        if row is None:
            raise ProviderRefused("There is no such session.", "resource_missing")
        return _session(row)

    def find_checkout(self, payment_id: UUID, *, customer_id: str, since: datetime) -> CheckoutSession | None:
        query = text(
            "SELECT id FROM dummy_sessions WHERE payload->'metadata'->>'order_id' = :id AND created_at >= :since"
        )
        row = autocommit().execute(query, {"id": str(payment_id), "since": since}).scalar()
        return self.read_checkout(row) if row else None

    def read_price(self, price_id: str) -> Price:
        raise ProviderRefused("The dummy provider has no prices.", "resource_missing")

    def find_price(self, lookup_key: str) -> Price | None:
        return None

    def make_price(self, order: PriceOrder) -> Price:
        raise ProviderRefused("The dummy provider keeps no prices.", "resource_missing")

    def switch_price(self, price_id: str, *, active: bool) -> Price:
        return self.read_price(price_id)

    def name_product(self, product_id: str, *, name: str, description: str) -> None:
        pass

    def switch_product(self, product_id: str, *, active: bool) -> None:
        pass

    def find_promotion(self, code: str) -> Promotion:
        if code.upper() not in PROMOTIONS:
            raise PromotionRefused("This code is unknown, has expired or was used up.", "promotion_code_invalid")
        return Promotion(code.upper(), percent=Decimal(PROMOTIONS[code.upper()]))

    def verify(self, raw: bytes, headers: Mapping[str, str], *, now: datetime) -> Event:
        given = next((value for name, value in headers.items() if name.lower() == SIGNATURE_HEADER.lower()), "")
        if not given:
            raise BadSignature("The event is not signed.", "no_signature")
        signed_at, _, signature = given.partition(",")
        if not (signed_at.isdecimal() and signed_at.isascii() and len(signed_at) < 12 and signature.isascii()):
            raise BadSignature("The event is not signed.", "bad_signature")
        if abs(now.timestamp() - int(signed_at)) > SIGNATURE_SECONDS:
            raise BadSignature("The signature's time is not within 300 s of now.", "signature_time")
        if not hmac.compare_digest(signature, self._signature(signed_at, raw)):
            raise BadSignature("The event is not signed with our secret.", "bad_signature")
        return reading.event(raw)

    def page(self, session_id: str) -> HostedPage | None:
        """What the hosted page shows; None if there is no such session."""
        row = _find(session_id)
        if row is None:
            return None
        known = row.payload
        return HostedPage(
            row.id, row.state, known["name"], known["description"], known["quantity"], known["total_minor"],
            _discount(known), known.get("promotion", ""), known["success_url"], known["cancel_url"],
        )  # fmt: skip

    def decide(self, session_id: str, state: str) -> bool:
        """Pay (`paid`), decline or expire an open session. Returns False and changes nothing if it was already
        decided."""
        if state not in EVENTS:
            raise ValueError(state)
        done = autocommit().execute(
            text("UPDATE dummy_sessions SET state = :state WHERE id = :id AND state = 'open' AND created_at > :born"),
            {"id": session_id, "state": state, "born": clock.now() - PAGE_LIVES},
        )
        return done.rowcount == 1

    def undelivered(self) -> list[str]:
        """Decided sessions whose event has not reached our webhook."""
        rows = autocommit().execute(
            text("SELECT id FROM dummy_sessions WHERE state <> 'open' AND delivered_at IS NULL ORDER BY id LIMIT 100")
        )
        return [row.id for row in rows]

    def signed_event(self, session_id: str) -> tuple[bytes, dict[str, str]]:
        """The event of a decided session as it is sent: body and headers. The event id is the same every time."""
        row = _find(session_id)
        if row is None or row.state not in EVENTS:
            raise ProviderRefused("There is no event of this session.", "resource_missing")
        session = _session(row)
        moment = int(clock.now().timestamp())
        body = orjson.dumps(
            {
                "id": f"dummy_evt_{row.id.removeprefix('dummy_cs_')}", "object": "event", "type": EVENTS[row.state],
                "created": moment, "livemode": False,
                "data": {"object": {"id": session.id, "object": "checkout.session", "mode": "payment",
                                    "status": session.status, "payment_status": session.payment_status,
                                    "livemode": False, "metadata": dict(session.metadata)}},
            }
        )  # fmt: skip
        return body, {SIGNATURE_HEADER: f"{moment},{self._signature(str(moment), body)}"}

    def deliver(self, session_id: str) -> None:
        """Send the session's event to our own webhook. Raises ProviderUnavailable if it is not accepted."""
        row = _find(session_id)
        if row is None or row.delivered_at is not None:
            return
        body, headers = self.signed_event(session_id)
        try:
            answer = requests.post(
                f"{row.payload['base_url']}/admin/api/v1/webhooks/payments",
                data=body,
                headers=headers | {"Content-Type": "application/json"},
                timeout=DELIVERY_SECONDS,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise ProviderUnavailable(f"The webhook did not answer: {type(error).__name__}.") from None
        if answer.status_code != 200:
            raise ProviderUnavailable(f"The webhook answered {answer.status_code}.")
        self.delivered(session_id)

    def delivered(self, session_id: str) -> None:
        """Record that the session's event has reached our webhook."""
        autocommit().execute(
            text("UPDATE dummy_sessions SET delivered_at = :now WHERE id = :id"), {"id": session_id, "now": clock.now()}
        )

    def amend(self, session_id: str, *, total_minor: int) -> None:
        """Have the session charge a different amount than was ordered: a fault for trying out the review."""
        autocommit().execute(
            text(
                "UPDATE dummy_sessions SET payload ="
                " jsonb_set(payload, '{total_minor}', to_jsonb(CAST(:total AS bigint))) WHERE id = :id"
            ),
            {"id": session_id, "total": total_minor},
        )

    def _signature(self, signed_at: str, raw: bytes) -> str:
        return hmac.new(self._signing_key, signed_at.encode() + b"." + raw, hashlib.sha256).hexdigest()


def _find(session_id: str) -> Any:
    query = text(
        "SELECT id, CASE WHEN state = 'open' AND created_at <= :born THEN 'expired' ELSE state END AS state,"
        " payload, delivered_at FROM dummy_sessions WHERE id = :id"
    )
    return autocommit().execute(query, {"id": session_id, "born": clock.now() - PAGE_LIVES}).one_or_none()


def _discount(known: dict[str, Any]) -> int:
    """Discount in cents, never more than the price."""
    return int(known["total_minor"]) * PROMOTIONS.get(known.get("promotion", ""), 0) // 100


def _session(row: Any) -> CheckoutSession:
    known = row.payload
    total = known["total_minor"] - _discount(known)
    paid = "paid" if total else "no_payment_required"
    return CheckoutSession(
        id=row.id,
        url=f"{known['base_url']}/dummy/checkout/{row.id}",
        status={"open": "open", "expired": "expired"}.get(row.state, "complete"),
        payment_status=paid if row.state == "paid" else "unpaid",
        amount_subtotal=known["total_minor"],
        amount_total=total,
        amount_discount=_discount(known),
        amount_tax=0,
        currency=known["currency"],
        customer_id=known["customer_id"],
        payment_intent_id=f"dummy_pi_{row.id.removeprefix('dummy_cs_')}" if total else None,
        invoice_id=None,
        client_reference_id=known["org_id"],
        metadata=known["metadata"],
        livemode=False,
        mode="payment",
        decline_code=DECLINE if row.state == "declined" else None,
        declined=row.state == "declined",
    )
