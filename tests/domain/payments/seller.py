"""A seller in front of the Stripe fake: buy, let the buyer act, deliver what Stripe tells, let the worker work."""

import secrets
from uuid import UUID

from flask import Flask

from dashboard import providers
from dashboard.core import clock
from dashboard.core.db import db
from dashboard.domain.audit import Actor
from dashboard.domain.catalog.products import Offer
from dashboard.domain.funds import ledger
from dashboard.domain.payments.checkout import checkout
from dashboard.domain.payments.webhooks import inbox
from dashboard.models import (
    PLATFORM_ORG_ID,
    InboxEvent,
    Organization,
    Payment,
    User,
    Wallet,
)
from dashboard.providers.stripe import StripeProvider
from tests.factories import make_org, make_pack, wallet_of
from tests.stripe_fake import signing
from tests.stripe_fake.client import FakeClient
from tests.stripe_fake.signing import Json
from tests.stripe_fake.state import Fake

SECRET = "whsec_ours"
SOMEBODY = Actor("user")


class Seller:
    """Keeps the events Stripe sent; `deliver` brings one to the inbox, `work` lets a worker drain it."""

    def __init__(self, app: Flask) -> None:
        self.stripe = Fake()
        self.sent: list[Json] = []
        self.stripe.listeners.append(lambda _account, events: self.sent.extend(events))
        self.provider = StripeProvider(
            api_key=f"sk_test_{secrets.token_hex(8)}", webhook_secrets=[SECRET], http_client=FakeClient(self.stripe)
        )
        app.extensions[providers.EXTENSION] = self.provider
        self.org: Organization = make_org()
        self.offer: Offer = make_pack(price_minor=2_500, credits_micros=25_000_000, bonus_micros=1_000_000)

    @property
    def wallet(self) -> Wallet:
        db.session.expire_all()
        return wallet_of(self.org)

    def buy(
        self,
        key: str = "form-1",
        *,
        quantity: int = 1,
        org: Organization | None = None,
        email: str = "buyer@example.test",
        by: Actor = SOMEBODY,
        promotion_code: str = "",
    ) -> Payment:
        return checkout.open_checkout(
            checkout.Buyer(org or self.org, by, email), self.offer, provider=self.provider,
            quantity=quantity, success_url="http://127.0.0.1/ok?payment={payment_id}", cancel_url="http://127.0.0.1/no",
            key=key, body_hash=ledger.body_hash("/buy", {"quantity": quantity}),
            promotion_code=promotion_code,
        )  # fmt: skip

    def payment(self, payment_id: UUID) -> Payment:
        db.session.expire_all()
        return db.session.query(Payment).filter_by(id=payment_id).one()

    def deliver(self, event: Json) -> None:
        raw, headers = signing.signed(event, SECRET, at=int(clock.now().timestamp()))
        verified = self.provider.verify(raw, headers, now=clock.now())
        inbox.store(PLATFORM_ORG_ID, verified, raw, provider=self.provider.name, mode=self.provider.mode)

    def deliver_all(self) -> None:
        for event in self.sent:
            self.deliver(event)

    def work(self) -> None:
        inbox.drain(PLATFORM_ORG_ID, provider=self.provider, worker="test")

    def event(self, event_id: str) -> InboxEvent:
        db.session.expire_all()
        return db.session.query(InboxEvent).filter_by(event_id=event_id).one()

    def told(self, type: str) -> Json:
        """The last event of a type that Stripe sent."""
        return next(event for event in reversed(self.sent) if event["type"] == type)


def buy_as(seller: Seller, person: User, key: str = "form-1") -> Payment:
    return seller.buy(key, email=person.email, by=Actor("user", person.id))
