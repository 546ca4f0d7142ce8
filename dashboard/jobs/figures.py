"""Counts what all wallets hold, for the platform's first page."""

from dashboard.core.db import transaction
from dashboard.domain.platform import figures


def count(mode: str) -> None:
    with transaction():
        figures.count(mode)
