"""Users, their sessions and tokens, organizations and their members."""

from datetime import datetime
from typing import Any
from uuid import UUID

from flask_login import UserMixin
from sqlalchemy import BigInteger, CheckConstraint, ColumnElement, ForeignKey, Index, LargeBinary, and_, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from dashboard.core import clock, ids
from dashboard.models.base import PLATFORM_ORG_ID, Base, OrgOwned, org_key, org_root


class User(UserMixin, Base):
    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=ids.new)
    email: Mapped[str] = mapped_column()
    name: Mapped[str]
    password_hash: Mapped[str]
    platform_role: Mapped[str] = mapped_column(default="standard")
    email_verified_at: Mapped[datetime | None]
    timezone: Mapped[str] = mapped_column(default="UTC")
    theme: Mapped[str] = mapped_column(default="system")
    last_org_id: Mapped[UUID | None]
    last_seen_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    totp_secret: Mapped[str | None]
    totp_enabled_at: Mapped[datetime | None]
    totp_last_step: Mapped[int | None] = mapped_column(BigInteger)
    password_changed_at: Mapped[datetime | None]
    keyboard: Mapped[bool] = mapped_column(default=True, server_default="true")
    erased_at: Mapped[datetime | None]

    __table_args__ = (
        Index("uq_users_email", func.lower(email), unique=True),
        CheckConstraint("platform_role IN ('standard', 'platform_manager')", name="platform_role"),
        CheckConstraint("theme IN ('system', 'light', 'dark')", name="theme"),
    )

    @property
    def is_manager(self) -> bool:
        return self.platform_role == "platform_manager"

    @property
    def is_active(self) -> bool:
        return self.disabled_at is None


class UserSession(Base):
    """A browser's session. `user_id` is null for an anonymous form. Only the token's hash is stored."""

    __tablename__ = "user_sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=ids.new)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    csrf_token: Mapped[str | None]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), index=True)
    state: Mapped[dict[str, Any]] = mapped_column(default=dict)
    ip: Mapped[str | None]
    user_agent: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    last_seen_at: Mapped[datetime] = mapped_column(default=clock.now)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    reauthenticated_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    user: Mapped[User | None] = relationship(viewonly=True)


class PersonalToken(Base):
    __tablename__ = "personal_tokens"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=ids.new)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[str]
    prefix: Mapped[str]
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    last_used_ip: Mapped[str | None]
    revoked_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(viewonly=True)


class RateBucket(Base):
    """How often something happened in the window that begins at `window_start`."""

    __tablename__ = "rate_buckets"

    key: Mapped[str] = mapped_column(primary_key=True)
    window_start: Mapped[datetime] = mapped_column(primary_key=True)
    count: Mapped[int]


class FirstAnswer(Base):
    """The first answer to a POST, by the digest of its idempotency key. `owner_id` is an organization or a user.

    `status` is null until it was answered; `acted` says that it changed something. Of an answer with a secret only
    `made_id` is kept.
    """

    __tablename__ = "first_answers"

    owner_id: Mapped[UUID] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    body_hash: Mapped[bytes] = mapped_column(LargeBinary)
    claim_id: Mapped[UUID]
    claimed_at: Mapped[datetime] = mapped_column(index=True)
    scopes: Mapped[list[str]]
    acted: Mapped[bool] = mapped_column(default=False, server_default="false")
    status: Mapped[int | None]
    body: Mapped[str | None]
    made_id: Mapped[UUID | None]


class UserFollowUp(Base):
    """What remains to be done in one organization after an action on a user. Deleted in the transaction that does
    it."""

    __tablename__ = "user_follow_ups"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=ids.new)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    org_id: Mapped[UUID]
    act: Mapped[str]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (CheckConstraint("act IN ('disabled', 'enabled', 'erased', 'manager_removed')", name="act"),)


class Organization(Base):
    """`has_limits`: spend limits besides those of keys may apply to what it spends; if not, charges look for none."""

    __tablename__ = "organizations"
    __tenant__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True, default=ids.new)
    name: Mapped[str]
    slug: Mapped[str]
    timezone: Mapped[str] = mapped_column(default="UTC")
    kind: Mapped[str] = mapped_column(default="team")
    funding: Mapped[str] = mapped_column(default="platform")
    return_hosts: Mapped[list[str]] = mapped_column(default=list)
    suspended_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    billing_email: Mapped[str | None]
    billing_address: Mapped[str | None]
    tax_id: Mapped[str | None]
    has_limits: Mapped[bool] = mapped_column(default=False, server_default="false")

    __table_args__ = (
        CheckConstraint("kind IN ('personal', 'team', 'platform')", name="kind"),
        CheckConstraint("funding IN ('platform', 'own')", name="funding"),
    )

    @property
    def org_id(self) -> UUID:
        return self.id


