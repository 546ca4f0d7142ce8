"""Wallets and the ledger. Only `domain/funds` writes them; a wallet is opened with its organization.

`ledger` posts transactions, `expiry` posts expiries, `credit_grants.settlement` works out which credit grant paid for
what, and `seals` seals.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Computed, Index, LargeBinary, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.models.base import Base, OrgOwned, org_key, org_root
from dashboard.models.transaction_types import ADJUSTMENTS, TRANSACTION_TYPES

LOW_MICROS = 5_000_000
"""Below this a balance of dollars is low."""

LOW, OVERDRAWN = 1, 2
LEVEL = f"CASE WHEN balance < 0 THEN {OVERDRAWN} WHEN balance - held < {LOW_MICROS} THEN {LOW} END"
"""Changes only when a balance crosses a border, so that its index leaves charges the cheap updates (HOT) they had."""


class Wallet(OrgOwned, Base):
    """A balance of one unit in one mode, in the unit's smallest part (micros for usd). The holder is a member, a team,
    a seat or an end user, or the organization itself if none is named.

    `next_expiry_at`: when its next credit grant expires. `settled_seq`: the last transaction whose grant allocations
    are known. `sealed_seq`: the wallet is sealed at least up to this transaction; a hint where not to look for unsealed
    rows. `level`: LOW if less than `LOW_MICROS` are available, OVERDRAWN below zero, else None.
    """

    __tablename__ = "wallets"

    mode: Mapped[str]
    unit: Mapped[str]
    membership_id: Mapped[UUID | None]
    team_id: Mapped[UUID | None]
    seat_id: Mapped[UUID | None]
    end_user_id: Mapped[UUID | None]
    balance: Mapped[int] = mapped_column(BigInteger, default=0)
    held: Mapped[int] = mapped_column(BigInteger, default=0)
    seq: Mapped[int] = mapped_column(BigInteger, default=0)
    overdraft_limit: Mapped[int] = mapped_column(BigInteger, default=0)
    frozen_at: Mapped[datetime | None]
    last_posted_at: Mapped[datetime | None]
    next_expiry_at: Mapped[datetime | None]
    settled_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    sealed_seq: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    level: Mapped[int | None] = mapped_column(SmallInteger, Computed(LEVEL, persisted=True))

    __table_args__ = (
        org_root(),
        Index("ix_wallets_level", "mode", "level", "org_id", postgresql_where=text("level IS NOT NULL")),
        Index("ix_wallets_next_expiry_at", "next_expiry_at", postgresql_where=text("next_expiry_at IS NOT NULL")),
        org_key("membership_id", "memberships"),
        org_key("end_user_id", "end_users"),
        Index(
            "uq_wallets_holder",
            "org_id",
            "mode",
            "unit",
            "membership_id",
            "team_id",
            "seat_id",
            "end_user_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        CheckConstraint("num_nonnulls(membership_id, team_id, seat_id, end_user_id) <= 1", name="holder"),
        CheckConstraint("mode IN ('test', 'live')", name="mode"),
        CheckConstraint("held >= 0 AND overdraft_limit >= 0", name="floors"),
        {"postgresql_with": {"fillfactor": "50"}},
    )

    @property
    def available(self) -> int:
        return self.balance - self.held

    @property
    def blocked(self) -> bool:
        return self.available <= -self.overdraft_limit


class Transaction(OrgOwned, Base):
    """One immutable ledger row. `key` is unique per (organization, mode, origin) and names the business fact that it
    posts. `member_id` is the user to whom it counts: who acted, or whose key did at that moment. A key that passes on
    takes no earlier row along. `grant_id`: the credit grant that a removal takes from; None if it follows the order in
    which credit is spent."""

    __tablename__ = "transactions"

    wallet_id: Mapped[UUID]
    mode: Mapped[str]
    seq: Mapped[int] = mapped_column(BigInteger)
    type: Mapped[str]
    amount: Mapped[int] = mapped_column(BigInteger)
    balance_before: Mapped[int] = mapped_column(BigInteger)
    balance_after: Mapped[int] = mapped_column(BigInteger)
    origin: Mapped[str]
    key: Mapped[str]
    body_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    description: Mapped[str]
    reason: Mapped[str | None]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    app: Mapped[str] = mapped_column(default="")
    member_id: Mapped[UUID | None]
    payment_id: Mapped[UUID | None]
    grant_id: Mapped[UUID | None]

    __table_args__ = (
        org_key("wallet_id", "wallets"),
        Index("uq_transactions_org_id_wallet_id_seq", "org_id", "wallet_id", "seq", unique=True),
        Index("uq_transactions_org_id_mode_origin_key", "org_id", "mode", "origin", "key", unique=True),
        Index(
            "ix_transactions_member",
            "org_id",
            "member_id",
            "wallet_id",
            "seq",
            postgresql_where=text("member_id IS NOT NULL"),
        ),
        Index("ix_transactions_payment", "org_id", "payment_id", postgresql_where=text("payment_id IS NOT NULL")),
        # The few actions of managers among any number of charges, which this index does not slow down.
        Index(
            "ix_transactions_adjustments",
            "org_id",
            "id",
            postgresql_where=text(f"type IN {ADJUSTMENTS}"),
        ),
        CheckConstraint("amount <> 0 AND balance_after = balance_before + amount", name="sum"),
        CheckConstraint(f"type IN {tuple(TRANSACTION_TYPES)}", name="type"),
        CheckConstraint("grant_id IS NULL OR type = 'admin_removal'", name="directed"),
    )


OTHER_APPS = "\x01other"
"""Value of `WalletDay.app` for apps that are not counted by name. An app's own name has no control characters."""


