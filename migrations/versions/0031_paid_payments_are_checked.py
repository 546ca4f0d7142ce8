"""Payments that are paid and not booked are asked about at the provider too, until they are."""

from alembic import op

revision = "0031_paid_payments_are_checked"
down_revision = "0030_wallet_holders"

STATEMENTS = """
DROP INDEX ix_payments_to_check;
CREATE INDEX ix_payments_to_check ON payments (org_id, next_check_at)
    WHERE state IN ('created', 'unknown', 'pending', 'paid');
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
