"""Wallets that are low or overdrawn have an index, which a charge does not touch unless it crosses a border."""

from alembic import op

revision = "0039_wallet_levels"
down_revision = "0038_platform_figures"

STATEMENTS = """
ALTER TABLE wallets ADD COLUMN level SMALLINT
    GENERATED ALWAYS AS (CASE WHEN balance < 0 THEN 2 WHEN balance - held < 5000000 THEN 1 END) STORED;
CREATE INDEX ix_wallets_level ON wallets (mode, level, org_id) WHERE level IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
