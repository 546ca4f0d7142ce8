"""Credit that lapses: what is left of each slice, which rows it paid, and when a wallet's next one ends."""

from alembic import op

revision = "0015_expiry"
down_revision = "0014_last_mail"

STATEMENTS = """
ALTER TABLE wallets
    ADD COLUMN next_expiry_at timestamptz,
    ADD COLUMN settled_seq BIGINT NOT NULL DEFAULT 0;

ALTER TABLE wallets ALTER COLUMN settled_seq DROP DEFAULT;

CREATE INDEX ix_wallets_next_expiry_at ON wallets (next_expiry_at) WHERE next_expiry_at IS NOT NULL;

ALTER TABLE credit_grants
    ADD COLUMN opened_seq BIGINT,
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN remaining BIGINT;

UPDATE credit_grants AS g SET remaining = g.amount, opened_seq = t.seq
FROM transactions AS t WHERE t.org_id = g.org_id AND t.id = g.transaction_id;

ALTER TABLE credit_grants
    ALTER COLUMN opened_seq SET NOT NULL,
    ALTER COLUMN remaining SET NOT NULL,
    ADD CONSTRAINT ck_credit_grants_remaining CHECK (remaining BETWEEN 0 AND amount);

CREATE INDEX ix_credit_grants_open ON credit_grants (org_id, wallet_id, opened_seq) WHERE remaining > 0;

CREATE TABLE grant_burns (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    wallet_id UUID NOT NULL,
    grant_id UUID NOT NULL,
    seq_from BIGINT NOT NULL,
    seq_to BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    CONSTRAINT pk_grant_burns PRIMARY KEY (org_id, id),
    CONSTRAINT fk_grant_burns_org_id_wallet_id_wallets FOREIGN KEY(org_id, wallet_id) REFERENCES wallets
        (org_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_grant_burns_org_id_grant_id_credit_grants FOREIGN KEY(org_id, grant_id) REFERENCES credit_grants
        (org_id, id) ON DELETE RESTRICT,
    CONSTRAINT ck_grant_burns_range CHECK (seq_from >= 1 AND seq_to >= seq_from AND amount > 0)
);

CREATE INDEX ix_grant_burns_org_id_grant_id ON grant_burns (org_id, grant_id);

CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON grant_burns
  FOR EACH ROW EXECUTE FUNCTION coffer_refuse_change();

CREATE TRIGGER immutable_whole BEFORE TRUNCATE ON grant_burns
  FOR EACH STATEMENT EXECUTE FUNCTION coffer_refuse_change();

GRANT SELECT, INSERT ON grant_burns TO coffer_app;

GRANT UPDATE (remaining) ON credit_grants TO coffer_app;

ALTER TABLE product_versions
    ADD COLUMN expires_days INTEGER,
    ADD CONSTRAINT ck_product_versions_expires_days CHECK (expires_days BETWEEN 1 AND 3650);

ALTER TABLE payments ADD COLUMN expires_days INTEGER;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
