"""Seals the ledger, and records a daily checkpoint of all seals."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from dashboard.core import queue
from dashboard.core.db import lock, transaction
from dashboard.domain.funds import seals
from dashboard.domain.funds.seals import checkpoints
from dashboard.models import PLATFORM_ORG_ID, Organization

SEAL = "dashboard.jobs.seals.seal"


def seal(org_id: str) -> None:
    if seals.seal(UUID(org_id)):
        queue.enqueue(SEAL, org_id)


def record_head(moment: str) -> None:
    with transaction(org=PLATFORM_ORG_ID):
        lock(select(Organization).filter_by(id=PLATFORM_ORG_ID))  # otherwise two workers would both find it missing
        if checkpoints.due() == (at := datetime.fromisoformat(moment)):  # enqueued twice, recorded once
            checkpoints.record(at)
