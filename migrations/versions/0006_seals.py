"""Seals over the ledger's rows."""

from alembic import op

revision = "0006_seals"
down_revision = "0005_inbox"

STATEMENTS = """
CREATE TABLE ledger_seals (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    wallet_id UUID NOT NULL,
    seq_from BIGINT NOT NULL,
    seq_to BIGINT NOT NULL,
    previous_hash BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    CONSTRAINT pk_ledger_seals PRIMARY KEY (org_id, id),
    CONSTRAINT fk_ledger_seals_org_id_wallet_id_wallets FOREIGN KEY(org_id, wallet_id) REFERENCES wallets
        (org_id, id) ON DELETE RESTRICT,
    CONSTRAINT ck_ledger_seals_block CHECK (seq_from >= 1 AND seq_to >= seq_from)
);

CREATE UNIQUE INDEX uq_ledger_seals_org_id_wallet_id_seq_from ON ledger_seals (org_id, wallet_id, seq_from);

CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON ledger_seals
  FOR EACH ROW EXECUTE FUNCTION coffer_refuse_change();

CREATE TRIGGER immutable_whole BEFORE TRUNCATE ON ledger_seals
  FOR EACH STATEMENT EXECUTE FUNCTION coffer_refuse_change();

GRANT SELECT, INSERT ON ledger_seals TO coffer_app;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
