"""Brings one version's price at the provider up to date: reads, creates, finds, compares and archives it. Writes
nothing to our database."""

from dataclasses import dataclass

from dashboard.domain.catalog.products import Offer
from dashboard.models import Product, ProductVersion, ProviderPrice
from dashboard.providers.base import Price, PriceOrder, Provider, ProviderRefused

MISSING, NOT_FIXED = "resource_missing", "price_not_fixed"


@dataclass(frozen=True, slots=True)
class PriceStatus:
    """The price status of a version after it was checked. `soon`: it could not be checked, so try again shortly."""

    state: str
    price: Price | None = None
    problem: str | None = None
    soon: bool = False


def keep(row: ProviderPrice, offer: Offer, provider: Provider) -> PriceStatus:
    """For a version on sale: create its price, or find and compare the existing one."""
    version, product = offer.version, offer.product
    if row.state == "wanted" and version.provider_price_id is None:
        price: Price | None = _made(row, product, version, provider)
    else:
        price, problem = _read(str(row.price_ref), provider)
        if problem:
            return PriceStatus("drift", problem=problem)
    assert price
    if difference := _difference(version, price):
        return PriceStatus("drift", price, difference)
    ours = (product.name, product.description)
    if version.provider_price_id is None and (price.product_name, price.product_description) != ours:
        provider.name_product(price.product_id, name=product.name, description=product.description)
    return PriceStatus("ready", price)


def _made(row: ProviderPrice, product: Product, version: ProductVersion, provider: Provider) -> Price:
    """Our price at the provider, with its product active."""
    price = _priced(row, product, version, provider)
    if price.product_active:
        return price
    provider.switch_product(price.product_id, active=True)
    return provider.read_price(price.id)


def _priced(row: ProviderPrice, product: Product, version: ProductVersion, provider: Provider) -> Price:
    """Find the price if an earlier response was lost, activate it again, or create it."""
    price = _found(version, provider)
    if price is not None and _money(price) == (version.price_minor, version.currency):
        return price if price.active else provider.switch_price(price.id, active=True)
    # A price that differs or is gone is replaced. This is a different action from creating the first one, so it has its
    # own key.
    replaced = price.id if price else row.price_ref or ""
    made = provider.make_price(
        PriceOrder(
            org_id=version.org_id, product_id=product.id, version_id=version.id, mode=row.mode, name=product.name,
            description=product.description, unit_amount_minor=version.price_minor, currency=version.currency,
            lookup_key=_lookup_key(version), idempotency_key=f"price:{version.org_id}:{version.id}:{replaced}",
        )
    )  # fmt: skip
    if price is not None:
        provider.switch_price(price.id, active=False)
    return made


def end(row: ProviderPrice, version: ProductVersion, provider: Provider) -> PriceStatus:
    """For a version that is no longer sold: archive its price, unless the settings name it, because then it is not
    ours."""
    if version.provider_price_id is not None:
        return PriceStatus("archived")
    price = _read(row.price_ref, provider)[0] if row.price_ref else _found(version, provider)
    if price is not None and price.active:
        price = provider.switch_price(price.id, active=False)
    return PriceStatus("archived", price)


def _read(price_ref: str, provider: Provider) -> tuple[Price | None, str]:
    try:
        return provider.read_price(price_ref), ""
    except ProviderRefused as error:
        if error.code == MISSING:
            return None, f"The price {price_ref} is no longer there."
        if error.code == NOT_FIXED:
            return None, f"The price {price_ref} is not a fixed one-time amount any more."
        raise


def _found(version: ProductVersion, provider: Provider) -> Price | None:
    price = provider.find_price(_lookup_key(version))
    return price if price is not None and price.version_id == str(version.id) else None


def _lookup_key(version: ProductVersion) -> str:
    return f"coffer_{version.id.hex}"


def _money(price: Price) -> tuple[int, str]:
    return price.unit_amount_minor, price.currency


def _difference(version: ProductVersion, price: Price) -> str:
    """How the price differs from ours, as text; empty if it does not."""
    differences = []
    if price.unit_amount_minor != version.price_minor:
        differences.append(
            f"the amount is {price.unit_amount_minor} there and {version.price_minor} here (minor units)"
        )
    if price.currency != version.currency:
        differences.append(f"the currency is {price.currency} there and {version.currency} here")
    if not price.active:
        differences.append("it is archived there and on sale here")
    if not price.product_active:
        differences.append("its product is archived there and on sale here")
    return f"The price {price.id} differs: {', '.join(differences)}." if differences else ""
