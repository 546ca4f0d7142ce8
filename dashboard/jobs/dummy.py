"""Sends the dummy provider's events, as Stripe would."""

from dashboard.jobs import platform_provider
from dashboard.providers.dummy import DummyProvider


def deliver(session_id: str) -> None:
    provider = platform_provider()
    if isinstance(provider, DummyProvider):
        provider.deliver(session_id)
