"""Payment providers: an account, and the client that works on it.

An account is passed explicitly: entry points ask `platform_account()`, and nothing below them does.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Self
from uuid import UUID

import orjson
from flask import current_app

from dashboard.config import Settings, settings
from dashboard.config.shape import Mode
from dashboard.core import crypto
from dashboard.providers.base import Provider

EXTENSION = "payment_provider"
MOST_CLIENTS = 1000
"""Clients of stored accounts that a process keeps, with their limits on waiting calls."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What opens an account. `webhook_secrets` are those valid now, the current one first."""

    api_key: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Stored:
    """Credentials as an organization's row holds them: encrypted for that organization and that row."""

    org_id: UUID
    row_id: UUID
    sealed: str = field(repr=False)

    @classmethod
    def seal(cls, credentials: Credentials, *, org_id: UUID, row_id: UUID) -> Self:
        text = orjson.dumps([credentials.api_key, credentials.webhook_secrets]).decode()
        return cls(org_id, row_id, crypto.encrypt(text, org_id=org_id, purpose=_purpose(row_id)))

    def unseal(self) -> Credentials:
        """Raises CannotDecrypt."""
        key, secrets = orjson.loads(crypto.decrypt(self.sealed, org_id=self.org_id, purpose=_purpose(self.row_id)))
        return Credentials(key, tuple(secrets))


@dataclass(frozen=True, slots=True)
class Account:
    """A provider's account in one mode. Without `stored`, it is the platform's: the settings hold its credentials."""

    provider: str
    mode: Mode
    stored: Stored | None = None


def platform_account() -> Account:
    """The platform's own account: the one that the settings describe."""
    chosen = settings()
    return Account(chosen.payment.provider, chosen.mode)


def client(account: Account) -> Provider:
    """What talks to the provider for `account`. A test may put another one for the platform's into `app.extensions`."""
    if account.stored:
        return _stored(account.provider, account.stored, settings().payment.stripe.api_base)
    provider: Provider | None = current_app.extensions.get(EXTENSION)
    if provider is None:
        credentials = _configured(settings(), account)
        provider = _make(account.provider, credentials, settings().payment.stripe.api_base)
        current_app.extensions[EXTENSION] = provider
    return provider


@lru_cache(MOST_CLIENTS)
def _stored(provider: str, stored: Stored, api_base: str | None) -> Provider:
    """Kept as long as the row is the same: changed credentials are another sealed text."""
    return _make(provider, stored.unseal(), api_base)


def _configured(settings: Settings, account: Account) -> Credentials:
    if account.provider == "dummy":
        return Credentials(settings.secret_key.get_secret_value())
    chosen = settings.payment.stripe
    return Credentials(chosen.api_key.get_secret_value() if chosen.api_key else "", chosen.webhook_secrets)


def _make(provider: str, credentials: Credentials, api_base: str | None) -> Provider:
    if provider == "dummy":
        from dashboard.providers.dummy import DummyProvider

        return DummyProvider(credentials.api_key)
    from dashboard.providers.stripe import StripeProvider  # its SDK takes 0.15 s to import

    return StripeProvider(api_key=credentials.api_key, webhook_secrets=credentials.webhook_secrets, api_base=api_base)


def _purpose(row_id: UUID) -> str:
    return f"provider account {row_id}"
