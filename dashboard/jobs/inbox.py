"""Processes an organization's inbox."""

import os
import socket
from uuid import UUID

from dashboard.core import queue
from dashboard.domain.payments.webhooks import inbox
from dashboard.jobs import platform_provider


def drain(org_id: str) -> None:
    more = inbox.drain(UUID(org_id), provider=platform_provider(), worker=f"{socket.gethostname()}:{os.getpid()}")
    if more:
        queue.enqueue(inbox.DRAIN, org_id)
