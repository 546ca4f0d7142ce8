"""The catalog, payments and what a provider reported."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.core import clock
from dashboard.models.base import PLATFORM_ORG_ID, Base, OrgOwned, org_key, org_root

PAYMENT_STATES = ("created", "unknown", "pending", "paid", "credited", "failed", "expired", "review")
INBOX_STATES = ("received", "processed", "ignored", "failed", "parked")


class Product(OrgOwned, Base):
    """Something that can be bought, under a stable id. `source` names the setting it comes from, '' for the catalog's
    own.

    `revision` counts the edits, so that a user who edits an outdated state is told.
    """

    __tablename__ = "products"

    kind: Mapped[str] = mapped_column(default="pack")
    name: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    active: Mapped[bool] = mapped_column(default=True)
    position: Mapped[int] = mapped_column(default=0)
    source: Mapped[str] = mapped_column(default="")
    revision: Mapped[int] = mapped_column(default=1)
    changed_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        org_root(),
        Index("uq_products_org_id_source", "org_id", "source", unique=True, postgresql_where=text("source <> ''")),
        CheckConstraint("kind IN ('pack')", name="kind"),
    )


class ProductVersion(OrgOwned, Base):
    """A product's price and what it grants. Never changed after it was created. The highest number is on sale."""

    __tablename__ = "product_versions"

    product_id: Mapped[UUID]
    number: Mapped[int]
    price_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(default="usd")
    grant_micros: Mapped[int] = mapped_column(BigInteger)
    bonus_micros: Mapped[int] = mapped_column(BigInteger, default=0)
    provider_price_id: Mapped[str | None]
    min_quantity: Mapped[int] = mapped_column(default=1)
    max_quantity: Mapped[int] = mapped_column(default=100)
    grant_kind: Mapped[str] = mapped_column(default="paid")
    expires_days: Mapped[int | None]
    bonus_expires_days: Mapped[int] = mapped_column(default=0, server_default="0")
    bonus_priority: Mapped[int] = mapped_column(default=0, server_default="0")

    __table_args__ = (
        org_key("product_id", "products"),
        Index("uq_product_versions_org_id_product_id_number", "org_id", "product_id", "number", unique=True),
        CheckConstraint("price_minor > 0 AND grant_micros > 0 AND bonus_micros >= 0", name="amounts"),
        CheckConstraint("min_quantity >= 1 AND max_quantity BETWEEN min_quantity AND 100", name="quantities"),
        CheckConstraint("grant_kind IN ('paid', 'promotional')", name="grant_kind"),
        CheckConstraint("expires_days BETWEEN 1 AND 3650", name="expires_days"),
        CheckConstraint(
            "bonus_expires_days BETWEEN 0 AND 3650 AND bonus_priority BETWEEN 0 AND 100", name="bonus_terms"
        ),
    )


class ProviderAccount(OrgOwned, Base):
    """An account at a payment provider in one mode, owned by the platform or by an organization.

    `credentials` are encrypted for the organization and this row; None for the platform's, which are in the settings.
    `account_id` is the provider's. Of the accounts that an owner had in a mode, one is active.
    """

    __tablename__ = "provider_accounts"

    provider: Mapped[str]
    mode: Mapped[str]
    account_id: Mapped[str]
    credentials: Mapped[str | None]
    publishable_key: Mapped[str] = mapped_column(default="")
    validated_at: Mapped[datetime | None]
    active: Mapped[bool] = mapped_column(default=True)

    __table_args__ = (
        org_root(),
        Index("uq_provider_accounts_org_id_account_id", "org_id", "provider", "mode", "account_id", unique=True),
        Index(
            "uq_provider_accounts_org_id_active",
            "org_id",
            "provider",
            "mode",
            unique=True,
            postgresql_where=text("active"),
        ),
        CheckConstraint("provider IN ('stripe', 'dummy')", name="provider"),
        CheckConstraint("mode IN ('test', 'live')", name="mode"),
        CheckConstraint(f"(org_id = '{PLATFORM_ORG_ID}') = (credentials IS NULL)", name="credentials"),
    )


