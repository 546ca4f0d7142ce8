"""The transactions of a payment are found by its id."""

from alembic import op

revision = "0044_rows_of_payments"
down_revision = "0043_rows_of_members"


def upgrade() -> None:
    op.execute("CREATE INDEX ix_transactions_payment ON transactions (org_id, payment_id) WHERE payment_id IS NOT NULL")
