"""Counts the totals over all wallets, for the platform's overview."""

from dashboard.core.db import transaction
from dashboard.domain.platform import figures


def count(mode: str) -> None:
    with transaction():
        figures.count(mode)
