"""Holds: money that is reserved in a wallet, to be charged later. Only `domain/funds/holds` writes them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.models.base import Base, OrgOwned, org_key

HOLD_STATES = ("open", "captured", "released", "expired")
HOLD_STEPS = ("opened", "extended", "captured", "released", "expired")


class Hold(OrgOwned, Base):
    """A reserved `amount`: a part of the wallet's `held` while it is open. Every other state is final.

    `captured` is what was charged, by `transaction_id`; the rest became available again. `member_id` is the user to
    whom it counts. `limits` are the spend limits that it counts towards since it was made: (organization, limit).
    """

    __tablename__ = "holds"

    wallet_id: Mapped[UUID]
    mode: Mapped[str]
    amount: Mapped[int] = mapped_column(BigInteger)
    captured: Mapped[int] = mapped_column(BigInteger, default=0)
    state: Mapped[str] = mapped_column(default="open")
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    description: Mapped[str] = mapped_column(default="")
    app: Mapped[str] = mapped_column(default="")
    member_id: Mapped[UUID | None]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    transaction_id: Mapped[UUID | None]
    limits: Mapped[list[tuple[str, str]]] = mapped_column(JSONB)

    __table_args__ = (
        org_key("wallet_id", "wallets"),
        org_key("transaction_id", "transactions"),
        Index("ix_holds_open", "org_id", "wallet_id", "expires_at", postgresql_where=text("state = 'open'")),
        Index("ix_holds_due", "expires_at", postgresql_where=text("state = 'open'")),
        Index(
            "uq_holds_org_id_transaction_id",
            "org_id",
            "transaction_id",
            unique=True,
            postgresql_where=text("transaction_id IS NOT NULL"),
        ),
        CheckConstraint("amount > 0 AND captured >= 0", name="amounts"),
        CheckConstraint(f"state IN {HOLD_STATES}", name="state"),
        CheckConstraint("(state = 'open') = (ended_at IS NULL)", name="ended"),
        CheckConstraint("(state = 'captured') = (captured > 0)", name="captured"),
    )


class HoldStep(OrgOwned, Base):
    """What was done to a hold, once per (organization, mode, `origin`, `key`), immutable.

    With the hold's own columns it gives the answer of that moment: `kind` is the state that followed, and `expires_at`
    when the hold expired from then on.
    """

    __tablename__ = "hold_steps"

    hold_id: Mapped[UUID]
    mode: Mapped[str]
    kind: Mapped[str]
    origin: Mapped[str]
    key: Mapped[str]
    body_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    expires_at: Mapped[datetime]

    __table_args__ = (
        org_key("hold_id", "holds"),
        Index("ix_hold_steps_org_id_hold_id", "org_id", "hold_id", "id"),
        Index("uq_hold_steps_org_id_mode_origin_key", "org_id", "mode", "origin", "key", unique=True),
        CheckConstraint(f"kind IN {HOLD_STEPS}", name="kind"),
    )
