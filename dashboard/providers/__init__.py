"""Payment providers: an account, and the client that works on it.

An account is passed explicitly: entry points ask `platform_account()`, and nothing below them does.
"""

from dataclasses import dataclass

from flask import current_app

from dashboard.config import Settings, settings
from dashboard.config.shape import Mode
from dashboard.providers.base import Provider

EXTENSION = "payment_provider"


@dataclass(frozen=True, slots=True)
class Account:
    """A provider's account in one mode."""

    provider: str
    mode: Mode


def platform_account() -> Account:
    """The platform's own account: the one that the settings describe."""
    chosen = settings()
    return Account(chosen.payment.provider, chosen.mode)


def client(account: Account) -> Provider:
    """What talks to the provider for `account`; a test may put another one into `app.extensions`."""
    found: Provider | None = current_app.extensions.get(EXTENSION)
    if found is None:
        found = current_app.extensions[EXTENSION] = _make(settings(), account)
    return found


def _make(settings: Settings, account: Account) -> Provider:
    if account.provider == "dummy":
        from dashboard.providers.dummy import DummyProvider

        return DummyProvider(settings.secret_key.get_secret_value())
    from dashboard.providers.stripe import StripeProvider  # its SDK takes 0.15 s to import

    chosen = settings.payment.stripe
    return StripeProvider(
        api_key=chosen.api_key.get_secret_value() if chosen.api_key else "",
        webhook_secrets=chosen.webhook_secrets,
        api_base=chosen.api_base,
    )
