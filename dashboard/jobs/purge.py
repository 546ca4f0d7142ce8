"""Deletes what has run out and proves nothing: old sessions and rate counters."""

from dashboard.core.db import transaction
from dashboard.domain.identity import limits, sessions


def purge(_: str) -> None:
    with transaction():
        sessions.purge()
        limits.purge()
