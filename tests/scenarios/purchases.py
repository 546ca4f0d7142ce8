"""Purchases made in the test's own process, at the same Stripe that the stack's processes ask."""

import random
from dataclasses import dataclass
from uuid import UUID

import psycopg
from flask import Flask

from dashboard.config import settings
from dashboard.core.db import db
from dashboard.domain.audit import Actor
from dashboard.domain.payments.checkout import checkout
from dashboard.domain.platform import verify
from dashboard.models import Organization, Wallet
from dashboard.providers.stripe import StripeProvider
from tests.factories import make_org, make_pack, wallet_of
from tests.scenarios.processes import Stack
from tests.stripe_fake import signing
from tests.stripe_fake.client import FakeClient
from tests.stripe_fake.signing import Json

PAID = "checkout.session.completed"
PAID_LATE = "checkout.session.async_payment_succeeded"


@dataclass(frozen=True)
class Sale:
    """A payment, its session, and what Stripe tells of it: two events of different ids about the same money."""

    org_id: UUID
    payment_id: UUID
    session_id: str
    events: tuple[Json, Json]


class Purchases:
    def __init__(self, stack: Stack, app: Flask) -> None:
        self.stack, self.app = stack, app
        self.fake = stack.stripe.fake
        self.provider = StripeProvider(
            api_key=stack.stripe_key, webhook_secrets=[stack.webhook_secret], http_client=FakeClient(self.fake)
        )
        self.offer = make_pack(price_minor=2_500, credits_micros=25_000_000, bonus_micros=1_000_000)
        self.credits = 26_000_000
        self._number = 0

    def org(self, name: str = "Acme") -> Organization:
        return make_org(name)

    def sell(self, org: Organization, *, paid: bool = True) -> Sale:
        """One purchase up to where Stripe has the money; nobody has told us yet."""
        self._number += 1
        payment = checkout.open_checkout(
            checkout.Buyer(org, Actor("user"), "buyer@example.test"), self.offer, provider=self.provider, quantity=1,
            success_url=f"{self.stack.url}/ok?payment={{payment_id}}", cancel_url=f"{self.stack.url}/no",
            key=f"form-{self._number}", body_hash=b"0" * 32,
        )  # fmt: skip
        assert payment.session_id
        session = self.fake.pay(payment.session_id) if paid else self.fake.session(payment.session_id)
        told = (signing.event(PAID, dict(session)), signing.event(PAID_LATE, dict(session)))
        return Sale(org.id, payment.id, payment.session_id, told)

    def wallet(self, org: Organization) -> Wallet:
        db.session.expire_all()
        return wallet_of(org)

    def sql(self) -> "psycopg.Connection[tuple[int, ...]]":
        """The books behind the product's back, as their owner."""
        url = settings().migration_database_url or settings().database_url
        return psycopg.connect(str(url).replace("+psycopg", ""), autocommit=True)

    def require_credited_once(self, sales: list[Sale]) -> None:
        """Every sale is in the ledger exactly once, nothing else is, and the books are right."""
        with self.sql() as connection:
            credited = connection.execute("SELECT key FROM transactions WHERE type = 'purchase'").fetchall()
            states = connection.execute("SELECT DISTINCT state FROM payments").fetchall()
        assert sorted(key for (key,) in credited) == sorted(str(sale.payment_id) for sale in sales)
        assert states == [("credited",)]
        for org_id in {sale.org_id for sale in sales}:
            bought = sum(sale.org_id == org_id for sale in sales)
            balance = db.session.query(Wallet.balance).filter_by(org_id=org_id, mode="test").scalar()
            assert balance == bought * self.credits, org_id
        self.require_books_right()

    def require_books_right(self) -> None:
        db.session.rollback()
        found = verify.broken()
        assert not found, "\n".join(map(str, found))


def deliveries(sales: list[Sale], copies: int, rng: random.Random) -> list[Json]:
    """Each sale told `copies` times, every fourth by both of its events, shuffled."""
    made = [sale.events[place % 4 == 0 and copy % 2] for place, sale in enumerate(sales) for copy in range(copies)]
    rng.shuffle(made)
    return made
