"""Up to which row a wallet is known to be sealed, so that only those that moved since are looked into."""

from alembic import op

revision = "0019_sealed"
down_revision = "0018_payment_of_row"

STATEMENTS = """
ALTER TABLE wallets ADD COLUMN sealed_seq BIGINT NOT NULL DEFAULT 0;

UPDATE wallets AS w SET sealed_seq = s.seq_to
FROM (SELECT org_id, wallet_id, max(seq_to) AS seq_to FROM ledger_seals GROUP BY org_id, wallet_id) AS s
WHERE s.org_id = w.org_id AND s.wallet_id = w.id;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
