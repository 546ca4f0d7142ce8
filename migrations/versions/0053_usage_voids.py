"""Usage events can be voided, and can be recorded before they are charged."""

from alembic import op

revision = "0053_usage_voids"
down_revision = "0052_holds"

STATEMENTS = """
ALTER TABLE metrics ADD COLUMN when_unpriced TEXT NOT NULL DEFAULT 'refuse',
    ADD CONSTRAINT ck_metrics_when_unpriced CHECK (when_unpriced IN ('refuse', 'park'));
ALTER TABLE usage_events
    ALTER COLUMN price_id DROP NOT NULL,
    ALTER COLUMN period_start DROP NOT NULL,
    ALTER COLUMN units_after DROP NOT NULL,
    ALTER COLUMN cost DROP NOT NULL,
    ADD COLUMN state TEXT NOT NULL DEFAULT 'charged',
    ADD COLUMN voided_at timestamptz,
    ADD COLUMN void_reason TEXT,
    ADD COLUMN credited BIGINT,
    ADD COLUMN void_transaction_id UUID,
    ADD CONSTRAINT ck_usage_events_state CHECK (state IN ('charged', 'uncharged', 'unpriced')
        AND num_nonnulls(price_id, period_start, units_after, cost) = CASE state WHEN 'charged' THEN 4 ELSE 0 END),
    ADD CONSTRAINT ck_usage_events_voided CHECK ((voided_at IS NULL) = (credited IS NULL)
        AND credited >= 0 AND (credited > 0) = (void_transaction_id IS NOT NULL)),
    ADD CONSTRAINT fk_usage_events_org_id_void_transaction FOREIGN KEY (org_id, void_transaction_id)
        REFERENCES transactions (org_id, id) ON DELETE RESTRICT;
CREATE INDEX ix_usage_events_waiting ON usage_events (metric_key, org_id, id)
    WHERE state <> 'charged' AND voided_at IS NULL;
CREATE INDEX ix_usage_events_void_transaction ON usage_events (org_id, void_transaction_id)
    WHERE void_transaction_id IS NOT NULL;
GRANT UPDATE (state, price_id, period_start, units_after, cost, transaction_id,
    voided_at, void_reason, credited, void_transaction_id) ON usage_events TO coffer_app;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
