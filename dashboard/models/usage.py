"""Usage: what is metered, at which price, and what was used. Only `domain/usage` writes it.

The platform's metrics belong to the platform's organization; a self-funded organization has its own. A row of another
organization names a metric by its key, because no foreign key crosses organizations.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.models.base import Base, OrgOwned, org_key, org_root

PERIODS = ("none", "day", "month")
PER_EVENT = "per_event"
PRICE_KINDS = ("flat", "graduated", "package", PER_EVENT)
WHEN_UNPRICED = ("refuse", "park")
EVENT_STATES = ("charged", "uncharged", "unpriced")


class Metric(OrgOwned, Base):
    """Something that is counted, such as tokens. `unit` names one of it, such as `token`. While it has no price, its
    usage is refused, or parked: recorded, and charged later (`when_unpriced`)."""

    __tablename__ = "metrics"

    key: Mapped[str]
    name: Mapped[str]
    unit: Mapped[str]
    archived_at: Mapped[datetime | None]
    when_unpriced: Mapped[str] = mapped_column(default="refuse", server_default="refuse")

    __table_args__ = (
        org_root(),
        Index("uq_metrics_org_id_key", "org_id", "key", unique=True),
        CheckConstraint(f"when_unpriced IN {WHEN_UNPRICED}", name="when_unpriced"),
    )


class Price(OrgOwned, Base):
    """One version of a metric's price, immutable. It is in force from `effective_from` until the next version's.

    `org_id` is the owner of the metric, for everyone, or one organization, which pays this price instead. `flat`:
    `amount_micros` per `per_units`. `package`: the same for each begun package of `per_units`. `graduated`: `tiers`, a
    list of {up_to (null in the last), amount_micros, per_units}. The first `free_units` of each UTC `period` are free.
    `per_event`: `amount_micros` per `per_units`, of each event for itself, at least `min_micros`, at most `max_micros`.
    """

    __tablename__ = "prices"

    metric_key: Mapped[str]
    kind: Mapped[str]
    amount_micros: Mapped[int] = mapped_column(BigInteger, default=0)
    per_units: Mapped[int] = mapped_column(BigInteger, default=1)
    tiers: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    free_units: Mapped[int] = mapped_column(BigInteger, default=0)
    period: Mapped[str] = mapped_column(default="none")
    min_micros: Mapped[int | None] = mapped_column(BigInteger)
    max_micros: Mapped[int | None] = mapped_column(BigInteger)
    effective_from: Mapped[datetime]

    __table_args__ = (
        org_root(),
        Index("uq_prices_org_id_metric_key_effective_from", "org_id", "metric_key", "effective_from", unique=True),
        CheckConstraint(f"kind IN {PRICE_KINDS} AND (kind = 'graduated') = (tiers IS NOT NULL)", name="kind"),
        CheckConstraint(f"period IN {PERIODS}", name="period"),
        CheckConstraint("amount_micros >= 0 AND per_units >= 1 AND free_units >= 0", name="amounts"),
        CheckConstraint(
            "num_nonnulls(min_micros, max_micros) = 0 OR kind = 'per_event' AND min_micros >= 0"
            " AND max_micros >= coalesce(min_micros, 0)",
            name="bounds",
        ),
        CheckConstraint("kind <> 'per_event' OR free_units = 0 AND period = 'none'", name="per_event"),
    )


class UsageEvent(OrgOwned, Base):
    """What was used, once per (organization, mode, `key`).

    `charged`: `units_after` is the position in the price's segment (`UsagePosition`) after this event, and `cost` what
    it cost: the price of all units up to there, less the price of those before. `transaction_id` is None if it cost
    nothing. `uncharged` and `unpriced` (parked until there is a price): none of these is known yet, which is not zero.
    A voided event counts no more; `credited` is what the void gave back, by `void_transaction_id` if above zero.
    """

    __tablename__ = "usage_events"

    wallet_id: Mapped[UUID]
    mode: Mapped[str]
    metric_key: Mapped[str]
    units: Mapped[int] = mapped_column(BigInteger)
    occurred_at: Mapped[datetime]
    key: Mapped[str]
    body_hash: Mapped[bytes] = mapped_column(LargeBinary)
    app: Mapped[str] = mapped_column(default="")
    member_id: Mapped[UUID | None]
    api_key_id: Mapped[UUID | None]
    properties: Mapped[dict[str, str]] = mapped_column(JSONB)
    state: Mapped[str] = mapped_column(default="charged", server_default="charged")
    price_id: Mapped[UUID | None]
    period_start: Mapped[date | None]
    units_after: Mapped[int | None] = mapped_column(BigInteger)
    cost: Mapped[int | None] = mapped_column(BigInteger)
    transaction_id: Mapped[UUID | None]
    voided_at: Mapped[datetime | None]
    void_reason: Mapped[str | None]
    credited: Mapped[int | None] = mapped_column(BigInteger)
    void_transaction_id: Mapped[UUID | None]

    __table_args__ = (
        org_key("wallet_id", "wallets"),
        org_key("transaction_id", "transactions"),
        org_key("void_transaction_id", "transactions"),
        Index("uq_usage_events_org_id_mode_key", "org_id", "mode", "key", unique=True),
        Index("ix_usage_events_occurred", "org_id", "wallet_id", "occurred_at", "id"),
        Index(
            "ix_usage_events_member",
            "org_id",
            "member_id",
            "wallet_id",
            "occurred_at",
            "id",
            postgresql_where=text("member_id IS NOT NULL"),
        ),
        Index(
            "ix_usage_events_transaction",
            "org_id",
            "transaction_id",
            postgresql_where=text("transaction_id IS NOT NULL"),
        ),
        Index(
            "ix_usage_events_void_transaction",
            "org_id",
            "void_transaction_id",
            postgresql_where=text("void_transaction_id IS NOT NULL"),
        ),
        Index(
            "ix_usage_events_waiting",
            "metric_key",
            "org_id",
            "id",
            postgresql_where=text("state <> 'charged' AND voided_at IS NULL"),
        ),
        CheckConstraint("units > 0 AND cost >= 0 AND units_after >= units", name="units"),
        CheckConstraint("cost = 0 OR transaction_id IS NOT NULL", name="charged"),
        CheckConstraint(
            f"state IN {EVENT_STATES} AND num_nonnulls(price_id, period_start, units_after, cost) "
            "= CASE state WHEN 'charged' THEN 4 ELSE 0 END",
            name="state",
        ),
        CheckConstraint(
            "(voided_at IS NULL) = (credited IS NULL) AND credited >= 0 "
            "AND (credited > 0) = (void_transaction_id IS NOT NULL)",
            name="voided",
        ),
    )


class UsagePosition(Base):
    """How far a wallet has come with one price of a metric in one period.

    `start` is the position at which the price was first used; `units` were priced by it since, for `cost`. So a new
    version in mid-period continues from the position reached, and cost = price(start + units) - price(start) always.
    """

    __tablename__ = "usage_positions"
    __tenant__ = True

    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    wallet_id: Mapped[UUID] = mapped_column(primary_key=True)
    metric_key: Mapped[str] = mapped_column(primary_key=True)
    period_start: Mapped[date] = mapped_column(primary_key=True)
    price_id: Mapped[UUID] = mapped_column(primary_key=True)
    start: Mapped[int] = mapped_column(BigInteger)
    units: Mapped[int] = mapped_column(BigInteger)
    cost: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        org_key("wallet_id", "wallets"),
        CheckConstraint("start >= 0 AND units >= 0 AND cost >= 0", name="sums"),
    )


class UsageCounter(Base):
    """Units and cost of one metric in one wallet and UTC day: of all, or of one hour, app, member or API key (`value`).

    An hour is `00` to `23`. The number of apps per day is bounded, as in `WalletDay`.
    """

    __tablename__ = "usage_counters"
    __tenant__ = True

    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    wallet_id: Mapped[UUID] = mapped_column(primary_key=True)
    dimension: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    metric_key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    units: Mapped[int] = mapped_column(BigInteger)
    cost: Mapped[int] = mapped_column(BigInteger)
    events: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        org_key("wallet_id", "wallets"),
        CheckConstraint("dimension IN ('all', 'hour', 'app', 'member', 'key')", name="dimension"),
        {"postgresql_with": {"fillfactor": "50"}},
    )
