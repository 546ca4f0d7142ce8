"""People."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from dashboard.models import User as UserRow


class User(BaseModel):
    id: UUID
    email: str
    name: str
    platform_role: str
    email_verified_at: datetime | None
    disabled_at: datetime | None
    created_at: datetime


class UserList(BaseModel):
    data: list[User]
    next_cursor: str | None


def user(row: UserRow) -> User:
    return User(
        id=row.id, email=row.email, name=row.name, platform_role=row.platform_role,
        email_verified_at=row.email_verified_at, disabled_at=row.disabled_at, created_at=row.created_at,
    )  # fmt: skip
