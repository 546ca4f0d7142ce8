"""The shape of the settings: names, types, defaults, and the validation of single values."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from dashboard.core.errors import Invalid
from dashboard.core.mail import mailbox, require_address
from dashboard.core.money import Micros, parse_credits

PREFIX = "COFFER_"
DEVELOPMENT_SECRET_KEY = "DEVELOPMENT-only-secret-key-refused-in-production"  # noqa: S105
DEVELOPMENT_ENCRYPTION_KEY = "REVWRUxPUE1FTlQtb25seS1rZXktcmVmdXNlZC0uLi4="
"""Fixed and public, and rejected in production. It lets a checkout run without any settings."""

LIVE_KEYS = ("sk_live_", "rk_live_")
TEST_KEYS = ("sk_test_", "rk_test_")
Mode = Literal["test", "live"]

HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?", re.ASCII)


def _database_url(value: Any) -> Any:
    text = str(value).strip()
    scheme, mark, rest = text.partition("://")
    if not mark or scheme not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise ValueError("must start with postgresql:// or postgresql+psycopg://")
    return f"postgresql+psycopg://{rest}"


def _redis_url(value: Any) -> Any:
    if not str(value).startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("must start with redis://, rediss:// or unix://")
    return value


def _origin(value: Any) -> Any:
    """`https://host:port` without a trailing slash. A path, query or user name is rejected."""
    parts = urlsplit(str(value).strip())
    try:
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        usable = False
    if not usable or parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must be http(s)://host or http(s)://host:port, without a path")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _listed(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _ports(value: Any) -> Any:
    ports = tuple(int(port) if str(port).isdecimal() else 0 for port in _listed(value))
    if not ports or any(not 1 <= port <= 65_535 for port in ports):
        raise ValueError("must be port numbers such as 443 or 443,8443")
    return ports


def _hosts(value: Any) -> Any:
    hosts = tuple(str(host).lower() for host in _listed(value))
    if any(not HOST.fullmatch(host) for host in hosts):
        raise ValueError("must be host names such as app.example.com, without https://")
    return hosts


def _credits(value: Any) -> Any:
    """Credits as text: an integer or a decimal string, never a float (10.1 has no exact binary form)."""
    if type(value) not in (int, str):
        raise ValueError('must be a whole number or a decimal text in quotes, such as 10 or "0.50"')
    text = str(value).strip()
    try:
        parse_credits(text)
    except Invalid as error:
        raise ValueError(error.detail) from None
    return text


def _credits_or_zero(value: Any) -> Any:
    return "0" if str(value).strip() == "0" else _credits(value)


def _smtp_url(value: Any) -> Any:
    parts = urlsplit(str(value))
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError("must be smtp://user:password@host:port or smtps://...")
    return value


def _mailbox(value: Any) -> Any:
    mailbox(str(value))
    return value


def _address(value: Any) -> Any:
    require_address(str(value).strip())
    return str(value).strip()


Credits = Annotated[str, BeforeValidator(_credits)]
Origin = Annotated[str, BeforeValidator(_origin)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True)


class Stripe(Section):
    api_key: SecretStr | None = None
    webhook_secret: SecretStr | None = None
    price_id: str | None = None
    host_url: Origin | None = None
    enable_invoice_creation: bool = False
    api_base: Origin | None = None

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """The current secret, followed by the previous one during a rotation."""
        return _listed(self.webhook_secret.get_secret_value()) if self.webhook_secret else ()


class Dummy(Section):
    amount: Credits = "10"
    host_url: Origin | None = None

    @property
    def amount_micros(self) -> Micros:
        return parse_credits(self.amount)


class Payment(Section):
    """Without `provider`, the only provider that is configured is used; if none is, the dummy provider."""

    provider: Literal["stripe", "dummy"] = "dummy"
    stripe: Stripe = Stripe()
    dummy: Dummy = Dummy()

    @model_validator(mode="before")
    @classmethod
    def _named(cls, values: Any) -> Any:
        if isinstance(values, dict) and "provider" not in values and len(given := _described(values)) == 1:
            return {**values, "provider": given[0]}
        return values

    @property
    def undecided(self) -> bool:
        """Whether both providers are configured and none is chosen."""
        described = {name: getattr(self, name).model_fields_set for name in ("stripe", "dummy")}
        return "provider" not in self.model_fields_set and len(_described(described)) == 2


def _described(values: Mapping[str, Any]) -> list[str]:
    """The providers that are configured. `host_url` does not count: it is another name for `base_url`."""
    return [name for name in ("stripe", "dummy") if set(values.get(name) or ()) - {"host_url"}]


class InitialCredits(Section):
    initial_credits_for_standard_users: Annotated[str, BeforeValidator(_credits_or_zero)] = "10"
    retyped_above: Credits = "100"
    """A platform manager who grants or removes more than this types the amount again."""

    @property
    def initial_micros(self) -> Micros:
        """0 disables sign-up credits."""
        text = self.initial_credits_for_standard_users
        return Micros(0) if text == "0" else parse_credits(text)

    @property
    def retyped_above_micros(self) -> Micros:
        return parse_credits(self.retyped_above)


class Smtp(Section):
    url: Annotated[SecretStr, BeforeValidator(_smtp_url)] | None = None
    sender: Annotated[str, BeforeValidator(_mailbox)] | None = Field(default=None, alias="from")


class Jobs(Section):
    tick_seconds: int = Field(default=15, ge=1, le=3600)
    claim_seconds: int = Field(default=60, ge=1, le=3600)
    workers: int = Field(default=1, ge=1, le=64)


class Catalog(Section):
    unusual_rate_factor: int = Field(default=2, ge=2, le=1_000_000)
    """A pack whose credits per dollar differ by more than this factor from the others needs a second confirmation."""


class Usage(Section):
    late_days: int = Field(default=35, ge=1, le=365)
    """How many days after it happened usage can still be reported."""


class Api(Section):
    throttle_requests: int = Field(default=200, ge=1, le=1_000_000)
    throttle_seconds: int = Field(default=2, ge=1, le=3600)
    throttle_failures: int = Field(default=60, ge=1, le=1_000_000)
    """Calls without a valid key that an address may make per minute."""


class Outgoing(Section):
    """Limits for requests to URLs that customers enter."""

    ports: Annotated[tuple[int, ...], NoDecode, BeforeValidator(_ports)] = (443,)
    private: bool = False
    ca_file: str | None = None


class Settings(BaseSettings):
    """Everything that differs between installations. URLs with passwords are excluded from its `repr`."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    environment: Literal["development", "test", "production"] = "development"
    debug: bool = False
    database_url: Annotated[str, BeforeValidator(_database_url)] | None = Field(default=None, repr=False)
    migration_database_url: Annotated[str, BeforeValidator(_database_url)] | None = Field(default=None, repr=False)
    redis_url: Annotated[str, BeforeValidator(_redis_url)] | None = Field(default=None, repr=False)
    secret_key: SecretStr = SecretStr(DEVELOPMENT_SECRET_KEY)
    encryption_keys: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_listed)] = (
        SecretStr(DEVELOPMENT_ENCRYPTION_KEY),
    )
    base_url: Origin | None = None
    return_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_hosts)] = ()
    payment: Payment = Payment()
    credits: InitialCredits = InitialCredits()
    smtp: Smtp = Smtp()
    support_email: Annotated[str, BeforeValidator(_address)] | None = None
    jobs: Jobs = Jobs()
    api: Api = Api()
    catalog: Catalog = Catalog()
    usage: Usage = Usage()
    outgoing: Outgoing = Outgoing()
    metrics_token: SecretStr | None = None
    proxy_hops: int = Field(default=0, ge=0, le=8)
    password_hashing: Literal["standard", "cheap"] = "standard"  # noqa: S105

    @classmethod
    def settings_customise_sources(cls, *sources: Any, **named: Any) -> tuple[Any, ...]:
        """Use only what `load` passes in: it reads the file and the environment itself, to report both together."""
        return (named["init_settings"],)

    @property
    def production(self) -> bool:
        return self.environment == "production"

    @property
    def verifies_addresses(self) -> bool:
        """Whether an account works only after its address is confirmed by email. Otherwise, sign-up signs in at
        once."""
        return self.production

    @property
    def mode(self) -> Mode:
        """The platform's mode: that of its configured provider. It cannot be chosen freely."""
        key = self.payment.stripe.api_key
        live = self.payment.provider == "stripe" and key and key.get_secret_value().startswith(LIVE_KEYS)
        return "live" if live else "test"

    @property
    def initial_micros(self) -> Micros:
        return self.credits.initial_micros
