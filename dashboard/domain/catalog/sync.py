"""Our prices at the provider: each version on sale has its own there, which ends with it; what differs is not sold.

A version's row in `provider_prices` says how it stands at one account. Selling never waits for it: until it is `ready`
the payment page is given the amount itself.
"""

import logging
import time
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, select, text

from dashboard.core import clock, ids, queue
from dashboard.core.db import autocommit, db, transaction
from dashboard.core.errors import Invalid, NotFound
from dashboard.domain import audit
from dashboard.domain.audit import Actor
from dashboard.domain.catalog import prices, products
from dashboard.domain.catalog.prices import Standing
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

# The prices of a version that is no longer sold, or of a product whose words changed, are looked at now.
_RING = text("""UPDATE provider_prices p SET next_check_at = now()
FROM product_versions v JOIN products o ON o.org_id = v.org_id AND o.id = v.product_id
WHERE p.org_id = :org AND v.org_id = p.org_id AND v.id = p.version_id AND p.state <> 'archived'
  AND p.next_check_at > now() AND CAST(p.seen->>'revision' AS integer) <> o.revision""")

_ELSEWHERE = text("""UPDATE provider_prices
SET state = 'archived', problem = 'Of another account.', next_check_at = NULL
WHERE org_id = :org AND mode = :mode AND account_id <> :account AND state <> 'archived'""")

# The moment until which a row is claimed is the claim's token: whoever rings meanwhile moves it, and wins.
_CLAIM = text("""UPDATE provider_prices SET next_check_at = clock_timestamp() + make_interval(secs => :seconds)
WHERE org_id = :org AND id = (
  SELECT id FROM provider_prices
  WHERE org_id = :org AND mode = :mode AND account_id = :account AND state <> 'archived' AND next_check_at <= now()
  ORDER BY next_check_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, version_id, next_check_at""")

_FINISH = text("""UPDATE provider_prices SET state = :state, product_ref = coalesce(:product_ref, product_ref),
  price_ref = coalesce(:price_ref, price_ref), seen = CAST(:seen AS jsonb), problem = :problem,
  checked_at = :now,
  next_check_at = CASE WHEN :state <> 'archived' THEN now() + make_interval(secs => :pause) END
WHERE org_id = :org AND id = :id AND next_check_at = :token""")

_DUE = text("""SELECT 1 FROM provider_prices p
JOIN product_versions v ON v.org_id = p.org_id AND v.id = p.version_id
JOIN products o ON o.org_id = v.org_id AND o.id = v.product_id
WHERE p.org_id = :org AND p.mode = :mode AND p.state <> 'archived'
  AND (p.next_check_at <= now() OR CAST(p.seen->>'revision' AS integer) <> o.revision) LIMIT 1""")

_SUSPECT = text("""UPDATE provider_prices SET next_check_at = now()
WHERE org_id = :org AND version_id = :version AND mode = :mode AND state <> 'archived'""")


class NotAvailable(Invalid):
    """The price at the provider is not ours any more: nothing is sold until both agree."""

    code = "not_available"


def due(provider: Provider) -> list[UUID]:
    """Catalogs that have prices to make, to archive or to look at. Asks nobody outside."""
    if not provider.keeps_prices:
        return []
    values = {"org": PLATFORM_ORG_ID, "mode": provider.mode}
    if autocommit().execute(_DUE, values).first() or _unwanted(PLATFORM_ORG_ID, provider.mode):
        return [PLATFORM_ORG_ID]
    return []


def run(catalog_id: UUID, *, provider: Provider, seconds: int = 20) -> bool:
    """Bring the provider's prices to our catalog, one by one, for up to `seconds`. True when there may be more.

    Opens its own transactions around the provider's calls; call it where none is open. Raises ProviderError where the
    account itself cannot be told.
    """
    if not provider.keeps_prices or catalog_id != PLATFORM_ORG_ID:
        return False  # self-funded organizations have their catalog, and no account of their own yet
    account, end = provider.account_id(), time.monotonic() + seconds
    _want(catalog_id, provider, account)
    while time.monotonic() < end:
        claimed = _claim(catalog_id, provider.mode, account)
        if claimed is None:
            return False
        _finish(catalog_id, claimed, *_look(catalog_id, claimed, provider))
    return True


def price_for(version: ProductVersion, provider: Provider) -> str | None:
    """The provider's price to sell `version` with; None where the payment page is to be given the amount.

    Raises NotAvailable, and ProviderError where the account cannot be told.
    """
    row = standing_of(version, provider.mode)
    if row is None or not provider.keeps_prices or row.account_id != provider.account_id():
        return version.provider_price_id
    if row.state == "drift":
        raise NotAvailable("This pack is not available now. Nothing was charged.", field="product_id")
    return row.price_ref if row.state == "ready" else version.provider_price_id


def standing_of(version: ProductVersion, mode: str) -> ProviderPrice | None:
    return standings(version.org_id, [version.id], mode).get(version.id)


