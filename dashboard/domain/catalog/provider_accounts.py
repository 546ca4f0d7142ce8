"""Rows of provider accounts: the platform's, as the settings describe it, and those that organizations own."""

from typing import cast
from uuid import UUID

from sqlalchemy import select, text

from dashboard.config.shape import Mode
from dashboard.core import clock, ids
from dashboard.core.db import db, lock, transaction
from dashboard.models import PLATFORM_ORG_ID, Organization, ProviderAccount
from dashboard.providers import Account, Stored
from dashboard.providers.base import Provider

_END_OTHERS = text("""UPDATE provider_accounts SET active = false
WHERE org_id = :org AND provider = :provider AND mode = :mode AND active""")

_WRITE = text("""INSERT INTO provider_accounts
  (org_id, id, created_at, provider, mode, account_id, publishable_key, validated_at, active)
VALUES (:org, :id, :now, :provider, :mode, :account, '', :now, true)
ON CONFLICT (org_id, provider, mode, account_id) DO UPDATE SET active = true, validated_at = excluded.validated_at""")


def find(org_id: UUID, provider: str, mode: str) -> Account | None:
    """The account that the organization uses in `mode` now, for `providers.client`."""
    query = select(ProviderAccount).filter_by(org_id=org_id, provider=provider, mode=mode, active=True)
    row = db.session.scalar(query, execution_options={"populate_existing": True})
    if row is None:
        return None
    stored = None if row.credentials is None else Stored(row.org_id, row.id, row.credentials)
    return Account(row.provider, cast("Mode", row.mode), stored)


def record_platform(provider: Provider) -> str:
    """Write the row of the platform's account before anything refers to it, and return the provider's id of it.

    One statement if the row is there; otherwise it opens its own transaction and locks the platform organization. Call
    it outside a transaction. Raises ProviderError if the account is unknown.
    """
    account, org = provider.account_id(), PLATFORM_ORG_ID
    key = {"provider": provider.name, "mode": provider.mode}
    query = select(ProviderAccount.id).filter_by(org_id=org, account_id=account, active=True, **key)
    if db.session.scalar(query) is None:
        with transaction(org=org) as session:
            lock(select(Organization).filter_by(id=org))  # two processes at once leave one active row
            session.execute(_END_OTHERS, {"org": org, **key})
            session.execute(_WRITE, {"org": org, "id": ids.new(), "now": clock.now(), "account": account, **key})
    return account
