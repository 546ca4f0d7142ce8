"""Rows to be sealed."""

from dashboard.core import ids
from dashboard.core.db import transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import ledger
from dashboard.domain.funds.ledger import LedgerEntry
from dashboard.models import Wallet


def post(wallet: Wallet, count: int, text: str = "A run") -> None:
    """So many charges of one micro, in one batch."""
    entries = [LedgerEntry(wallet.id, 1, ids.new().hex, text) for _ in range(count)]
    with transaction(org=wallet.org_id):
        ledger.post_batch(wallet.org_id, entries, mode=wallet.mode, origin="usage", by=SYSTEM)
