"""How users prove their identity besides the password: links sent by email, known browsers and recovery codes."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from dashboard.core import clock, ids
from dashboard.models.base import Base
from dashboard.models.identity import User

PROOF_PURPOSES = ("verify", "reset", "change_from", "change_to")


class EmailToken(Base):
    """A link sent to `email`. Only its token's hash is stored. The two links of one change share `change_id`."""

    __tablename__ = "user_proofs"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=ids.new)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    purpose: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    email: Mapped[str]
    change_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(viewonly=True)

    __table_args__ = (CheckConstraint(f"purpose IN {PROOF_PURPOSES}", name="purpose"),)


class KnownDevice(Base):
    """A browser in which the user signed in before. Only the digest of its cookie's token is stored."""

    __tablename__ = "known_devices"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    last_seen_at: Mapped[datetime] = mapped_column(default=clock.now, index=True)


class WelcomedAddress(Base):
    """An address that received sign-up credits, stored only as an HMAC of its SHA-256. Older rows, not `keyed`, hold
    the SHA-256 itself. See `domain.people.sign_up_credits`."""

    __tablename__ = "welcomed_addresses"

    address_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    keyed: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (Index("ix_welcomed_addresses_unkeyed", "address_hash", postgresql_where=text("NOT keyed")),)


class StoredKey(Base):
    """A random key that must outlive the rotation of encryption keys. `sealed` is encrypted with the newest of them."""

    __tablename__ = "stored_keys"

    name: Mapped[str] = mapped_column(primary_key=True)
    sealed: Mapped[str]


class RecoveryCode(Base):
    """A code that replaces a second factor once."""

    __tablename__ = "recovery_codes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=ids.new)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    used_at: Mapped[datetime | None]

    __table_args__ = (Index("uq_recovery_codes_user_id_code_hash", "user_id", "code_hash", unique=True),)
