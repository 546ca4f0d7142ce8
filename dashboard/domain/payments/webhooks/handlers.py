"""What each provider event does. To add an event, add an entry to HANDLERS.

An event is only a hint: its handler reads the object from the provider and trusts only that.
"""

from collections.abc import Callable, Mapping
from typing import Any

from dashboard.core import ids
from dashboard.core.errors import CofferError, NotFound
from dashboard.domain.payments.checkout.hosted_page import KIND
from dashboard.domain.payments.fulfil import PAID, fulfil, note_paid
from dashboard.models import InboxEvent
from dashboard.providers import reading
from dashboard.providers.base import CheckoutSession, Provider, ProviderRefused, UnreadableAnswer

Payload = Mapping[str, Any]
Effects = dict[str, Any]
"""The object as the event describes it."""


class Ignored(Exception):
    """The event does not concern us: it is stored and otherwise ignored."""


OTHER_MODE = "Sent in {} mode to an installation that works in {} mode. Nothing was done."


class OtherVersion(CofferError):
    status, code = 409, "other_api_version"


class UnknownPayment(NotFound):
    code = "unknown_payment"


def handle(event: InboxEvent, provider: Provider) -> Effects:
    """Do what the event requires and return its effects. Raises Ignored, CofferError, ProviderError."""
    parsed = reading.event(event.payload)
    if parsed.livemode != (event.mode == "live"):
        raise Ignored(OTHER_MODE.format("live" if parsed.livemode else "test", event.mode))
    handler = HANDLERS.get(event.type)
    if handler is None:
        raise Ignored(f"Coffer does nothing on {event.type}.")
    if provider.name != event.provider or provider.mode != event.mode:
        raise ProviderRefused(f"This event is of {event.provider} in mode {event.mode}, which is not configured now.")
    if provider.api_version and parsed.api_version != provider.api_version and event.retry_requested_at is None:
        raise OtherVersion(
            f"Sent in API version {parsed.api_version}; Coffer reads {provider.api_version}. "
            "Set the endpoint's version. Retry reads the object from the provider instead."
        )
    return handler(parsed.object, provider)


def _settle(payload: Payload, provider: Provider) -> Effects:
    try:
        session = provider.read_checkout(str(payload.get("id", "")))
    except UnreadableAnswer:
        _note_paid(payload)
        raise
    return _fulfil(session, declined=False)


def _decline(payload: Payload, provider: Provider) -> Effects:
    return _fulfil(provider.read_checkout(str(payload.get("id", ""))), declined=True)


def _note_paid(payload: Payload) -> None:
    """Show the payment as paid if the event says so. Crediting it waits until the session can be read."""
    metadata = payload.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("kind") != KIND or payload.get("payment_status") not in PAID:
        return
    org_id, payment_id = (ids.parse(str(metadata.get(name))) for name in ("org_id", "order_id"))
    if org_id and payment_id:
        note_paid(org_id, payment_id)


def _fulfil(session: CheckoutSession, *, declined: bool) -> Effects:
    if session.metadata.get("kind") != KIND:
        raise Ignored("Not a session of ours: no kind of ours in its metadata.")
    org_id = ids.parse(session.metadata.get("org_id", ""))
    payment_id = ids.parse(session.metadata.get("order_id", ""))
    if org_id is None or payment_id is None:
        raise UnknownPayment("Unknown organization or payment in the session's metadata. Nothing was credited.")
    try:
        payment = fulfil(org_id, payment_id, session=session, declined=declined)
    except NotFound:
        raise UnknownPayment("No payment of ours has this organization and id. Nothing was credited.") from None
    return {
        "org_id": str(org_id),
        "payment_id": str(payment_id),
        "state": payment.state,
        "transaction_id": str(payment.transaction_id) if payment.transaction_id else None,
    }


HANDLERS: dict[str, Callable[[Payload, Provider], Effects]] = {
    "checkout.session.completed": _settle,
    "checkout.session.async_payment_succeeded": _settle,
    "checkout.session.async_payment_failed": _decline,
    "checkout.session.expired": _settle,
}
