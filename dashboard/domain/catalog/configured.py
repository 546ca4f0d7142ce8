"""The one pack that the settings name: created from them, and changed when they change."""

import logging
from dataclasses import replace

from sqlalchemy import select

from dashboard.config import settings
from dashboard.core.db import db, lock, transaction
from dashboard.core.errors import Invalid
from dashboard.core.money import MICROS_PER_CENT
from dashboard.domain.audit import SYSTEM
from dashboard.domain.catalog.products import Offer, add_version, configured_source, create, newest
from dashboard.domain.catalog.terms import NAME_LIMIT, Terms, check_words
from dashboard.models import PLATFORM_ORG_ID, Organization, Product
from dashboard.providers.base import Price, Provider, ProviderError, ProviderRefused

log = logging.getLogger(__name__)


def ensure_configured(provider: Provider) -> None:
    """Create the pack that the settings name, if they name one and it is missing or differs.

    Opens its own transaction after it asked the provider for the price. Call it outside a transaction. Raises
    ProviderError; ProviderRefused if that price can never be sold.
    """
    source = configured_source()
    if not source:
        return
    known, payment = _known(source), settings().payment
    if payment.provider == "stripe":
        if known:
            return
        price = _price(provider, str(payment.stripe.price_id))
        wanted = Terms(price.unit_amount_minor, price.unit_amount_minor * MICROS_PER_CENT, currency=price.currency)
    else:
        price, micros = None, payment.dummy.amount_micros
        wanted = Terms(-(-micros // MICROS_PER_CENT), micros)
        if known and _same(known, wanted):
            return
    with transaction(org=PLATFORM_ORG_ID):
        _save(source, price, wanted)


def configured_problem(provider: Provider) -> str | None:
    """Like `ensure_configured`, for callers that continue without that pack: returns what keeps it off sale, or
    None."""
    try:
        ensure_configured(provider)
    except ProviderError as error:
        log.warning("the configured pack is not on sale", extra={"code": error.code, "reason": error.detail})
        return error.detail
    return None


def account_problem(provider: Provider) -> str | None:
    """Why nothing can be sold through the provider now, for operators; None if its account answers.

    Asks the provider until it has answered once in this process. Call it outside a transaction.
    """
    try:
        provider.account_id()
    except ProviderError as error:
        return error.detail
    return None


def _known(source: str) -> Offer | None:
    row = db.session.execute(newest(PLATFORM_ORG_ID).where(Product.source == source).limit(1)).first()
    return Offer(*row) if row else None


def _same(offer: Offer, wanted: Terms) -> bool:
    known = Terms.of(offer.version)
    return replace(known, price_minor=wanted.price_minor, grant_micros=wanted.grant_micros) == known


def _price(provider: Provider, price_id: str) -> Price:
    """The price that the settings name. Raises ProviderError with a message for the person who wrote the settings."""
    try:
        price = provider.read_price(price_id)
        if not (price.active and price.product_active):
            raise ProviderRefused("It is archived.", "price_archived")
        Terms(price.unit_amount_minor, 1, currency=price.currency).check()
        check_words(price.product_name[:NAME_LIMIT], "")
    except (ProviderRefused, Invalid) as error:
        raise ProviderRefused(f"The price {price_id} cannot be sold. {error.detail}", error.code) from None
    return price


def _save(source: str, price: Price | None, wanted: Terms) -> None:
    lock(select(Organization).filter_by(id=PLATFORM_ORG_ID))  # otherwise two first visitors would create two products
    known = _known(source)
    if known:
        if not _same(known, wanted):
            add_version(known.product, known.version.number + 1, wanted)
        return
    create(
        PLATFORM_ORG_ID,
        name=price.product_name[:NAME_LIMIT] if price else "Mini",
        price_minor=wanted.price_minor,
        grant_micros=wanted.grant_micros,
        currency=wanted.currency,
        source=source,
        provider_price_id=price.id if price else None,
        by=SYSTEM,
        confirmed=True,  # by the person who wrote the settings
    )
