"""Charges usage that was parked because its metric had no price, once it has one."""

from uuid import UUID

from dashboard.domain.organizations import organizations
from dashboard.domain.usage.charging import waiting


def charge_parked(org_id: str) -> None:
    org = organizations.by_id(UUID(org_id))
    if org is not None and org.closed_at is None and org.suspended_at is None:
        waiting.charge_parked(org)
