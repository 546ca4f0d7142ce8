"""Notices of credit that expires soon: one row per credit grant and step, 30, 7 and 1 days before.

A step counts only if the grant existed then: credit for 10 days has none at 30. A grant of which nothing is left has
no notice. If the worker was down, only the step that applies now is written.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from dashboard.core import clock, ids
from dashboard.core.db import autocommit, db, transaction
from dashboard.domain.funds import ledger_sql
from dashboard.domain.funds.credit_grants import settlement
from dashboard.models import CreditGrant, Notice, Wallet

JOB = "dashboard.jobs.expiry.notify"
KIND = "expiry"
STEPS = (30, 7, 1)
"""Days before the expiry date."""

ORGS_AT_ONCE = 500

_DUE = """
FROM credit_grants AS g CROSS JOIN LATERAL (
  SELECT CASE WHEN g.expires_at <= CAST(:now AS timestamptz) + interval '1 day' THEN 1
    WHEN g.expires_at <= CAST(:now AS timestamptz) + interval '7 days' THEN 7 ELSE 30 END AS days
) AS step
WHERE g.expires_at IS NOT NULL AND g.remaining > 0
  AND g.expires_at > CAST(:now AS timestamptz) AND g.expires_at <= CAST(:now AS timestamptz) + interval '30 days'
  AND g.created_at <= g.expires_at - make_interval(days => step.days)
  AND NOT EXISTS (SELECT FROM notices AS n WHERE n.org_id = g.org_id AND n.kind = 'expiry' AND n.subject_id = g.id
    AND n.step = step.days)"""

_ORGS = text(f"SELECT DISTINCT g.org_id {_DUE} ORDER BY g.org_id LIMIT :most")

_WALLETS = text(f"SELECT DISTINCT g.wallet_id {_DUE} AND g.org_id = CAST(:org AS uuid) ORDER BY g.wallet_id")

_WRITE = text(f"""INSERT INTO notices (org_id, id, created_at, kind, subject_id, step, amount)
SELECT g.org_id, CAST(:id AS uuid), CAST(:now AS timestamptz), 'expiry', g.id, step.days, g.remaining {_DUE}
  AND g.org_id = CAST(:org AS uuid) AND g.wallet_id = CAST(:wallet AS uuid) AND g.id = CAST(:grant AS uuid)
ON CONFLICT (org_id, kind, subject_id, step) DO NOTHING""")

_GRANTS = text(
    f"SELECT g.id {_DUE} AND g.org_id = CAST(:org AS uuid) AND g.wallet_id = CAST(:wallet AS uuid) ORDER BY g.id"
)


def due() -> list[UUID]:
    """Organizations with a notice to write, at most 500. A plain read."""
    return list(autocommit().scalars(_ORGS, {"now": clock.now(), "most": ORGS_AT_ONCE}))


def write(org_id: UUID) -> int:
    """Write the organization's due notices and return their number. Each wallet is settled first, in its own
    transaction, so that only grants of which something is left are named."""
    written = 0
    for wallet_id in autocommit().scalars(_WALLETS, {"now": clock.now(), "org": org_id}).all():
        with transaction(org=org_id) as session:
            now = clock.now()
            names: dict[str, Any] = {"org": org_id, "wallet": wallet_id, "now": now}
            session.execute(ledger_sql.LOCK, {"org": org_id, "wallets": [wallet_id], "at": now})
            while settlement.settle(org_id, wallet_id):
                pass
            for grant_id in session.scalars(_GRANTS, names).all():
                written += session.execute(_WRITE, names | {"grant": grant_id, "id": ids.new()}).rowcount  # type: ignore[attr-defined]
    return written


def any_for(wallet: Wallet) -> bool:
    """Whether there was a notice of credit that can still be spent."""
    if wallet.next_expiry_at is None:
        return False
    query = (
        select(Notice.id)
        .join(CreditGrant, (CreditGrant.org_id == Notice.org_id) & (CreditGrant.id == Notice.subject_id))
        .where(Notice.org_id == wallet.org_id, Notice.kind == KIND, CreditGrant.wallet_id == wallet.id)
        .where(CreditGrant.expires_at > clock.now(), CreditGrant.remaining > 0)
        .limit(1)
    )
    return db.session.scalar(query) is not None
