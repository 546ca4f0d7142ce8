"""Provider accounts as rows: the platform's with its key in the settings, and those of organizations, each with its
own key and webhook secret."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from uuid import uuid4

import psycopg
import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from dashboard import providers
from dashboard.core import clock, ids
from dashboard.core.crypto import CannotDecrypt
from dashboard.core.db import db, transaction
from dashboard.domain.catalog import provider_accounts, sync
from dashboard.models import PLATFORM_ORG_ID, Organization, ProviderAccount
from dashboard.providers import Account, Credentials, Stored
from dashboard.providers.base import BadSignature, Provider
from dashboard.providers.dummy import DummyProvider
from dashboard.providers.stripe import StripeProvider
from tests.domain.payments.seller import Seller
from tests.factories import make_org
from tests.servers import Servers
from tests.stripe_fake import signing
from tests.stripe_fake.client import FakeClient
from tests.stripe_fake.model import DEFAULT_ACCOUNT
from tests.stripe_fake.server import FakeServer

OURS = Credentials("sk_test_platform0001", ("whsec_platform",))
THEIRS = Credentials("sk_test_customer0002", ("whsec_theirs", "whsec_their_previous"))


@pytest.fixture
def stripe(make_app: Callable[..., Flask]) -> Iterator[FakeServer]:
    """The stand-in holds both accounts; the application's settings hold the platform's key."""
    with FakeServer() as server:
        server.fake.account_of_key[THEIRS.api_key] = "acct_theirs"
        ours = {"api_key": OURS.api_key, "webhook_secret": OURS.webhook_secrets[0], "api_base": server.url}
        with make_app(payment={"provider": "stripe", "stripe": ours}).app_context():
            yield server
        assert server.fake.complaints == []


def add(org: Organization, credentials: Credentials = THEIRS, *, account_id: str = "acct_theirs") -> ProviderAccount:
    with transaction(org=org.id) as session:
        row_id = ids.new()
        row = ProviderAccount(
            org_id=org.id, id=row_id, provider="stripe", mode="test", account_id=account_id,
            credentials=Stored.seal(credentials, org_id=org.id, row_id=row_id).sealed,
        )  # fmt: skip
        session.add(row)
    return row


def account_of(org: Organization) -> Account:
    found = provider_accounts.find(org.id, "stripe", "test")
    assert found
    return found


def accepts(provider: Provider, secret: str) -> bool:
    raw, headers = signing.signed(signing.event("checkout.session.completed"), secret, at=clock.now())
    try:
        provider.verify(raw, headers, now=clock.now())
    except BadSignature:
        return False
    return True


def rows() -> list[tuple[str, str, str, bool]]:
    db.session.expire_all()
    found = db.session.scalars(select(ProviderAccount).order_by(ProviderAccount.id))
    return [(row.provider, row.mode, row.account_id, row.active) for row in found]


def test_each_call_goes_with_the_key_and_secret_of_its_account(stripe: FakeServer) -> None:
    org = make_org()
    add(org)
    for _ in range(2):
        ours, theirs = providers.client(providers.platform_account()), providers.client(account_of(org))
        assert (ours.account_id(), theirs.account_id()) == (DEFAULT_ACCOUNT, "acct_theirs")
        for provider, account, key in ((ours, DEFAULT_ACCOUNT, OURS), (theirs, "acct_theirs", THEIRS)):
            made = provider.create_customer(org.id, name="Acme", email=None, idempotency_key=f"customer:{uuid4()}")
            assert stripe.fake.holder(made) is stripe.fake.account(account)
            assert stripe.fake.calls[-1].key_last4 == key.api_key[-4:]
        for secret in (*OURS.webhook_secrets, *THEIRS.webhook_secrets):
            assert accepts(ours, secret) == (secret in OURS.webhook_secrets)
            assert accepts(theirs, secret) == (secret in THEIRS.webhook_secrets)


def test_client_is_kept_until_the_credentials_change(stripe: FakeServer) -> None:
    org = make_org()
    row = add(org)
    before = providers.client(account_of(org))
    assert providers.client(account_of(org)) is before
    with transaction(org=org.id) as session:
        changed = Credentials("sk_test_rotated00003", ("whsec_rotated",))
        session.merge(row).credentials = Stored.seal(changed, org_id=org.id, row_id=row.id).sealed
    after = providers.client(account_of(org))
    assert not accepts(after, THEIRS.webhook_secrets[0])
    after.create_customer(org.id, name="Acme", email=None, idempotency_key="customer:rotated")
    assert stripe.fake.calls[-1].key_last4 == "0003"


@pytest.mark.usefixtures("app_context")
def test_sealed_credentials_open_for_their_organization_and_row_only() -> None:
    stored = Stored.seal(THEIRS, org_id=uuid4(), row_id=uuid4())
    assert stored.unseal() == THEIRS
    for other in (replace(stored, org_id=uuid4()), replace(stored, row_id=uuid4())):
        with pytest.raises(CannotDecrypt):
            providers.client(Account("stripe", "test", other))
    shown = f"{stored!r} {THEIRS!r} {providers.client(Account('stripe', 'test', stored))!r}"
    assert not any(secret in shown for secret in (THEIRS.api_key, *THEIRS.webhook_secrets, stored.sealed))


@pytest.mark.usefixtures("app_context")
def test_an_organization_never_falls_back_to_the_platforms_key() -> None:
    """The database keeps a row without credentials for the platform only, and one active account per mode."""
    org = make_org()
    assert provider_accounts.find(org.id, "stripe", "test") is None
    with pytest.raises(IntegrityError), transaction(org=org.id) as session:
        session.add(ProviderAccount(org_id=org.id, provider="stripe", mode="test", account_id="acct_theirs"))
    add(org)
    with pytest.raises(IntegrityError):
        add(org, account_id="acct_second")


def test_synchronization_records_the_platforms_account(seller: Seller) -> None:
    for _ in range(2):
        sync.run(PLATFORM_ORG_ID, provider=seller.provider)
        assert rows() == [("stripe", "test", DEFAULT_ACCOUNT, True)]
    assert provider_accounts.find(PLATFORM_ORG_ID, "stripe", "test") == Account("stripe", "test")

    seller.stripe.account_of_key["sk_test_relocated"] = "acct_moved"
    moved = StripeProvider(api_key="sk_test_relocated", http_client=FakeClient(seller.stripe))
    sync.run(PLATFORM_ORG_ID, provider=moved)
    assert rows() == [("stripe", "test", DEFAULT_ACCOUNT, False), ("stripe", "test", "acct_moved", True)]
    sync.run(PLATFORM_ORG_ID, provider=seller.provider)
    assert rows() == [("stripe", "test", DEFAULT_ACCOUNT, True), ("stripe", "test", "acct_moved", False)]


def test_first_purchase_records_the_platforms_account(seller: Seller) -> None:
    seller.buy()
    assert rows() == [("stripe", "test", DEFAULT_ACCOUNT, True)]
    provider_accounts.record_platform(DummyProvider("secret"))
    assert rows()[1:] == [("dummy", "test", "dummy", True)]


def test_migration_records_the_accounts_of_existing_prices_and_customers(seller: Seller, servers: Servers) -> None:
    seller.buy()
    sync.run(PLATFORM_ORG_ID, provider=seller.provider)
    org_id = seller.org.id
    db.session.rollback()
    migration = import_module("migrations.versions.0041_provider_accounts")
    with psycopg.connect(servers.database_url.replace("+psycopg", "")) as owner:
        owner.execute("DROP TABLE provider_accounts CASCADE")
        for mode, account in (("test", "dummy"), ("live", "acct_b")):
            owner.execute(
                "INSERT INTO customers (org_id, id, created_at, mode, account_id, customer_id)"
                " VALUES (%s, %s, now(), %s, %s, 'cus_1')",
                (org_id, uuid4(), mode, account),
            )
        owner.execute(migration.STATEMENTS)
        found = owner.execute(
            "SELECT provider, mode, account_id, credentials FROM provider_accounts ORDER BY 1, 2"
        ).fetchall()
        owner.rollback()
    assert found == [
        ("dummy", "test", "dummy", None), ("stripe", "live", "acct_b", None), ("stripe", "test", DEFAULT_ACCOUNT, None),
    ]  # fmt: skip
