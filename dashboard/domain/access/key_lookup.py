"""Finds the row of a key or token by its text. An organization's key names its tenant, and a service key is the
platform's, so neither needs a global lookup."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from dashboard.core import crypto, ids
from dashboard.core.db import db
from dashboard.models import PLATFORM_ORG_ID, ApiKey, PersonalToken

ORG_PREFIX = "cof_"
SERVICE_PREFIX = "cofs_"
PERSONAL_PREFIX = "cofp_"
LONGEST = 200


def find(text: str) -> ApiKey | PersonalToken | None:
    """The row, read again, whether or not the key still works. An organization's key has its `organization` and
    `holder` loaded, a token its `user`."""
    if len(text) > LONGEST or not text.isascii():
        return None
    if text.startswith(PERSONAL_PREFIX):
        return _personal(text.removeprefix(PERSONAL_PREFIX))
    if text.startswith(SERVICE_PREFIX):
        mode, _, secret = text.removeprefix(SERVICE_PREFIX).partition("_")
        return _key(secret, org_id=PLATFORM_ORG_ID, mode=mode, service=True)
    prefix, mode, org, secret = [*text.split("_", 3), "", "", ""][:4]
    if f"{prefix}_" != ORG_PREFIX or len(org) != 32 or (org_id := ids.parse(org)) is None:
        return None
    return _key(
        secret, joinedload(ApiKey.organization), joinedload(ApiKey.holder), org_id=org_id, mode=mode, service=False
    )


def _key(secret: str, *options: Any, **values: Any) -> ApiKey | None:
    query = select(ApiKey).filter_by(secret_hash=crypto.digest(secret), **values).options(*options)
    return db.session.scalar(query, execution_options={"populate_existing": True})


def _personal(secret: str) -> PersonalToken | None:
    query = select(PersonalToken).filter_by(secret_hash=crypto.digest(secret)).options(joinedload(PersonalToken.user))
    return db.session.scalar(query, execution_options={"populate_existing": True})
