"""Holds: money that is reserved in a wallet, to be charged later."""

from alembic import op

revision = "0052_holds"
down_revision = "0051_rows_per_organization"

STATEMENTS = """
CREATE TABLE holds (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    wallet_id UUID NOT NULL,
    mode TEXT NOT NULL,
    amount BIGINT NOT NULL,
    captured BIGINT NOT NULL,
    state TEXT NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    description TEXT NOT NULL,
    app TEXT NOT NULL,
    member_id UUID,
    actor_kind TEXT NOT NULL,
    actor_id UUID,
    transaction_id UUID,
    limits JSONB NOT NULL,
    CONSTRAINT pk_holds PRIMARY KEY (org_id, id),
    CONSTRAINT ck_holds_amounts CHECK (amount > 0 AND captured >= 0),
    CONSTRAINT ck_holds_state CHECK (state IN ('open', 'captured', 'released', 'expired')),
    CONSTRAINT ck_holds_ended CHECK ((state = 'open') = (ended_at IS NULL)),
    CONSTRAINT ck_holds_captured CHECK ((state = 'captured') = (captured > 0)),
    CONSTRAINT fk_holds_org_id_wallets FOREIGN KEY(org_id, wallet_id)
        REFERENCES wallets (org_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_holds_org_id_transactions FOREIGN KEY(org_id, transaction_id)
        REFERENCES transactions (org_id, id) ON DELETE RESTRICT
);
CREATE INDEX ix_holds_open ON holds (org_id, wallet_id, expires_at) WHERE state = 'open';
CREATE INDEX ix_holds_due ON holds (expires_at) WHERE state = 'open';
CREATE UNIQUE INDEX uq_holds_org_id_transaction_id ON holds (org_id, transaction_id)
    WHERE transaction_id IS NOT NULL;

CREATE TABLE hold_steps (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    hold_id UUID NOT NULL,
    mode TEXT NOT NULL,
    kind TEXT NOT NULL,
    origin TEXT NOT NULL,
    key TEXT NOT NULL,
    body_hash BYTEA,
    actor_kind TEXT NOT NULL,
    actor_id UUID,
    expires_at timestamptz NOT NULL,
    CONSTRAINT pk_hold_steps PRIMARY KEY (org_id, id),
    CONSTRAINT ck_hold_steps_kind CHECK (kind IN ('opened', 'extended', 'captured', 'released', 'expired')),
    CONSTRAINT fk_hold_steps_org_id_holds FOREIGN KEY(org_id, hold_id)
        REFERENCES holds (org_id, id) ON DELETE RESTRICT
);
CREATE INDEX ix_hold_steps_org_id_hold_id ON hold_steps (org_id, hold_id, id);
CREATE UNIQUE INDEX uq_hold_steps_org_id_mode_origin_key ON hold_steps (org_id, mode, origin, key);

CREATE INDEX ix_credit_grants_expiring ON credit_grants (org_id, wallet_id, expires_at)
    WHERE remaining > 0 AND expires_at IS NOT NULL;

GRANT SELECT, INSERT, UPDATE (captured, state, expires_at, ended_at, transaction_id) ON holds TO coffer_app;
GRANT SELECT, INSERT ON hold_steps TO coffer_app;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
