"""Payments that wait: for a payer on the return page, or for anyone to ask how they stand."""

import logging
from uuid import UUID

from dashboard.core import queue
from dashboard.domain.payments import sweep as sweeping
from dashboard.domain.payments.fulfil import confirm
from dashboard.jobs import platform_provider
from dashboard.providers.base import ProviderError

log = logging.getLogger(__name__)


def check(org_id: str, payment_id: str) -> None:
    """Ask the provider about one payment, because its payer is waiting. Not owed: the event will come as well."""
    try:
        confirm(UUID(org_id), UUID(payment_id), provider=platform_provider())
    except ProviderError as error:
        log.warning("payment not checked", extra={"payment": payment_id, "code": error.code})


def sweep(org_id: str) -> None:
    if sweeping.drain(UUID(org_id), provider=platform_provider()):
        queue.enqueue(sweeping.DRAIN, org_id)
