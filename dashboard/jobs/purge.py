"""Deletes what has run out and proves nothing: old sessions, rate counters and links. Keys are renewed."""

from dashboard.core.db import transaction
from dashboard.domain.identity import devices, limits, proofs, sessions, welcomes


def purge(_: str) -> None:
    with transaction():
        sessions.purge()
        limits.purge()
        proofs.purge()
        devices.purge()
    with transaction():
        welcomes.renew()
