"""Ends holds that have expired in wallets that nobody charges."""

from uuid import UUID

from dashboard.core import queue
from dashboard.domain.funds.holds import ending


def drain(org_id: str) -> None:
    if ending.drain(UUID(org_id)):
        queue.enqueue(ending.DRAIN, org_id)
