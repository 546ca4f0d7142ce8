"""Sends an organization's emails."""

from uuid import UUID

from dashboard.core import queue
from dashboard.domain.messages import outbox
from dashboard.domain.payments.receipts import receipts


def drain(org_id: str) -> None:
    if outbox.drain(UUID(org_id), attach=receipts.ATTACH):
        queue.enqueue(outbox.DRAIN, org_id)
