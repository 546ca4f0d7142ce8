"""Deletes what has run out and proves nothing: old sessions, rate counters and links."""

from dashboard.core.db import transaction
from dashboard.domain.identity import devices, limits, proofs, sessions


def purge(_: str) -> None:
    with transaction():
        sessions.purge()
        limits.purge()
        proofs.purge()
        devices.purge()
