"""Our prices at the provider: each version on sale has its own price there, which is archived with it. A version whose
price differs is not sold.

A version's row in `provider_prices` holds its status at one account. Sales never wait for it: until it is `ready`, the
payment page receives the amount itself.
"""

import functools
import logging
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from dashboard.core import clock, ids
from dashboard.core.db import autocommit, db, transaction
from dashboard.core.errors import Invalid, NotFound
from dashboard.core.work_queue import Claim, Outcome, WorkQueue
from dashboard.domain import audit
from dashboard.domain.audit import Actor
from dashboard.domain.catalog import prices, products, provider_accounts
from dashboard.domain.catalog.prices import PriceStatus
from dashboard.domain.catalog.products import SYNC
from dashboard.models import PLATFORM_ORG_ID, ProductVersion, ProviderPrice
from dashboard.providers.base import Provider, ProviderRefused, ProviderUnavailable

CHECK_SECONDS = 3600
RETRY_SECONDS = 300
CLAIM_SECONDS = 300

log = logging.getLogger(__name__)

_WANT = text("""INSERT INTO provider_prices AS p
  (org_id, id, created_at, version_id, provider, mode, account_id, state, price_ref, next_check_at)
VALUES (:org, :id, :now, :version, :provider, :mode, :account, 'wanted', :price_ref, now())
ON CONFLICT (org_id, version_id, mode, account_id) DO UPDATE SET state = 'wanted', next_check_at = now()
WHERE p.state = 'archived'""")

# The prices of a version that is no longer sold, or of a product whose name or description changed, are checked now.
_RING = text("""UPDATE provider_prices p SET next_check_at = now()
FROM product_versions v JOIN products o ON o.org_id = v.org_id AND o.id = v.product_id
WHERE p.org_id = :org AND v.org_id = p.org_id AND v.id = p.version_id AND p.state <> 'archived'
  AND p.next_check_at > now() AND CAST(p.seen->>'revision' AS integer) <> o.revision""")

_ELSEWHERE = text("""UPDATE provider_prices
SET state = 'archived', problem = 'Of another account.', next_check_at = NULL
WHERE org_id = :org AND mode = :mode AND account_id <> :account AND state <> 'archived'""")

_DUE = text("""SELECT 1 FROM provider_prices p
JOIN product_versions v ON v.org_id = p.org_id AND v.id = p.version_id
JOIN products o ON o.org_id = v.org_id AND o.id = v.product_id
WHERE p.org_id = :org AND p.mode = :mode AND p.state <> 'archived'
  AND (p.next_check_at <= now() OR CAST(p.seen->>'revision' AS integer) <> o.revision) LIMIT 1""")

_SUSPECT = text("""UPDATE provider_prices SET next_check_at = now()
WHERE org_id = :org AND version_id = :version AND mode = :mode AND state <> 'archived'""")


WORK = WorkQueue(ProviderPrice, job=SYNC, open_states=("wanted", "ready", "drift"), due_at=ProviderPrice.next_check_at)


class NotAvailable(Invalid):
    """The price at the provider differs from ours: nothing is sold until both match."""

    code = "not_available"


def due(provider: Provider) -> list[UUID]:
    """Catalogs that have prices to create, archive or check. Makes no external call."""
    if not provider.keeps_prices:
        return []
    values = {"org": PLATFORM_ORG_ID, "mode": provider.mode}
    if autocommit().execute(_DUE, values).first() or _unwanted(PLATFORM_ORG_ID, provider.mode):
        return [PLATFORM_ORG_ID]
    return []


def run(catalog_id: UUID, *, provider: Provider, seconds: int = 20) -> bool:
    """Synchronize the provider's prices with our catalog, one at a time, for up to `seconds`. Returns True if there may
    be more.

    Opens its own transactions before and after the provider's calls. Call it outside a transaction. Raises
    ProviderError if the account is unknown.
    """
    if not provider.keeps_prices or catalog_id != PLATFORM_ORG_ID:
        return False  # self-funded organizations have their own catalog, but no account of their own yet
    account = _want(catalog_id, provider)
    attempt = functools.partial(_attempt, provider=provider)
    ours = (ProviderPrice.mode == provider.mode, ProviderPrice.account_id == account)
    return WORK.drain(catalog_id, attempt, *ours, claim_seconds=CLAIM_SECONDS, seconds=seconds)


def price_for(version: ProductVersion, provider: Provider) -> str | None:
    """The provider's price with which to sell `version`; None if the payment page should receive the amount.

    Raises NotAvailable, and ProviderError if the account is unknown.
    """
    row = status_of(version, provider.mode)
    if row is None or not provider.keeps_prices or row.account_id != provider.account_id():
        return version.provider_price_id
    if row.state == "drift":
        raise NotAvailable("This pack is not available now. Nothing was charged.", field="product_id")
    return row.price_ref if row.state == "ready" else version.provider_price_id


