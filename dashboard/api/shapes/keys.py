"""API keys of an organization."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from dashboard.api.shapes.money import Mode, mode, usd
from dashboard.domain.funds.spend_limits import LimitUsage
from dashboard.models import ApiKey as ApiKeyRow


class ApiKeyCap(BaseModel):
    """The most that the key may charge per UTC day, week or month, and what it charged in the current one."""

    amount_micros: int
    amount_usd: str
    window: Literal["day", "week", "month"]
    spent_micros: int
    spent_usd: str
    resets_at: datetime


class ApiKey(BaseModel):
    """`prefix` identifies the key; its text cannot be read again. `replaces_id` is the key that it replaced."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    mode: Mode
    created_by: UUID | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    last_used_ip: str | None
    revoked_at: datetime | None
    replaces_id: UUID | None
    cap: ApiKeyCap | None


class ApiKeyWithSecret(ApiKey):
    """Only this response contains `key`."""

    key: str


class ApiKeyList(BaseModel):
    data: list[ApiKey]
    next_cursor: str | None


def key(row: ApiKeyRow, usage: LimitUsage | None) -> ApiKey:
    cap = usage and ApiKeyCap(
        amount_micros=usage.amount, amount_usd=usd(usage.amount), window=_window(usage.window),
        spent_micros=usage.spent, spent_usd=usd(usage.spent), resets_at=usage.resets_at,
    )  # fmt: skip
    return ApiKey(
        id=row.id, name=row.name, prefix=row.prefix, scopes=row.scopes, mode=mode(row.mode),
        created_by=row.created_by, created_at=row.created_at, expires_at=row.expires_at,
        last_used_at=row.last_used_at, last_used_ip=row.last_used_ip, revoked_at=row.revoked_at,
        replaces_id=row.replaces_id, cap=cap,
    )  # fmt: skip


def new_key(row: ApiKeyRow, usage: LimitUsage | None, text: str) -> ApiKeyWithSecret:
    return ApiKeyWithSecret(**dict(key(row, usage)), key=text)


def _window(text: str) -> Literal["day", "week", "month"]:
    return "day" if text == "day" else "week" if text == "week" else "month"