class FormerSlug(Base):
    """A slug that an organization gave up. For some time, no other organization gets it."""

    __tablename__ = "former_slugs"

    slug: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    given_up_at: Mapped[datetime]


class OrgDirectory(Base):
    """The organization for a slug or an external key: the only global lookup.

    The external key is the operator's own id for the organization. Without `external_key_confirmed_at`, an owner set
    it.
    """

    __tablename__ = "org_directory"

    org_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"), primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    external_key: Mapped[str | None] = mapped_column(unique=True)
    external_key_confirmed_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("external_key IS NOT NULL OR external_key_confirmed_at IS NULL", name="confirmed_key"),
        Index(
            "ix_org_directory_unconfirmed",
            "org_id",
            postgresql_where=text("external_key IS NOT NULL AND external_key_confirmed_at IS NULL"),
        ),
    )

    @classmethod
    def unconfirmed(cls) -> ColumnElement[bool]:
        """SQL condition: an operator must still confirm or clear the external key."""
        return and_(cls.external_key.is_not(None), cls.external_key_confirmed_at.is_(None))


class Membership(OrgOwned, Base):
    __tablename__ = "memberships"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    role: Mapped[str]
    removed_at: Mapped[datetime | None]
    last_seen_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(viewonly=True)
    organization: Mapped[Organization] = relationship(viewonly=True)

    __table_args__ = (
        org_root(),
        Index(
            "uq_memberships_org_id_user_id",
            "org_id",
            "user_id",
            unique=True,
            postgresql_where=text("removed_at IS NULL"),
        ),
        Index(
            "ix_memberships_recent",
            "user_id",
            text("last_seen_at DESC NULLS LAST"),
            "org_id",
            postgresql_where=text("removed_at IS NULL"),
        ),
        CheckConstraint("role IN ('owner', 'admin', 'member', 'viewer')", name="role"),
    )


class ApiKey(OrgOwned, Base):
    """`issued_by` never changes: `platform` for keys that a command or a manager created, even if passed on.

    `service`: a key of the platform that acts in every platform-funded organization of its mode. `call_limit`: how many
    calls it may make in the window of the throttle; null for as many as others.
    """

    __tablename__ = "api_keys"

    name: Mapped[str]
    prefix: Mapped[str]
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary)
    scopes: Mapped[list[str]]
    mode: Mapped[str]
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    last_used_ip: Mapped[str | None]
    revoked_at: Mapped[datetime | None]
    replaces_id: Mapped[UUID | None]
    revoked_by: Mapped[UUID | None]
    limit_id: Mapped[UUID | None]
    issued_by: Mapped[str] = mapped_column(default="org", server_default="org")
    service: Mapped[bool] = mapped_column(default=False, server_default="false")
    call_limit: Mapped[int | None]

    organization: Mapped[Organization] = relationship(viewonly=True)
    holder: Mapped[User | None] = relationship(viewonly=True)

    __table_args__ = (
        org_root(),
        org_key("replaces_id", "api_keys"),
        org_key("limit_id", "limits"),
        Index("uq_api_keys_org_id_secret_hash", "org_id", "secret_hash", unique=True),
        CheckConstraint("mode IN ('test', 'live')", name="mode"),
        CheckConstraint("call_limit BETWEEN 1 AND 1000000", name="call_limit"),
        CheckConstraint("issued_by IN ('org', 'platform')", name="issued_by"),
        CheckConstraint(
            f"NOT service OR (issued_by = 'platform' AND org_id = '{PLATFORM_ORG_ID}'::uuid)", name="service"
        ),
    )

    @property
    def platforms(self) -> bool:
        """Whether it is the platform's own key: the organization's users may revoke it but never see its text."""
        return self.issued_by == "platform"


class AuditEntry(OrgOwned, Base):
    """Who did what to which object. INSERT only."""

    __tablename__ = "audit_entries"

    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    action: Mapped[str]
    object_kind: Mapped[str]
    object_id: Mapped[str]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    reason: Mapped[str | None]
    ip: Mapped[str | None]
    request_id: Mapped[str | None]

    __table_args__ = (
        org_root(),
        Index("ix_audit_entries_id", "id"),
        Index("ix_audit_entries_actor", "org_id", "actor_id", "id"),
        Index("ix_audit_entries_payments", "org_id", "object_id", postgresql_where=text("object_kind = 'payment'")),
    )


class Lease(Base):
    """Who holds a recurring task, and until when (by the database's clock). The token only grows."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str]
    token: Mapped[int]
    until: Mapped[datetime]
