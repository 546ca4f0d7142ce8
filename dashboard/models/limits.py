"""Spend limits: how much may be spent in a window of time, and how much was spent."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.models.base import Base, OrgOwned, org_key, org_root

WINDOWS = ("day", "week", "month")
LIMIT_SCOPES = ("key", "member", "app", "org")
"""What a limit applies to, in the order in which a refusal names one of several."""


class SpendLimit(OrgOwned, Base):
    """At most `amount` micros per UTC day, week (from Monday) or month. `scope_id` names what is limited: the id of the
    organization, of a user or of an API key, or the name of an app.

    `hard`: what does not fit is refused; otherwise it is counted, and one LimitAlert per window is written. `imposed`:
    an owner or admin set it on a key, so that it binds the member and not only the key.
    """

    __tablename__ = "limits"

    scope: Mapped[str]
    scope_id: Mapped[str]
    window: Mapped[str]
    amount: Mapped[int] = mapped_column(BigInteger)
    ended_at: Mapped[datetime | None]
    imposed: Mapped[bool] = mapped_column(default=False, server_default="false")
    mode: Mapped[str]
    hard: Mapped[bool] = mapped_column(default=True, server_default="true")

    __table_args__ = (
        org_root(),
        Index(
            "uq_limits_org_id_scope",
            "org_id",
            "mode",
            "scope",
            "scope_id",
            "window",
            "hard",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        CheckConstraint(f"scope IN {LIMIT_SCOPES}", name="scope"),
        CheckConstraint(f'"window" IN {WINDOWS}', name="window"),
        CheckConstraint("mode IN ('test', 'live')", name="mode"),
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


class LimitAlert(OrgOwned, Base):
    """A soft limit of `amount` was passed: at that moment, `spent` was spent in the window."""

    __tablename__ = "limit_alerts"

    limit_id: Mapped[UUID]
    window_start: Mapped[date]
    amount: Mapped[int] = mapped_column(BigInteger)
    spent: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        org_key("limit_id", "limits"),
        Index("uq_limit_alerts_org_id_limit_id_window_start", "org_id", "limit_id", "window_start", unique=True),
    )
