"""Wallets and the append-only ledger."""

from alembic import op

revision = "0002_funds"
down_revision = "0001_identity"

TABLES = """
CREATE TABLE wallets (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    mode TEXT NOT NULL,
    unit TEXT NOT NULL,
    balance BIGINT NOT NULL,
    held BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    overdraft_limit BIGINT NOT NULL,
    frozen_at timestamptz,
    last_posted_at timestamptz,
    CONSTRAINT pk_wallets PRIMARY KEY (org_id, id),
    CONSTRAINT fk_wallets_org_id_organizations FOREIGN KEY(org_id) REFERENCES organizations (id) ON DELETE RESTRICT,
    CONSTRAINT ck_wallets_mode CHECK (mode IN ('test', 'live')),
    CONSTRAINT ck_wallets_floors CHECK (held >= 0 AND overdraft_limit >= 0)
) WITH (fillfactor = 50);

CREATE UNIQUE INDEX uq_wallets_org_id_mode_unit ON wallets (org_id, mode, unit);

CREATE TABLE transactions (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    wallet_id UUID NOT NULL,
    mode TEXT NOT NULL,
    seq BIGINT NOT NULL,
    type TEXT NOT NULL,
    amount BIGINT NOT NULL,
    balance_before BIGINT NOT NULL,
    balance_after BIGINT NOT NULL,
    origin TEXT NOT NULL,
    key TEXT NOT NULL,
    body_hash BYTEA,
    description TEXT NOT NULL,
    reason TEXT,
    actor_kind TEXT NOT NULL,
    actor_id UUID,
    app TEXT NOT NULL,
    member_id UUID,
    payment_id UUID,
    CONSTRAINT pk_transactions PRIMARY KEY (org_id, id),
    CONSTRAINT fk_transactions_org_id_wallet_id_wallets FOREIGN KEY(org_id, wallet_id) REFERENCES wallets
        (org_id, id) ON DELETE RESTRICT,
    CONSTRAINT ck_transactions_sum CHECK (amount <> 0 AND balance_after = balance_before + amount),
    CONSTRAINT ck_transactions_type CHECK (type IN ('purchase', 'deposit', 'recharge', 'subscription_grant',
        'admin_grant', 'renewal', 'charge', 'consumption', 'expiry', 'admin_removal', 'refund', 'dispute',
        'transfer', 'reversal'))
);

CREATE INDEX ix_transactions_adjustments ON transactions (org_id, id) WHERE type IN ('admin_grant', 'admin_removal');

CREATE UNIQUE INDEX uq_transactions_org_id_mode_origin_key ON transactions (org_id, mode, origin, key);

CREATE UNIQUE INDEX uq_transactions_org_id_wallet_id_seq ON transactions (org_id, wallet_id, seq);

CREATE TABLE wallet_days (
    org_id UUID NOT NULL,
    wallet_id UUID NOT NULL,
    day DATE NOT NULL,
    type TEXT NOT NULL,
    app TEXT NOT NULL,
    amount BIGINT NOT NULL,
    count BIGINT NOT NULL,
    CONSTRAINT pk_wallet_days PRIMARY KEY (org_id, wallet_id, day, type, app),
    CONSTRAINT fk_wallet_days_org_id_wallet_id_wallets FOREIGN KEY(org_id, wallet_id) REFERENCES wallets
        (org_id, id) ON DELETE RESTRICT
) WITH (fillfactor = 50);

CREATE TABLE credit_grants (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    wallet_id UUID NOT NULL,
    transaction_id UUID NOT NULL,
    kind TEXT NOT NULL,
    category TEXT NOT NULL,
    amount BIGINT NOT NULL,
    priority INTEGER NOT NULL,
    CONSTRAINT pk_credit_grants PRIMARY KEY (org_id, id),
    CONSTRAINT fk_credit_grants_org_id_wallet_id_wallets FOREIGN KEY(org_id, wallet_id) REFERENCES wallets
        (org_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_credit_grants_org_id_transaction_id_transactions FOREIGN KEY(org_id, transaction_id)
        REFERENCES transactions (org_id, id) ON DELETE RESTRICT,
    CONSTRAINT ck_credit_grants_slice CHECK (kind IN ('paid', 'promotional') AND amount > 0)
);

CREATE INDEX ix_credit_grants_org_id_transaction_id ON credit_grants (org_id, transaction_id);
"""

IMMUTABLE = """
CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON transactions
  FOR EACH ROW EXECUTE FUNCTION coffer_refuse_change();

CREATE TRIGGER immutable_whole BEFORE TRUNCATE ON transactions
  FOR EACH STATEMENT EXECUTE FUNCTION coffer_refuse_change();
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE ON wallets, wallet_days TO coffer_app;

GRANT SELECT, INSERT ON transactions, credit_grants TO coffer_app;
"""


def upgrade() -> None:

    for block in (TABLES, IMMUTABLE, GRANTS):
        op.execute(block)
