"""Who a token belongs to, and the identity provider of end users."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from dashboard.api.shapes.money import Mode
from dashboard.domain.access import identity_providers
from dashboard.models import IdentityProvider as ProviderRow


class Me(BaseModel):
    """A user by their token, an organization's key, a service key of the platform, or an end user of an organization.

    `subject` is the end user's id at the organization's identity provider; `org_id` is present for keys and end users.
    """

    kind: Literal["user", "key", "service_key", "end_user"]
    id: UUID
    mode: Mode
    scopes: list[str]
    expires_at: datetime | None
    name: str | None = None
    email: str | None = None
    org_id: UUID | None = None
    subject: str | None = None


class IdentityProvider(BaseModel):
    """`audience` is what tokens must name in `aud`. The secret cannot be read again; `jwks` contains public keys."""

    mode: Mode
    issuer: str
    algorithm: Literal["RS256", "ES256", "EdDSA", "HS256"]
    audience: str
    jwks_url: str | None
    jwks: dict[str, Any] | None
    has_secret: bool
    fetched_at: datetime | None
    tried_at: datetime | None
    fetch_error: str | None
    updated_at: datetime


def identity_provider(row: ProviderRow) -> IdentityProvider:
    return IdentityProvider.model_validate(
        {
            "mode": row.mode, "issuer": row.issuer, "algorithm": row.algorithm,
            "audience": identity_providers.audience(row.org_id, row.mode), "jwks_url": row.jwks_url,
            "jwks": row.jwks, "has_secret": row.secret is not None, "fetched_at": row.fetched_at,
            "tried_at": row.tried_at, "fetch_error": row.fetch_error, "updated_at": row.updated_at,
        }
    )  # fmt: skip