class ProviderPrice(OrgOwned, Base):
    """A version's Product and Price at one provider account in one mode: as wanted, and as last read there.

    `seen` holds the provider's values at the last comparison. Differences are in `drift` and stop sales.
    """

    __tablename__ = "provider_prices"

    version_id: Mapped[UUID]
    provider: Mapped[str]
    mode: Mapped[str]
    account_id: Mapped[str]
    state: Mapped[str] = mapped_column(default="wanted")
    product_ref: Mapped[str | None]
    price_ref: Mapped[str | None]
    seen: Mapped[dict[str, Any] | None]
    problem: Mapped[str | None]
    checked_at: Mapped[datetime | None]
    next_check_at: Mapped[datetime | None]

    __table_args__ = (
        org_key("version_id", "product_versions"),
        ForeignKeyConstraint(
            ["org_id", "provider", "mode", "account_id"],
            [f"provider_accounts.{name}" for name in ("org_id", "provider", "mode", "account_id")],
            ondelete="RESTRICT",
            name="fk_provider_prices_account",
        ),
        Index(
            "uq_provider_prices_org_id_version_id_mode_account_id",
            "org_id",
            "version_id",
            "mode",
            "account_id",
            unique=True,
        ),
        CheckConstraint("state IN ('wanted', 'ready', 'drift', 'archived')", name="state"),
    )


class Customer(OrgOwned, Base):
    """An organization's customer id at one provider account in one mode."""

    __tablename__ = "customers"

    mode: Mapped[str]
    account_id: Mapped[str]
    customer_id: Mapped[str]

    __table_args__ = (
        org_root(),
        Index("uq_customers_org_id_mode_account_id", "org_id", "mode", "account_id", unique=True),
    )


class Payment(OrgOwned, Base):
    """Money at a provider, from our intent to the credit. Holds a copy of what was sold, for all `quantity` pieces."""

    __tablename__ = "payments"

    state: Mapped[str] = mapped_column(default="created")
    kind: Mapped[str] = mapped_column(default="pack")
    provider: Mapped[str]
    mode: Mapped[str]
    key: Mapped[str]
    body_hash: Mapped[bytes] = mapped_column(LargeBinary)
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    product_id: Mapped[UUID]
    version_id: Mapped[UUID]
    name: Mapped[str]
    quantity: Mapped[int]
    unit_price_minor: Mapped[int] = mapped_column(BigInteger)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    grant_micros: Mapped[int] = mapped_column(BigInteger)
    bonus_micros: Mapped[int] = mapped_column(BigInteger)
    grant_kind: Mapped[str] = mapped_column(default="paid")
    expires_days: Mapped[int | None]
    bonus_expires_days: Mapped[int] = mapped_column(default=0, server_default="0")
    bonus_priority: Mapped[int] = mapped_column(default=0, server_default="0")
    promotion_code: Mapped[str | None]
    promotion_id: Mapped[str | None]
    provider_price_id: Mapped[str | None]
    success_url: Mapped[str]
    cancel_url: Mapped[str]
    customer_id: Mapped[str | None]
    session_id: Mapped[str | None]
    session_url: Mapped[str | None]
    intent_id: Mapped[str | None]
    invoice_id: Mapped[str | None]
    total_minor: Mapped[int | None] = mapped_column(BigInteger)
    discount_minor: Mapped[int | None] = mapped_column(BigInteger)
    tax_minor: Mapped[int | None] = mapped_column(BigInteger)
    paid_currency: Mapped[str | None]
    problem: Mapped[str | None]
    decline_code: Mapped[str | None]
    transaction_id: Mapped[UUID | None]
    opened_at: Mapped[datetime | None]
    paid_at: Mapped[datetime | None]
    credited_at: Mapped[datetime | None]
    changed_at: Mapped[datetime] = mapped_column(default=clock.now)
    next_check_at: Mapped[datetime | None]
    checks: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        org_root(),
        org_key("transaction_id", "transactions"),
        Index("uq_payments_org_id_mode_key", "org_id", "mode", "key", unique=True),
        Index("ix_payments_id", "id"),
        Index("ix_payments_state_id", "state", "id"),
        Index("ix_payments_org_id_state_id", "org_id", "state", "id"),
        Index("ix_payments_session_id", "session_id", postgresql_where=text("session_id IS NOT NULL")),
        Index("ix_payments_intent_id", "intent_id", postgresql_where=text("intent_id IS NOT NULL")),
        Index("ix_payments_invoice_id", "invoice_id", postgresql_where=text("invoice_id IS NOT NULL")),
        Index("ix_payments_transaction_id", "transaction_id", postgresql_where=text("transaction_id IS NOT NULL")),
        Index(
            "ix_payments_to_check",
            "org_id",
            "next_check_at",
            postgresql_where=text("state IN ('created', 'unknown', 'pending', 'paid')"),
        ),
        Index("ix_payments_sold", "product_id", "credited_at", postgresql_where=text("state = 'credited'")),
        Index("ix_payments_open", "state", postgresql_where=text("state IN ('created', 'unknown', 'paid', 'review')")),
        CheckConstraint(f"state IN {PAYMENT_STATES}", name="state"),
        CheckConstraint("quantity BETWEEN 1 AND 100 AND amount_minor = unit_price_minor * quantity", name="amount"),
        CheckConstraint("(state = 'credited') = (transaction_id IS NOT NULL)", name="credited"),
    )

    @property
    def sold(self) -> str:
        """What was ordered, as text."""
        return self.name if self.quantity == 1 else f"{self.quantity} x {self.name}"

    @property
    def provider_name(self) -> str:
        """The provider's name for use in a sentence."""
        return "Stripe" if self.provider == "stripe" else f"the {self.provider} provider"

    @property
    def tax_on_top(self) -> bool:
        """Whether tax was added to the price; otherwise it is part of what was paid."""
        if not self.tax_minor or self.paid_currency != self.currency:
            return False
        return self.total_minor == self.amount_minor - (self.discount_minor or 0) + self.tax_minor

    @property
    def rejected(self) -> bool:
        """Paid, and rejected in the review: nothing that arrives later credits it."""
        return self.state == "failed" and self.paid_at is not None


