"""Rules that involve several settings, and what production rejects."""

import base64
import binascii
from collections.abc import Iterator

from dashboard.config.shape import (
    DEVELOPMENT_ENCRYPTION_KEY,
    DEVELOPMENT_SECRET_KEY,
    LIVE_KEYS,
    TEST_KEYS,
    Settings,
)

SECRET_KEY_CHARACTERS = 32
METRICS_TOKEN_CHARACTERS = 16
ENCRYPTION_KEY_BYTES = 32
WEBHOOK_SECRETS = 2

Problems = Iterator[tuple[str, str]]


def problems(settings: Settings) -> Problems:
    """Pairs of a setting's dotted name and its problem. Never contains the value of a secret."""
    yield from _secrets(settings)
    yield from _base_url(settings)
    if settings.payment.undecided:
        yield "payment.provider", "missing: settings of both stripe and dummy are given; choose stripe or dummy"
    if settings.payment.provider == "stripe":
        yield from _stripe(settings)
    if settings.smtp.url and not settings.smtp.sender:
        yield "smtp.from", "missing: mails need a sender, such as Acme <billing@example.com>"
    if settings.password_hashing == "cheap" and settings.environment != "test":  # noqa: S105
        yield "password_hashing", "the cheap profile is only for the environment `test`"
    if settings.production:
        yield from _production(settings)


def _secrets(settings: Settings) -> Problems:
    if not settings.encryption_keys:
        yield "encryption_keys", "missing: give at least one url-safe base64 key of 32 bytes"
    for place, key in enumerate(settings.encryption_keys, start=1):
        if not _is_encryption_key(key.get_secret_value()):
            yield "encryption_keys", f"key {place} is not url-safe base64 of {ENCRYPTION_KEY_BYTES} bytes"
    if len(settings.secret_key.get_secret_value()) < SECRET_KEY_CHARACTERS:
        yield "secret_key", f"must have at least {SECRET_KEY_CHARACTERS} characters"
    if settings.metrics_token and len(settings.metrics_token.get_secret_value()) < METRICS_TOKEN_CHARACTERS:
        yield "metrics_token", f"must have at least {METRICS_TOKEN_CHARACTERS} characters"


def _is_encryption_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)) == ENCRYPTION_KEY_BYTES
    except (binascii.Error, ValueError):
        return False


def _base_url(settings: Settings) -> Problems:
    if len(urls := base_urls(settings)) > 1:
        named = ", ".join(f"{name} is {url}" for name, url in urls.items())
        if len(set(urls.values())) > 1:
            yield "base_url", f"base_url and host_url are the same setting, but {named}"


def base_urls(settings: Settings) -> dict[str, str]:
    """The settings that give the base URL, with their values."""
    places = {
        "base_url": settings.base_url,
        "payment.stripe.host_url": settings.payment.stripe.host_url,
        "payment.dummy.host_url": settings.payment.dummy.host_url,
    }
    return {name: url for name, url in places.items() if url}


def _stripe(settings: Settings) -> Problems:
    stripe = settings.payment.stripe
    key = stripe.api_key.get_secret_value() if stripe.api_key else ""
    if not key:
        yield "payment.stripe.api_key", "missing: the Stripe provider needs its secret or restricted key"
    elif key.startswith("pk_"):
        yield "payment.stripe.api_key", "this is the publishable key; the secret or restricted key is needed"
    elif not key.startswith(LIVE_KEYS + TEST_KEYS):
        yield "payment.stripe.api_key", f"must start with one of {', '.join(TEST_KEYS + LIVE_KEYS)}"
    secrets = stripe.webhook_secrets
    if not secrets:
        yield "payment.stripe.webhook_secret", "missing: webhooks cannot be checked without their signing secret"
    elif len(secrets) > WEBHOOK_SECRETS:
        yield "payment.stripe.webhook_secret", "holds at most two secrets: the current one and the previous one"
    elif not all(secret.startswith("whsec_") for secret in secrets):
        yield "payment.stripe.webhook_secret", "must start with whsec_ (two during a rotation, separated by a comma)"


def _production(settings: Settings) -> Problems:
    if settings.debug:
        yield "debug", "debug mode is refused in production"
    if settings.payment.provider == "dummy":
        yield "payment.provider", "the dummy provider is refused in production; choose stripe"
    if settings.payment.stripe.api_base:
        yield "payment.stripe.api_base", "another address for Stripe's API is refused in production"
    if settings.outgoing.private:
        yield "outgoing.private", "requests into private networks are refused in production"
    if settings.secret_key.get_secret_value() == DEVELOPMENT_SECRET_KEY:
        yield "secret_key", "missing: production needs its own secret of at least 32 random characters"
    if DEVELOPMENT_ENCRYPTION_KEY in [key.get_secret_value() for key in settings.encryption_keys]:
        yield "encryption_keys", "missing: production needs its own key (32 random bytes in url-safe base64)"
    if not settings.database_url:
        yield "database_url", "missing: the embedded PostgreSQL is refused in production"
    if not settings.redis_url:
        yield "redis_url", "missing: the embedded Valkey is refused in production"
    if not base_urls(settings):
        yield "base_url", "missing: the payment provider and its payers need the public address"
