"""Removes expired credit from wallets that nobody charges."""

from uuid import UUID

from dashboard.core import queue
from dashboard.domain.funds import expiry


def drain(org_id: str) -> None:
    if expiry.drain(UUID(org_id)):
        queue.enqueue(expiry.DRAIN, org_id)
