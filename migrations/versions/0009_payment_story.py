"""What a payment's page tells, and when the provider is asked again."""

from alembic import op

revision = "0009_payment_story"
down_revision = "0008_catalog_terms"

STATEMENTS = """
ALTER TABLE payments
    ADD COLUMN grant_kind TEXT NOT NULL DEFAULT 'paid',
    ADD COLUMN promotion_code TEXT,
    ADD COLUMN decline_code TEXT,
    ADD COLUMN opened_at timestamptz,
    ADD COLUMN next_check_at timestamptz,
    ADD COLUMN checks INTEGER NOT NULL DEFAULT 0;

ALTER TABLE payments
    ALTER COLUMN grant_kind DROP DEFAULT,
    ALTER COLUMN checks DROP DEFAULT;

CREATE INDEX ix_payments_to_check ON payments (org_id, next_check_at)
    WHERE state IN ('created', 'unknown', 'pending');
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
