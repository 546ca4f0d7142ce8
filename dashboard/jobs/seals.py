"""Seals the ledger, and records a daily checkpoint of all seals."""

from datetime import datetime
from uuid import UUID

from dashboard.core import queue
from dashboard.core.db import transaction
from dashboard.domain.funds import seals
from dashboard.domain.funds.seals import heads
from dashboard.models import PLATFORM_ORG_ID

SEAL = "dashboard.jobs.seals.seal"


def seal(org_id: str) -> None:
    if seals.seal(UUID(org_id)):
        queue.enqueue(SEAL, org_id)


def record_head(moment: str) -> None:
    with transaction(org=PLATFORM_ORG_ID):
        heads.record(datetime.fromisoformat(moment))
