"""Settings: both forms, their order, every problem at once, and what production refuses."""

import base64
import re
from pathlib import Path

import pytest

from dashboard import with_servers
from dashboard.config import ConfigError, Settings, load
from tests.each import each

ROOT = Path(__file__).resolve().parents[2]
KEY = base64.urlsafe_b64encode(b"k" * 32).decode()
PRODUCTION = {
    "COFFER_ENVIRONMENT": "production",
    "COFFER_DATABASE_URL": "postgresql://app:hidden-database@db/coffer",
    "COFFER_REDIS_URL": "redis://:hidden-redis@cache:6379/0",
    "COFFER_SECRET_KEY": "s" * 40,
    "COFFER_ENCRYPTION_KEYS": KEY,
    "COFFER_BASE_URL": "https://billing.example.com/",
    "COFFER_PAYMENT__PROVIDER": "stripe",
    "COFFER_PAYMENT__STRIPE__API_KEY": "sk_live_hidden",
    "COFFER_PAYMENT__STRIPE__WEBHOOK_SECRET": "whsec_hidden",
}


def file(tmp_path: Path, text: str) -> dict[str, str]:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return {"COFFER_CONFIG": str(path)}


def refused(environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as error:
        load(environ)
    return error.value.problems


def test_a_checkout_runs_without_any_setting() -> None:
    settings = load({})
    assert settings.environment == "development"
    assert settings.payment.provider == "dummy"
    assert settings.mode == "test"
    assert settings.payment.dummy.amount_micros == 10_000_000
    assert settings.initial_micros == 10_000_000
    assert (settings.jobs.tick_seconds, settings.jobs.claim_seconds) == (15, 60)
    assert settings.base_url is None


def test_the_file_form(tmp_path: Path) -> None:
    settings = load(
        file(
            tmp_path,
            """
payment:
  provider: stripe
  stripe:
    {api_key: sk_test_1, webhook_secret: whsec_1, price_id: price_1, host_url: "https://a.example/",
     enable_invoice_creation: true}
credits: {initial_credits_for_standard_users: 25}
return_hosts: [yourapp.com, "localhost:3000"]
smtp: {url: "smtp://u:p@mail:25", from: a@b.example}
""",
        )
    )
    stripe = settings.payment.stripe
    assert stripe.api_key is not None
    assert stripe.api_key.get_secret_value() == "sk_test_1"
    assert stripe.webhook_secrets == ("whsec_1",)
    assert stripe.price_id == "price_1"
    assert stripe.enable_invoice_creation
    assert settings.base_url == "https://a.example"
    assert settings.initial_micros == 25_000_000
    assert settings.return_hosts == ("yourapp.com", "localhost:3000")
    assert settings.smtp.sender == "a@b.example"


def test_the_environment_form() -> None:
    settings = load(
        {
            "COFFER_PAYMENT__PROVIDER": "stripe",
            "COFFER_PAYMENT__STRIPE__API_KEY": "rk_live_1",
            "COFFER_PAYMENT__STRIPE__WEBHOOK_SECRET": "whsec_new, whsec_old",
            "COFFER_PAYMENT__STRIPE__ENABLE_INVOICE_CREATION": "true",
            "COFFER_PAYMENT__DUMMY__AMOUNT": "7.5",
            "COFFER_CREDITS__INITIAL_CREDITS_FOR_STANDARD_USERS": "10",
            "COFFER_RETURN_HOSTS": "Yourapp.com, other.example:8443",
            "COFFER_ENCRYPTION_KEYS": f"{KEY},{KEY}",
            "COFFER_DATABASE_URL": "postgresql://u:p@h/d",
            "COFFER_SMTP__FROM": "a@b.example",
            "COFFER_JOBS__TICK_SECONDS": "1",
        }
    )
    assert settings.mode == "live"
    assert settings.payment.stripe.webhook_secrets == ("whsec_new", "whsec_old")
    assert settings.payment.stripe.enable_invoice_creation
    assert settings.payment.dummy.amount_micros == 7_500_000
    assert settings.return_hosts == ("yourapp.com", "other.example:8443")
    assert len(settings.encryption_keys) == 2
    assert settings.database_url == "postgresql+psycopg://u:p@h/d"
    assert settings.smtp.sender == "a@b.example"
    assert settings.jobs.tick_seconds == 1


def test_the_environment_wins_over_the_file_name_by_name(tmp_path: Path) -> None:
    environ = file(tmp_path, "payment: {dummy: {amount: 3, host_url: 'http://localhost:9000'}}\n")
    settings = load(environ | {"COFFER_PAYMENT__DUMMY__AMOUNT": "4"})
    assert settings.payment.dummy.amount_micros == 4_000_000
    assert settings.base_url == "http://localhost:9000"


def test_a_name_without_a_value_counts_as_not_written(tmp_path: Path) -> None:
    environ = file(tmp_path, "payment: {stripe: {api_key, webhook_secret, price_id}, dummy: }\n")
    assert load(environ | {"COFFER_BASE_URL": ""}) == load({})


def documented(document: str, pattern: str) -> list[str]:
    """The lines of a document's block that somebody copies."""
    return re.findall(rf"^ +({pattern}.*)$", (ROOT / document).read_text(), re.MULTILINE)


def test_the_documented_ways_to_connect_stripe_use_stripe(tmp_path: Path) -> None:
    exported = [line.partition("#")[0].removeprefix("export ") for line in documented("README.md", "export COFFER_")]
    listed = documented("docs/operations.md", "COFFER_PAYMENT__STRIPE__")
    [written] = documented("docs/operations.md", "payment: ")
    for environ in (
        dict(line.strip().split("=", 1) for line in exported), dict(line.split("=", 1) for line in listed),
        file(tmp_path, written),
    ):  # fmt: skip
        settings = load(environ)
        assert (settings.payment.provider, settings.mode) == ("stripe", "test"), environ
        assert settings.payment.stripe.webhook_secrets == ("whsec_...",)


def test_the_only_provider_that_is_described_is_meant(tmp_path: Path) -> None:
    stripe, dummy = "stripe: {api_key: sk_test_1, webhook_secret: whsec_1}", "dummy: {amount: 3}"
    for text, provider in ((stripe, "stripe"), (dummy, "dummy"), ("dummy: {}", "dummy")):
        assert load(file(tmp_path, f"payment: {{{text}}}\n")).payment.provider == provider
    both = file(tmp_path, f"payment: {{{stripe}, {dummy}}}\n")
    [line] = refused(both)
    assert line.startswith("payment.provider (COFFER_PAYMENT__PROVIDER): missing")
    assert "choose stripe or dummy" in line
    for provider in ("stripe", "dummy"):
        assert load(both | {"COFFER_PAYMENT__PROVIDER": provider}).payment.provider == provider


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    environ = file(
        tmp_path, "payment: {stripe: {apikey: sk_test_x}}\ncredits: {initial_credits_for_standard_users: 1.5}\n"
    )
    lines = refused(
        environ
        | {
            "COFFER_ENVIRONMENT": "production",
            "COFFER_PAYMENT__PROVIDER": "paypal",
            "COFFER_JOBS__TICK_SECONDS": "soon",
            "COFFER_SECRET_KEY": "short",
            "COFFER_DATABASE_URL": "mysql://db",
            "COFFER_ENCRYPTION_KEY": KEY,
        }
    )
    for name in (
        "payment.stripe.apikey (COFFER_PAYMENT__STRIPE__APIKEY): unknown name",
        "credits.initial_credits_for_standard_users",
        "payment.provider",
        "jobs.tick_seconds",
        "secret_key (COFFER_SECRET_KEY): must have at least 32",
        "database_url",
        "redis_url",
        "encryption_keys (COFFER_ENCRYPTION_KEYS): missing",
        "base_url",
        "COFFER_ENCRYPTION_KEY: unknown; did you mean COFFER_ENCRYPTION_KEYS?",
    ):
        assert any(line.startswith(name) for line in lines), name


def test_an_unreadable_or_odd_file_is_named(tmp_path: Path) -> None:
    assert "cannot read" in refused({"COFFER_CONFIG": str(tmp_path / "none.yaml")})[0]
    assert "not YAML (line 1)" in refused(file(tmp_path, "a: [1"))[0]
    assert "names and values" in refused(file(tmp_path, "- a\n"))[0]
    assert refused(file(tmp_path, "payment: 5\n"))[0].startswith("payment (COFFER_PAYMENT)")
    assert refused(file(tmp_path, "stripe: {}\n"))[0].startswith("stripe")


def test_host_url_and_base_url_are_one_setting() -> None:
    same = {"COFFER_BASE_URL": "https://a.example/", "COFFER_PAYMENT__STRIPE__HOST_URL": "https://a.example"}
    assert load(same).base_url == "https://a.example"
    [line] = refused(same | {"COFFER_PAYMENT__STRIPE__HOST_URL": "https://b.example"})
    assert "https://a.example" in line
    assert "https://b.example" in line


@each("amount", ["0", "-1", "1e3", "NaN", "1_000", "1,5", "0.0000001", ""])
def test_the_amount_of_the_dummy_pack_is_strict(tmp_path: Path, amount: str) -> None:
    environ = file(tmp_path, f"payment: {{dummy: {{amount: '{amount}'}}}}\n")
    assert "payment.dummy.amount" in refused(environ)[0]


def test_zero_switches_the_initial_credits_off_but_is_no_pack() -> None:
    assert load({"COFFER_CREDITS__INITIAL_CREDITS_FOR_STANDARD_USERS": "0"}).initial_micros == 0
    assert "payment.dummy.amount" in refused({"COFFER_PAYMENT__DUMMY__AMOUNT": "0"})[0]


@each(
    ("name", "value"),
    [
        ("COFFER_BASE_URL", "billing.example.com"),
        ("COFFER_BASE_URL", "https://x.example/path"),
        ("COFFER_BASE_URL", "https://user@x.example"),
        ("COFFER_REDIS_URL", "localhost:6379"),
        ("COFFER_RETURN_HOSTS", "https://yourapp.com"),
        ("COFFER_ENCRYPTION_KEYS", "not a key"),
        ("COFFER_ENCRYPTION_KEYS", "a2V5"),
        ("COFFER_SMTP__URL", "http://mail"),
        ("COFFER_SUPPORT_EMAIL", "help"),
        ("COFFER_SUPPORT_EMAIL", "Help <help@acme.test>"),
        ("COFFER_PROXY_HOPS", "-1"),
        ("COFFER_PASSWORD_HASHING", "cheap"),
    ],
)
def test_an_odd_value_is_named(name: str, value: str) -> None:
    assert any(name in line for line in refused({name: value}))


@pytest.mark.parametrize("key", ["", "pk_test_1", "whsec_1", "sk_hidden"])
def test_stripe_needs_a_key_that_says_its_mode(key: str) -> None:
    lines = refused(
        {
            "COFFER_PAYMENT__PROVIDER": "stripe",
            "COFFER_PAYMENT__STRIPE__API_KEY": key,
            "COFFER_PAYMENT__STRIPE__WEBHOOK_SECRET": "hidden",
        }
    )
    assert [line.partition(" ")[0] for line in lines] == ["payment.stripe.api_key", "payment.stripe.webhook_secret"]
    assert "hidden" not in "".join(lines)


def test_production_starts_with_its_own_values() -> None:
    settings = load(PRODUCTION)
    assert settings.production
    assert settings.mode == "live"
    assert load(PRODUCTION | {"COFFER_PAYMENT__STRIPE__API_KEY": "sk_test_1"}).mode == "test"


@each(
    ("name", "value"),
    [
        ("COFFER_DEBUG", "true"),
        ("FLASK_DEBUG", "1"),
        ("COFFER_PAYMENT__PROVIDER", "dummy"),
        ("COFFER_PAYMENT__STRIPE__API_BASE", "http://127.0.0.1:1"),
        ("COFFER_SECRET_KEY", ""),
        ("COFFER_SECRET_KEY", "short"),
        ("COFFER_ENCRYPTION_KEYS", ""),
        ("COFFER_DATABASE_URL", ""),
        ("COFFER_REDIS_URL", ""),
        ("COFFER_BASE_URL", ""),
    ],
)
def test_production_refuses(name: str, value: str) -> None:
    [line] = refused(PRODUCTION | {name: value})
    assert name in line


def test_production_refuses_the_secrets_of_development() -> None:
    ours: Settings = load({})
    environ = PRODUCTION | {
        "COFFER_SECRET_KEY": ours.secret_key.get_secret_value(),
        "COFFER_ENCRYPTION_KEYS": f"{KEY},{ours.encryption_keys[0].get_secret_value()}",
    }
    assert len(refused(environ)) == 2


def test_secrets_are_in_no_error_and_no_text_form() -> None:
    settings = load(PRODUCTION)
    assert "hidden" not in f"{settings!r} {settings}"
    text = "".join(refused(PRODUCTION | {"COFFER_SECRET_KEY": "hidden", "COFFER_DATABASE_URL": "mysql://u:hidden@h"}))
    assert "hidden" not in text


def test_given_servers_are_used_and_production_never_starts_its_own() -> None:
    settings = load(PRODUCTION)
    assert with_servers(settings) is settings
    with pytest.raises(ConfigError, match="embedded"):
        with_servers(settings.model_copy(update={"redis_url": None}))
