"""What each provider event means to us. A new event is one entry in HANDLERS.

An event is only a hint: its handler reads the object back from the provider and trusts that.
"""

from collections.abc import Callable

import orjson

from dashboard.core import ids
from dashboard.core.errors import CofferError, NotFound
from dashboard.domain.payments.fulfil import fulfil
from dashboard.domain.payments.hosted_page import KIND
from dashboard.models import InboxEvent
from dashboard.providers import reading
from dashboard.providers.base import CheckoutSession, Provider, ProviderRefused


class Ignored(Exception):
    """Nothing of ours: stored, and left alone."""


class OtherVersion(CofferError):
    status, code = 409, "other_api_version"


class UnknownPayment(NotFound):
    code = "unknown_payment"


def handle(event: InboxEvent, provider: Provider) -> str:
    """Do what the event asks for and return its effects as JSON. Raises Ignored, CofferError, ProviderError."""
    handler = HANDLERS.get(event.type)
    if handler is None:
        raise Ignored(f"Coffer does nothing on {event.type}.")
    told = reading.event(event.payload)
    if provider.name != event.provider or provider.mode != event.mode:
        raise ProviderRefused(f"This event is of {event.provider} in mode {event.mode}, which is not configured now.")
    if provider.api_version and told.api_version != provider.api_version and event.retry_requested_at is None:
        raise OtherVersion(
            f"Sent in API version {told.api_version}; Coffer reads {provider.api_version}. "
            "Set the endpoint's version. Retry reads the object from the provider instead."
        )
    return handler(str(told.object.get("id", "")), provider)


def _settle(session_id: str, provider: Provider) -> str:
    return _fulfil(provider.read_checkout(session_id), declined=False)


def _decline(session_id: str, provider: Provider) -> str:
    return _fulfil(provider.read_checkout(session_id), declined=True)


def _fulfil(session: CheckoutSession, *, declined: bool) -> str:
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
    return orjson.dumps(
        {
            "org_id": str(org_id),
            "payment_id": str(payment_id),
            "state": payment.state,
            "transaction_id": str(payment.transaction_id) if payment.transaction_id else None,
        }
    ).decode()


HANDLERS: dict[str, Callable[[str, Provider], str]] = {
    "checkout.session.completed": _settle,
    "checkout.session.async_payment_succeeded": _settle,
    "checkout.session.async_payment_failed": _decline,
    "checkout.session.expired": _settle,
}
