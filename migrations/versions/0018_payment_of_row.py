"""A payment by the ledger row that credited it, however many payments there are."""

from alembic import op

revision = "0018_payment_of_row"
down_revision = "0017_inbox_lists"


def upgrade() -> None:
    op.execute("CREATE INDEX ix_payments_transaction_id ON payments (transaction_id) WHERE transaction_id IS NOT NULL")
