"""Payments and the customers at a provider."""

from alembic import op

revision = "0004_payments"
down_revision = "0003_catalog"

TABLES = """
CREATE TABLE customers (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    mode TEXT NOT NULL,
    account_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    CONSTRAINT pk_customers PRIMARY KEY (org_id, id),
    CONSTRAINT fk_customers_org_id_organizations FOREIGN KEY(org_id) REFERENCES organizations (id) ON DELETE
        RESTRICT
);

CREATE UNIQUE INDEX uq_customers_org_id_mode_account_id ON customers (org_id, mode, account_id);

CREATE TABLE payments (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    state TEXT NOT NULL,
    kind TEXT NOT NULL,
    provider TEXT NOT NULL,
    mode TEXT NOT NULL,
    key TEXT NOT NULL,
    body_hash BYTEA NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id UUID,
    product_id UUID NOT NULL,
    version_id UUID NOT NULL,
    name TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    unit_price_minor BIGINT NOT NULL,
    amount_minor BIGINT NOT NULL,
    currency TEXT NOT NULL,
    grant_micros BIGINT NOT NULL,
    bonus_micros BIGINT NOT NULL,
    provider_price_id TEXT,
    success_url TEXT NOT NULL,
    cancel_url TEXT NOT NULL,
    customer_id TEXT,
    session_id TEXT,
    session_url TEXT,
    intent_id TEXT,
    invoice_id TEXT,
    total_minor BIGINT,
    discount_minor BIGINT,
    tax_minor BIGINT,
    problem TEXT,
    transaction_id UUID,
    paid_at timestamptz,
    credited_at timestamptz,
    changed_at timestamptz NOT NULL,
    CONSTRAINT pk_payments PRIMARY KEY (org_id, id),
    CONSTRAINT fk_payments_org_id_organizations FOREIGN KEY(org_id) REFERENCES organizations (id) ON DELETE
        RESTRICT,
    CONSTRAINT fk_payments_org_id_transaction_id_transactions FOREIGN KEY(org_id, transaction_id) REFERENCES
        transactions (org_id, id) ON DELETE RESTRICT,
    CONSTRAINT ck_payments_state CHECK (state IN ('created', 'unknown', 'pending', 'paid', 'credited', 'failed',
        'expired', 'review')),
    CONSTRAINT ck_payments_amount CHECK (quantity BETWEEN 1 AND 100 AND amount_minor = unit_price_minor * quantity),
    CONSTRAINT ck_payments_credited CHECK ((state = 'credited') = (transaction_id IS NOT NULL))
);

CREATE INDEX ix_payments_open ON payments (state) WHERE state IN ('created', 'unknown', 'paid', 'review');

CREATE INDEX ix_payments_org_id_session_id ON payments (org_id, session_id);

CREATE UNIQUE INDEX uq_payments_org_id_mode_key ON payments (org_id, mode, key);

CREATE TABLE dummy_sessions (
    id TEXT NOT NULL,
    key TEXT NOT NULL,
    state TEXT NOT NULL,
    payload JSONB NOT NULL,
    created_at timestamptz NOT NULL,
    delivered_at timestamptz,
    CONSTRAINT pk_dummy_sessions PRIMARY KEY (id),
    CONSTRAINT ck_dummy_sessions_state CHECK (state IN ('open', 'paid', 'declined', 'expired')),
    CONSTRAINT uq_dummy_sessions_key UNIQUE (key)
);
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE ON customers, payments, dummy_sessions TO coffer_app;
"""


def upgrade() -> None:

    for block in (TABLES, GRANTS):
        op.execute(block)
