"""A removal may name the credit grant that it takes from; the list of a wallet's grants reads an index."""

from alembic import op

revision = "0049_directed_removals"
down_revision = "0048_spend_limits"

STATEMENTS = """
ALTER TABLE transactions
    ADD COLUMN grant_id UUID,
    ADD CONSTRAINT ck_transactions_directed CHECK (grant_id IS NULL OR type = 'admin_removal');
CREATE INDEX ix_credit_grants_wallet ON credit_grants (org_id, wallet_id, id);
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
