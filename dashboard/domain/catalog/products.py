"""The catalog: products with versions. A change of price or grant creates a version; a sold version never changes."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import aliased

from dashboard.config import settings
from dashboard.core import clock, ids, queue
from dashboard.core.db import db, lock
from dashboard.core.errors import Conflict, Forbidden, Invalid, NotFound
from dashboard.domain import audit
from dashboard.domain.audit import Actor
from dashboard.domain.catalog import rates
from dashboard.domain.catalog.terms import Terms, check_words
from dashboard.models import PLATFORM_ORG_ID, Organization, Product, ProductVersion, ProviderPrice

SYNC = "dashboard.jobs.catalog.sync"
MOST_ON_SALE = 100
MOST_VERSIONS = 50


class Stale(Conflict):
    """Someone changed the product after the caller read it."""

    code = "changed_meanwhile"


class AlreadyMade(Conflict):
    """The id belongs to a product with a different name, description or terms."""

    code = "already_made"


@dataclass(frozen=True, slots=True)
class Offer:
    """A product as it is sold now: the product and its newest version.

    `blocked`: its price at the provider differs, so it is not available now.
    """

    product: Product
    version: ProductVersion
    blocked: bool = False

    @property
    def credited_micros(self) -> int:
        """What one piece adds to the balance."""
        return self.version.grant_micros + self.version.bonus_micros


def catalog_of(org: Organization) -> UUID:
    """The organization whose catalog this organization buys from: the platform, unless it is self-funded."""
    return org.id if org.funding == "own" else PLATFORM_ORG_ID


def on_sale(catalog_id: UUID, *, mode: str | None) -> list[Offer]:
    """What can be bought now, in the catalog's order, with what is blocked in `mode`. At most 100."""
    return _offers(newest(catalog_id, mode=mode).where(Product.active, Product.source.in_(("", configured_source()))))


def sells(offer: Offer) -> bool:
    """Whether the product is on sale now."""
    return offer.product.active and offer.product.source in ("", configured_source())


def everything(catalog_id: UUID, *, mode: str, after: UUID | None = None, limit: int = 50) -> list[Offer]:
    """All products, newest first, including archived ones; those created before `after`."""
    query = newest(catalog_id, mode=mode).order_by(None).order_by(Product.id.desc())
    return _offers(query.where(Product.id < after) if after else query, limit)


def archived(catalog_id: UUID, *, mode: str, after: UUID | None = None, limit: int = 50) -> list[Offer]:
    """Products that are not on sale, newest first; those created before `after`."""
    off = ~(Product.active & Product.source.in_(("", configured_source())))
    query = newest(catalog_id, mode=mode).where(off).order_by(None).order_by(Product.id.desc())
    return _offers(query.where(Product.id < after) if after else query, limit)


def find(catalog_id: UUID, product_id: UUID, *, mode: str | None) -> Offer:
    """One product with its newest version. Raises NotFound."""
    result = _offers(newest(catalog_id, mode=mode).where(Product.id == product_id))
    if not result:
        raise NotFound("There is no such product.")
    return result[0]


def versions(product: Product) -> list[ProductVersion]:
    """The newest versions, newest first: at most 50."""
    query = select(ProductVersion).filter_by(org_id=product.org_id, product_id=product.id)
    return list(db.session.scalars(query.order_by(ProductVersion.number.desc()).limit(MOST_VERSIONS)))


def create(
    catalog_id: UUID,
    *,
    name: str,
    price_minor: int,
    grant_micros: int,
    by: Actor,
    description: str = "",
    active: bool = True,
    source: str = "",
    provider_price_id: str | None = None,
    product_id: UUID | None = None,
    confirmed: bool = False,
    **more: Any,
) -> Offer:
    """Create a product with its first version, at the end of the catalog. `more` are further fields of `Terms`.

    An existing `product_id` returns that product, so that a form sent twice creates one. Locks the catalog's
    organization. Raises Invalid, UnusualRate unless it is `confirmed`, and AlreadyMade if the existing product differs
    from the requested one.
    """
    terms = Terms(price_minor, grant_micros, **more)
    terms.check()
    check_words(name, description)
    lock(select(Organization).filter_by(id=catalog_id))
    if product_id and (made := _offers(newest(catalog_id).where(Product.id == product_id))):
        if (made[0].product.name, made[0].product.description, Terms.of(made[0].version)) != (name, description, terms):
            raise AlreadyMade(f"This form made {made[0].product.name} already. Nothing was changed.")
        return made[0]
    _require_usual(catalog_id, None, terms, confirmed=confirmed)
    if active:
        _require_room(catalog_id)
    product = Product(
        org_id=catalog_id, id=product_id or ids.new(), name=name, description=description, active=active,
        source=source, position=_last_position(catalog_id) + 1,
    )  # fmt: skip
    db.session.add(product)
    db.session.flush()
    version = add_version(product, 1, terms, provider_price_id)
    audit.record(product, "product.created", by=by, after=_facts(product, version))
    _ring(catalog_id)
    return Offer(product, version)