def status_of(version: ProductVersion, mode: str) -> ProviderPrice | None:
    return statuses(version.org_id, [version.id], mode).get(version.id)


def statuses(catalog_id: UUID, version_ids: list[UUID], mode: str) -> dict[UUID, ProviderPrice]:
    """The price status of versions at the provider, by version. If there are rows of several accounts, the active one
    is used."""
    query = select(ProviderPrice).filter_by(org_id=catalog_id, mode=mode)
    query = query.where(ProviderPrice.version_id.in_(version_ids))
    query = query.order_by(ProviderPrice.state != "archived", ProviderPrice.id)
    rows = db.session.scalars(query, execution_options={"populate_existing": True})
    return {row.version_id: row for row in rows}


def suspect(version_id: UUID, *, catalog_id: UUID, mode: str) -> None:
    """Have the price checked now, because the provider refused to sell with it. One statement."""
    autocommit().execute(_SUSPECT, {"org": catalog_id, "version": version_id, "mode": mode})
    WORK.wake(catalog_id)


def put_right(version: ProductVersion, *, mode: str, replace: bool, by: Actor) -> None:
    """Check the version's price again now. `replace`: if it differs, replace it with ours.

    Needs the catalog's transaction. Raises NotFound if it has no price at the provider.
    """
    row = status_of(version, mode)
    if row is None or row.state == "archived":
        raise NotFound("This version has no price at the provider.")
    if replace and row.state == "drift":
        row.state = "wanted"
        audit.record(
            audit.Ref("product", version.product_id), "price.replaced", by=by, org=version.org_id,
            before={"price_ref": row.price_ref, "seen": row.seen}, after={"version": version.number},
        )  # fmt: skip
    db.session.flush()
    db.session.execute(_SUSPECT, {"org": version.org_id, "version": version.id, "mode": mode})
    WORK.wake(version.org_id)


def _want(catalog_id: UUID, provider: Provider) -> str:
    """Want a price for every version on sale. Returns the provider's id of the account."""
    account = provider_accounts.record_platform(provider)
    with transaction(org=catalog_id) as session:
        session.execute(_ELSEWHERE, {"org": catalog_id, "mode": provider.mode, "account": account})
        for offer in products.on_sale(catalog_id, mode=provider.mode):
            values = {
                "org": catalog_id, "id": ids.new(), "now": clock.now(), "version": offer.version.id,
                "provider": provider.name, "mode": provider.mode, "account": account,
                "price_ref": offer.version.provider_price_id,
            }  # fmt: skip
            session.execute(_WANT, values)
        session.execute(_RING, {"org": catalog_id})
    return account


def _unwanted(catalog_id: UUID, mode: str) -> bool:
    """Whether a version on sale has no active price yet."""
    versions = [offer.version.id for offer in products.on_sale(catalog_id, mode=mode)]
    known = statuses(catalog_id, versions, mode)
    return any(version not in known or known[version].state == "archived" for version in versions)


def _attempt(row: ProviderPrice, _claim: Claim, *, provider: Provider) -> Outcome:
    """Do what is needed at the provider for the version, and record the result."""
    version = db.session.scalars(select(ProductVersion).filter_by(org_id=row.org_id, id=row.version_id)).one()
    offer = products.find(row.org_id, version.product_id, mode=row.mode)
    db.session.refresh(offer.product)
    revision, sold = offer.product.revision, offer.version.id == version.id and products.sells(offer)
    try:
        status = prices.keep(row, offer, provider) if sold else prices.end(row, version, provider)
    except ProviderUnavailable as error:
        status = PriceStatus(row.state, problem=error.detail if row.state == "wanted" else row.problem, soon=True)
    except ProviderRefused as error:
        log.warning("a price was refused", extra={"version": str(version.id), "code": error.code})
        status = PriceStatus(row.state, problem=error.detail)
    return _outcome(row, status, revision)


def _outcome(row: ProviderPrice, status: PriceStatus, revision: int) -> Outcome:
    """`revision` is the product's revision from before the call: a later change is checked again."""
    price = status.price
    seen: dict[str, Any] = {"revision": revision}
    if price:
        seen |= {
            "amount_minor": price.unit_amount_minor, "currency": price.currency, "active": price.active,
            "product_active": price.product_active,
        }  # fmt: skip
    values = {
        "state": status.state, "problem": status.problem, "seen": seen, "checked_at": clock.now(),
        "product_ref": (price.product_id if price else None) or row.product_ref,
        "price_ref": (price.id if price else None) or row.price_ref,
    }  # fmt: skip
    if status.state == "archived":
        return Outcome(values)
    return Outcome(values, pause=RETRY_SECONDS if status.soon else CHECK_SECONDS)
