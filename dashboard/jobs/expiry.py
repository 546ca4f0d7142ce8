"""Removes expired credit from wallets that nobody charges, and writes notices before credit expires."""

from uuid import UUID

from dashboard.core import queue
from dashboard.domain.funds import expiry
from dashboard.domain.funds.credit_grants import notices


def drain(org_id: str) -> None:
    if expiry.drain(UUID(org_id)):
        queue.enqueue(expiry.DRAIN, org_id)


def notify(org_id: str) -> None:
    notices.write(UUID(org_id))