class InboxEvent(OrgOwned, Base):
    """A provider's webhook as it was received."""

    __tablename__ = "inbox_events"

    provider: Mapped[str]
    mode: Mapped[str]
    event_id: Mapped[str]
    type: Mapped[str]
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(default="received")
    deliveries: Mapped[int] = mapped_column(default=1)
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime | None]
    retry_requested_at: Mapped[datetime | None]
    error: Mapped[str | None]
    effects: Mapped[dict[str, Any] | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        org_root(),
        Index("uq_inbox_events_org_id_mode_event_id", "org_id", "mode", "event_id", unique=True),
        # In the order in which events are claimed: however many wait, the first index entry is the next one.
        Index(
            "ix_inbox_events_due",
            "org_id",
            text("next_attempt_at NULLS FIRST"),
            "id",
            postgresql_where=text("state IN ('received', 'failed')"),
        ),
        Index("ix_inbox_events_parked", "org_id", "id", postgresql_where=text("state = 'parked'")),
        Index("ix_inbox_events_org_id_state_id", "org_id", "state", "id"),
        Index(
            "ix_inbox_events_of_org",
            "org_id",
            text("(effects ->> 'org_id')"),
            "id",
            postgresql_where=text("(effects ->> 'org_id') IS NOT NULL"),
        ),
        Index(
            "ix_inbox_events_repeated",
            "org_id",
            "id",
            postgresql_include=["deliveries"],
            postgresql_where=text("deliveries > 1"),
        ),
        CheckConstraint(f"state IN {INBOX_STATES}", name="state"),
    )


class InboxTry(OrgOwned, Base):
    """One attempt at an inbox event."""

    __tablename__ = "inbox_tries"

    inbox_event_id: Mapped[UUID]
    number: Mapped[int]
    worker: Mapped[str]
    duration_ms: Mapped[int]
    result: Mapped[str]
    error: Mapped[str | None]

    __table_args__ = (
        org_key("inbox_event_id", "inbox_events"),
        Index("ix_inbox_tries_org_id_inbox_event_id", "org_id", "inbox_event_id"),
    )


class DummySession(Base):
    """A hosted page of the dummy provider, which is the only code that uses it."""

    __tablename__ = "dummy_sessions"

    id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    state: Mapped[str] = mapped_column(default="open")
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    delivered_at: Mapped[datetime | None]

    __table_args__ = (CheckConstraint("state IN ('open', 'paid', 'declined', 'expired')", name="state"),)