def standings(catalog_id: UUID, version_ids: list[UUID], mode: str) -> dict[UUID, ProviderPrice]:
    """How versions stand at the provider, by version; of several accounts' rows the living one."""
    query = select(ProviderPrice).filter_by(org_id=catalog_id, mode=mode)
    query = query.where(ProviderPrice.version_id.in_(version_ids))
    query = query.order_by(ProviderPrice.state != "archived", ProviderPrice.id)
    rows = db.session.scalars(query, execution_options={"populate_existing": True})
    return {row.version_id: row for row in rows}


def suspect(version_id: UUID, *, catalog_id: UUID, mode: str) -> None:
    """Have the price looked at now: the provider refused to sell with it. One statement."""
    autocommit().execute(_SUSPECT, {"org": catalog_id, "version": version_id, "mode": mode})
    queue.enqueue(SYNC, str(catalog_id))


def put_right(version: ProductVersion, *, mode: str, anew: bool, by: Actor) -> None:
    """Look at the version's price again now; `anew`: and where it differs, make ours valid there.

    Needs the catalog's transaction. Raises NotFound where it has no price at the provider.
    """
    row = standing_of(version, mode)
    if row is None or row.state == "archived":
        raise NotFound("This version has no price at the provider.")
    if anew and row.state == "drift":
        row.state = "wanted"
        audit.record(
            version.org_id, by=by, action="price.replaced", object_kind="product", object_id=version.product_id,
            before={"price_ref": row.price_ref, "seen": row.seen}, after={"version": version.number},
        )  # fmt: skip
    db.session.flush()
    db.session.execute(_SUSPECT, {"org": version.org_id, "version": version.id, "mode": mode})
    queue.enqueue(SYNC, str(version.org_id))


def _want(catalog_id: UUID, provider: Provider, account: str) -> None:
    with transaction(org=catalog_id) as session:
        session.execute(_ELSEWHERE, {"org": catalog_id, "mode": provider.mode, "account": account})
        for offer in products.on_sale(catalog_id):
            values = {
                "org": catalog_id, "id": ids.new(), "now": clock.now(), "version": offer.version.id,
                "provider": provider.name, "mode": provider.mode, "account": account,
                "price_ref": offer.version.provider_price_id,
            }  # fmt: skip
            session.execute(_WANT, values)
        session.execute(_RING, {"org": catalog_id})


def _unwanted(catalog_id: UUID, mode: str) -> bool:
    """Whether a version on sale has no living price yet."""
    versions = [offer.version.id for offer in products.on_sale(catalog_id)]
    known = standings(catalog_id, versions, mode)
    return any(version not in known or known[version].state == "archived" for version in versions)


def _claim(catalog_id: UUID, mode: str, account: str) -> Row[Any] | None:
    values = {"org": catalog_id, "mode": mode, "account": account, "seconds": CLAIM_SECONDS}
    return autocommit().execute(_CLAIM, values).one_or_none()


def _look(catalog_id: UUID, claimed: Row[Any], provider: Provider) -> tuple[Standing, int]:
    """How the version stands after doing at the provider what is to be done, and the product's revision before that."""
    row = db.session.scalars(select(ProviderPrice).filter_by(org_id=catalog_id, id=claimed.id)).one()
    version = db.session.scalars(select(ProductVersion).filter_by(org_id=catalog_id, id=claimed.version_id)).one()
    offer = products.find(catalog_id, version.product_id)
    for one in (row, offer.product):
        db.session.refresh(one)
    revision, sold = offer.product.revision, offer.version.id == version.id and products.sells(offer)
    try:
        return (prices.keep(row, offer, provider) if sold else prices.end(row, version, provider)), revision
    except ProviderUnavailable as error:
        problem = error.detail if row.state == "wanted" else row.problem
        return Standing(row.state, problem=problem, soon=True), revision
    except ProviderRefused as error:
        log.warning("a price was refused", extra={"version": str(version.id), "code": error.code})
        return Standing(row.state, problem=error.detail), revision


def _finish(catalog_id: UUID, claimed: Row[Any], standing: Standing, revision: int) -> None:
    price = standing.price
    seen: dict[str, Any] = {"revision": revision}
    if price:
        seen |= {"amount_minor": price.unit_amount_minor, "currency": price.currency, "active": price.active}
        seen["product_active"] = price.product_active
    values = {
        "org": catalog_id, "id": claimed.id, "token": claimed.next_check_at, "state": standing.state,
        "now": clock.now(), "product_ref": price.product_id if price else None,
        "price_ref": price.id if price else None, "seen": orjson.dumps(seen).decode(), "problem": standing.problem,
        "pause": RETRY_SECONDS if standing.soon else CHECK_SECONDS,
    }  # fmt: skip
    with transaction(org=catalog_id) as session:
        session.execute(_FINISH, values)
