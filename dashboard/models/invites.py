"""Invites to an organization, and the end users that its own identity provider signs in."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from dashboard.core import clock
from dashboard.models.base import Base, OrgOwned, org_root
from dashboard.models.identity import Organization, User

INVITE_STATES = ("pending", "accepted", "declined", "revoked")
ALGORITHMS = ("RS256", "ES256", "EdDSA", "HS256")


class Invite(OrgOwned, Base):
    """One open invite per organization and address. After `expires_at`, a pending one opens nothing."""

    __tablename__ = "invites"

    email: Mapped[str] = mapped_column()
    role: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    invited_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    sent_at: Mapped[datetime] = mapped_column(default=clock.now)
    expires_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(default="pending")
    ended_at: Mapped[datetime | None]
    accepted_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))

    organization: Mapped[Organization] = relationship(viewonly=True)
    inviter: Mapped[User | None] = relationship(viewonly=True, foreign_keys=[invited_by])

    __table_args__ = (
        org_root(),
        Index("uq_invites_org_id_token_hash", "org_id", "token_hash", unique=True),
        Index(
            "uq_invites_org_id_email",
            "org_id",
            func.lower(email),
            unique=True,
            postgresql_where=text("state = 'pending'"),
        ),
        Index("ix_invites_email", func.lower(email), postgresql_where=text("state = 'pending'")),
        CheckConstraint("role IN ('owner', 'admin', 'member', 'viewer')", name="role"),
        CheckConstraint(f"state IN {INVITE_STATES}", name="state"),
    )


class IdentityProvider(OrgOwned, Base):
    """Who signs the tokens of the organization's end users in one mode. `secret` is encrypted. `jwks` is given, or
    fetched from `jwks_url` at `fetched_at`; `fetch_error` says why the attempt at `tried_at` failed."""

    __tablename__ = "identity_providers"

    mode: Mapped[str]
    issuer: Mapped[str]
    algorithm: Mapped[str]
    jwks_url: Mapped[str | None]
    jwks: Mapped[dict[str, Any] | None]
    secret: Mapped[str | None]
    fetched_at: Mapped[datetime | None]
    tried_at: Mapped[datetime | None]
    fetch_error: Mapped[str | None]
    updated_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        org_root(),
        Index("uq_identity_providers_org_id_mode", "org_id", "mode", unique=True),
        CheckConstraint("mode IN ('test', 'live')", name="mode"),
        CheckConstraint(f"algorithm IN {ALGORITHMS}", name="algorithm"),
        CheckConstraint(
            "(algorithm = 'HS256') = (secret IS NOT NULL) "
            "AND (algorithm = 'HS256' OR jwks_url IS NOT NULL OR jwks IS NOT NULL)",
            name="key",
        ),
    )


class EndUser(OrgOwned, Base):
    """A user of the organization's identity provider; never a member."""

    __tablename__ = "end_users"

    mode: Mapped[str]
    subject: Mapped[str]
    last_seen_at: Mapped[datetime | None]

    __table_args__ = (
        org_root(),
        Index("uq_end_users_org_id_mode_subject", "org_id", "mode", "subject", unique=True),
        CheckConstraint("mode IN ('test', 'live')", name="mode"),
    )
