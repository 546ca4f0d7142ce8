"""Spend limits: how much may be spent in a window of time, and how much was spent."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.models.base import Base, OrgOwned, org_key, org_root

WINDOWS = ("day", "month")


class SpendLimit(OrgOwned, Base):
    """At most `amount` micros per UTC day or month. `scope_id` names what is limited: for `key`, an API key's id.

    `imposed`: an owner or admin set it, so that it binds the member and not only the key.
    """

    __tablename__ = "limits"

    scope: Mapped[str]
    scope_id: Mapped[str]
    window: Mapped[str]
    amount: Mapped[int] = mapped_column(BigInteger)
    ended_at: Mapped[datetime | None]
    imposed: Mapped[bool] = mapped_column(default=False, server_default="false")

    __table_args__ = (
        org_root(),
        Index(
            "uq_limits_org_id_scope",
            "org_id",
            "scope",
            "scope_id",
            "window",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        CheckConstraint("scope IN ('key')", name="scope"),
        CheckConstraint(f'"window" IN {WINDOWS}', name="window"),
        CheckConstraint("amount > 0", name="amount"),
    )


class LimitWindow(Base):
    """What was spent in the window that began on `window_start`. Locked after the wallets."""

    __tablename__ = "limit_windows"
    __tenant__ = True

    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    limit_id: Mapped[UUID] = mapped_column(primary_key=True)
    window_start: Mapped[date] = mapped_column(primary_key=True)
    spent: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (org_key("limit_id", "limits"), CheckConstraint("spent >= 0", name="spent"))
