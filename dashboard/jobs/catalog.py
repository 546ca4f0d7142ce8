"""Synchronizes a catalog's prices with the provider."""

import logging
from uuid import UUID

from dashboard.core import queue
from dashboard.domain.catalog import sync as prices
from dashboard.domain.catalog.products import SYNC
from dashboard.jobs import platform_provider
from dashboard.providers.base import ProviderError

log = logging.getLogger(__name__)


def sync(catalog_id: str) -> None:
    """Not recorded as pending: what the provider does not answer now is due again at the next tick."""
    try:
        more = prices.run(UUID(catalog_id), provider=platform_provider())
    except ProviderError as error:
        log.warning("prices not compared", extra={"code": error.code})
        return
    if more:
        queue.enqueue(SYNC, catalog_id)
