"""The transactions of a user are read in order, however many others there are."""

from alembic import op

revision = "0043_rows_of_members"
down_revision = "0042_service_keys"


def upgrade() -> None:
    op.execute(
        "CREATE INDEX ix_transactions_member ON transactions (org_id, member_id, wallet_id, seq)"
        " WHERE member_id IS NOT NULL"
    )