def change(
    catalog_id: UUID,
    product_id: UUID,
    *,
    by: Actor,
    revision: int | None = None,
    name: str | None = None,
    description: str | None = None,
    active: bool | None = None,
    confirmed: bool = False,
    **terms: Any,
) -> Offer:
    """Change the given fields. Different `terms` (fields of Terms, None for unchanged) create a new version; payments
    keep what they were sold.

    `revision` is the product's revision as the caller knows it. Locks the catalog's organization, then the product.
    Raises NotFound, Forbidden, Invalid, Stale, and UnusualRate for a different rate unless it is `confirmed`.
    """
    lock(select(Organization).filter_by(id=catalog_id))  # the audit entry refers to it, so it comes first, as in `move`
    product = _locked(catalog_id, product_id)
    if product.source:
        raise Forbidden("This product comes from the settings and changes with them.")
    version = find(catalog_id, product_id, mode=None).version
    before, known = _facts(product, version), Terms.of(version)
    wanted = replace(known, **{field: value for field, value in terms.items() if value is not None})
    name, description = _or(name, product.name), _or(description, product.description)
    if active or wanted != known:  # what was valid once can always be archived and renamed
        wanted.check()
    check_words(name, description)
    if active and not product.active:
        _require_room(catalog_id)
        product.position = _last_position(catalog_id) + 1
    after = (name, description, product.active if active is None else active)
    if (wanted, after) == (known, (product.name, product.description, product.active)):
        return Offer(product, version)  # also the second half of a double click
    if revision not in (None, product.revision):
        raise Stale("Someone changed this product in the meantime. Nothing was changed.")
    if rates.of(wanted) != rates.of(known):
        _require_usual(catalog_id, product_id, wanted, confirmed=confirmed)
    product.name, product.description, product.active = after
    product.revision, product.changed_at = product.revision + 1, clock.now()
    if wanted != known:
        version = add_version(product, version.number + 1, wanted)
    db.session.flush()
    audit.record(product, "product.changed", by=by, before=before, after=_facts(product, version))
    _ring(catalog_id)
    return Offer(product, version)


def move(catalog_id: UUID, product_id: UUID, *, up: bool, by: Actor) -> None:
    """Move the product one place up or down among those on sale; at the end of the list, nothing happens. Locks the
    catalog's organization. Raises NotFound if it is not on sale."""
    lock(select(Organization).filter_by(id=catalog_id))
    ordered = [offer.product for offer in on_sale(catalog_id, mode=None)]
    place = next((index for index, product in enumerate(ordered) if product.id == product_id), None)
    if place is None:
        raise NotFound("There is no such product on sale.")
    other = place - 1 if up else place + 1
    if not 0 <= other < len(ordered):
        return
    ordered[place], ordered[other] = ordered[other], ordered[place]
    for position, product in enumerate(ordered):
        product.position = position
    db.session.flush()
    audit.record(ordered[other], "product.moved", by=by, before={"position": place}, after={"position": other})


def configured_source() -> str:
    """The setting that names a pack, as products store it; empty if none does."""
    payment = settings().payment
    if payment.provider == "dummy":
        return "dummy"
    return f"stripe:{payment.stripe.price_id}" if payment.stripe.price_id else ""


def newest(catalog_id: UUID, *, mode: str | None = None) -> Select[Product, ProductVersion, bool]:
    """Products, each with its newest version and whether that is blocked in `mode`, in the catalog's order."""
    newer = aliased(ProductVersion)
    same = and_(newer.org_id == catalog_id, newer.product_id == ProductVersion.product_id)
    drift = select(ProviderPrice.id).filter_by(org_id=catalog_id, mode=mode, state="drift")
    return (
        select(Product, ProductVersion, drift.where(ProviderPrice.version_id == ProductVersion.id).exists())
        .join(ProductVersion, and_(ProductVersion.org_id == Product.org_id, ProductVersion.product_id == Product.id))
        .where(Product.org_id == catalog_id, ProductVersion.org_id == catalog_id)
        .where(~select(newer.id).where(same, newer.number > ProductVersion.number).exists())
        .order_by(Product.position, Product.id)
    )


def add_version(product: Product, number: int, terms: Terms, provider_price_id: str | None = None) -> ProductVersion:
    """Create the next version of `product`, which the caller has locked."""
    version = ProductVersion(
        org_id=product.org_id, product_id=product.id, number=number, provider_price_id=provider_price_id,
        **(terms.values() | {"expires_days": terms.expires_days or None}),
    )  # fmt: skip
    db.session.add(version)
    db.session.flush()
    return version


def _offers(query: Select[Product, ProductVersion, bool], limit: int = MOST_ON_SALE) -> list[Offer]:
    return [Offer(*row) for row in db.session.execute(query.limit(limit))]


def _locked(catalog_id: UUID, product_id: UUID) -> Product:
    product = lock(select(Product).filter_by(org_id=catalog_id, id=product_id))
    if product is None:
        raise NotFound("There is no such product.")
    return product


def _require_usual(catalog_id: UUID, product_id: UUID | None, terms: Terms, *, confirmed: bool) -> None:
    if not confirmed:
        known = on_sale(catalog_id, mode=None)
        others = [Terms.of(offer.version) for offer in known if offer.product.id != product_id]
        rates.require_usual(terms, others)


def _require_room(catalog_id: UUID) -> None:
    on = db.session.scalar(select(func.count()).select_from(Product).filter_by(org_id=catalog_id, active=True))
    if (on or 0) >= MOST_ON_SALE:
        raise Invalid(f"A catalog has at most {MOST_ON_SALE} packs on sale. Archive one first.", code="catalog_full")


def _last_position(catalog_id: UUID) -> int:
    last = db.session.scalar(select(func.max(Product.position)).filter_by(org_id=catalog_id))
    return -1 if last is None else last


def _ring(catalog_id: UUID) -> None:
    """The dummy provider has no prices to synchronize."""
    if settings().payment.provider != "dummy":
        queue.enqueue(SYNC, str(catalog_id))


def _or(given: str | None, known: str) -> str:
    return known if given is None else given


def _facts(product: Product, version: ProductVersion) -> dict[str, object]:
    words = {"name": product.name, "description": product.description, "active": product.active}
    return words | {"version": version.number} | Terms.of(version).values()
