"""Emails to send. A row is written together with its cause and sent afterwards."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.models.base import Base, OrgOwned, org_root

EMAIL_STATES = ("waiting", "sent", "failed", "parked", "dismissed")


class OutboxEmail(OrgOwned, Base):
    """One email, unique per (organization, `key`): the fact that it reports. `context` holds what its template needs.
    `secret` holds the token of its link, encrypted, until the email is sent."""

    __tablename__ = "outbox_emails"

    key: Mapped[str]
    event: Mapped[str]
    to_address: Mapped[str]
    context: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(default="waiting")
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime | None]
    error: Mapped[str | None]
    sent_at: Mapped[datetime | None]
    secret: Mapped[str | None]

    __table_args__ = (
        org_root(),
        Index("uq_outbox_emails_org_id_key", "org_id", "key", unique=True),
        Index(
            "ix_outbox_emails_due",
            "org_id",
            text("next_attempt_at NULLS FIRST"),
            "id",
            postgresql_where=text("state IN ('waiting', 'failed')"),
        ),
        Index("ix_outbox_emails_parked", "org_id", "id", postgresql_where=text("state = 'parked'")),
        Index("ix_outbox_emails_sent", "sent_at", postgresql_where=text("sent_at IS NOT NULL")),
        CheckConstraint(f"state IN {EMAIL_STATES}", name="state"),
    )
