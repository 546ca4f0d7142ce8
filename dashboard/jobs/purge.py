"""Deletes expired rows that are not evidence: old sessions, rate counters and links. Re-encrypts stored keys."""

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
