"""Checks payments that are not settled, for the sweep or for a payer who waits on the return page."""

import logging
from uuid import UUID

from dashboard.core import queue
from dashboard.domain.payments import sweep as sweeping
from dashboard.domain.payments.fulfil import confirm
from dashboard.jobs import platform_provider
from dashboard.providers.base import ProviderError

log = logging.getLogger(__name__)


def check(org_id: str, payment_id: str) -> None:
    """Ask the provider about one payment, because its payer is waiting. Not recorded as pending: the event arrives as
    well."""
    try:
        confirm(UUID(org_id), UUID(payment_id), provider=platform_provider())
    except ProviderError as error:
        log.warning("payment not checked", extra={"payment": payment_id, "code": error.code})


def sweep(org_id: str) -> None:
    if sweeping.drain(UUID(org_id), provider=platform_provider()):
        queue.enqueue(sweeping.DRAIN, org_id)