class WalletDay(Base):
    """Sum and number of a wallet's transactions of one type and app in one UTC day. `app` is '' for rows without one.

    The number of apps per day is bounded: the rest is in the row OTHER_APPS. All transactions of an app on one day are
    counted in the same row.
    """

    __tablename__ = "wallet_days"
    __tenant__ = True

    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    wallet_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(primary_key=True)
    app: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[int] = mapped_column(BigInteger)
    count: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (org_key("wallet_id", "wallets"), {"postgresql_with": {"fillfactor": "50"}})


class PlatformFigures(Base):
    """Sums over all wallets of a mode, as they were last counted."""

    __tablename__ = "platform_figures"

    mode: Mapped[str] = mapped_column(primary_key=True)
    counted_at: Mapped[datetime]
    figures: Mapped[dict[str, Any]]


class LedgerSeal(OrgOwned, Base):
    """A hash over a block of a wallet's transactions and the previous seal. `checksums` identify the row that does not
    match."""

    __tablename__ = "ledger_seals"

    wallet_id: Mapped[UUID]
    seq_from: Mapped[int] = mapped_column(BigInteger)
    seq_to: Mapped[int] = mapped_column(BigInteger)
    previous_hash: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    checksums: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (
        org_key("wallet_id", "wallets"),
        Index("uq_ledger_seals_org_id_wallet_id_seq_from", "org_id", "wallet_id", "seq_from", unique=True),
        CheckConstraint("seq_from >= 1 AND seq_to >= seq_from", name="block"),
    )


class CreditGrant(OrgOwned, Base):
    """A part of a balance: its amount, paid or promotional, and the order in which it is spent.

    `opened_seq` is the transaction that opened it; `remaining` is what is left after the wallet's `settled_seq`. It
    expires at `expires_at`.
    """

    __tablename__ = "credit_grants"

    wallet_id: Mapped[UUID]
    transaction_id: Mapped[UUID]
    kind: Mapped[str]
    category: Mapped[str]
    amount: Mapped[int] = mapped_column(BigInteger)
    priority: Mapped[int] = mapped_column(default=0)
    opened_seq: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[datetime | None]
    remaining: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        org_key("wallet_id", "wallets"),
        org_key("transaction_id", "transactions"),
        Index("ix_credit_grants_org_id_transaction_id", "org_id", "transaction_id"),
        Index("ix_credit_grants_wallet", "org_id", "wallet_id", "id"),
        Index(
            "ix_credit_grants_dated", "expires_at", postgresql_where=text("expires_at IS NOT NULL AND remaining > 0")
        ),
        Index("ix_credit_grants_open", "org_id", "wallet_id", "opened_seq", postgresql_where=text("remaining > 0")),
        Index(
            "ix_credit_grants_expiring",
            "org_id",
            "wallet_id",
            "expires_at",
            postgresql_where=text("remaining > 0 AND expires_at IS NOT NULL"),
        ),
        CheckConstraint("kind IN ('paid', 'promotional') AND amount > 0", name="slice"),
        CheckConstraint("remaining BETWEEN 0 AND amount", name="remaining"),
    )


class GrantBurn(OrgOwned, Base):
    """What one credit grant paid: `amount` over the debits from `seq_from` to `seq_to`.

    A debit that two credit grants share is in both ranges with its part. If the range is the transaction that opened
    the grant, it paid an earlier debt; if it is an expiry, it is the expired amount.
    """

    __tablename__ = "grant_burns"

    wallet_id: Mapped[UUID]
    grant_id: Mapped[UUID]
    seq_from: Mapped[int] = mapped_column(BigInteger)
    seq_to: Mapped[int] = mapped_column(BigInteger)
    amount: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        org_key("wallet_id", "wallets"),
        org_key("grant_id", "credit_grants"),
        Index("ix_grant_burns_org_id_grant_id", "org_id", "grant_id"),
        CheckConstraint("seq_from >= 1 AND seq_to >= seq_from AND amount > 0", name="range"),
    )


class Notice(OrgOwned, Base):
    """What an organization is told once: `kind` about `subject_id`, at `step`. For `expiry` these are a credit grant,
    the days before it expires, and the `amount` that was left of it then."""

    __tablename__ = "notices"

    kind: Mapped[str]
    subject_id: Mapped[UUID]
    step: Mapped[int]
    amount: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        org_root(),
        Index("uq_notices_org_id_kind_subject_id_step", "org_id", "kind", "subject_id", "step", unique=True),
        CheckConstraint("kind IN ('expiry')", name="kind"),
    )
