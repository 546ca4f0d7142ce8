"""Payment providers. `current()` is the one this installation is configured with."""

from flask import current_app

from dashboard.config import Settings
from dashboard.providers.base import Provider

EXTENSION = "payment_provider"


def current() -> Provider:
    """The configured provider; a test may put another one into `app.extensions`."""
    found: Provider | None = current_app.extensions.get(EXTENSION)
    if found is None:
        found = current_app.extensions[EXTENSION] = _make(current_app.config["COFFER"])
    return found


def _make(settings: Settings) -> Provider:
    if settings.payment.provider == "dummy":
        from dashboard.providers.dummy import DummyProvider

        return DummyProvider(settings.secret_key.get_secret_value())
    from dashboard.providers.stripe import StripeProvider  # its SDK takes 0.15 s to import

    chosen = settings.payment.stripe
    return StripeProvider(
        api_key=chosen.api_key.get_secret_value() if chosen.api_key else "",
        webhook_secrets=chosen.webhook_secrets,
        api_base=chosen.api_base,
    )
