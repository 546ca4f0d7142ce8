"""Metrics, price versions, usage events, and what they add up to."""

from alembic import op

revision = "0046_usage"
down_revision = "0045_first_answers"

STATEMENTS = """
CREATE TABLE metrics (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    unit TEXT NOT NULL,
    archived_at timestamptz,
    CONSTRAINT pk_metrics PRIMARY KEY (org_id, id),
    CONSTRAINT fk_metrics_org_id_organizations FOREIGN KEY(org_id) REFERENCES organizations (id) ON DELETE RESTRICT
);
CREATE UNIQUE INDEX uq_metrics_org_id_key ON metrics (org_id, key);

CREATE TABLE prices (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    metric_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount_micros BIGINT NOT NULL,
    per_units BIGINT NOT NULL,
    tiers JSONB,
    free_units BIGINT NOT NULL,
    period TEXT NOT NULL,
    effective_from timestamptz NOT NULL,
    CONSTRAINT pk_prices PRIMARY KEY (org_id, id),
    CONSTRAINT ck_prices_kind
        CHECK (kind IN ('flat', 'graduated', 'package') AND (kind = 'graduated') = (tiers IS NOT NULL)),
    CONSTRAINT ck_prices_period CHECK (period IN ('none', 'day', 'month')),
    CONSTRAINT ck_prices_amounts CHECK (amount_micros >= 0 AND per_units >= 1 AND free_units >= 0),
    CONSTRAINT fk_prices_org_id_organizations FOREIGN KEY(org_id) REFERENCES organizations (id) ON DELETE RESTRICT
);
CREATE UNIQUE INDEX uq_prices_org_id_metric_key_effective_from ON prices (org_id, metric_key, effective_from);

CREATE TABLE usage_events (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    wallet_id UUID NOT NULL,
    mode TEXT NOT NULL,
    metric_key TEXT NOT NULL,
    units BIGINT NOT NULL,
    occurred_at timestamptz NOT NULL,
    key TEXT NOT NULL,
    body_hash BYTEA NOT NULL,
    app TEXT NOT NULL,
    member_id UUID,
    api_key_id UUID,
    properties JSONB NOT NULL,
    price_id UUID NOT NULL,
    period_start DATE NOT NULL,
    units_after BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    transaction_id UUID,
    CONSTRAINT pk_usage_events PRIMARY KEY (org_id, id),
    CONSTRAINT ck_usage_events_units CHECK (units > 0 AND cost >= 0 AND units_after >= units),
    CONSTRAINT ck_usage_events_charged CHECK (cost = 0 OR transaction_id IS NOT NULL),
    CONSTRAINT fk_usage_events_org_id_wallets FOREIGN KEY(org_id, wallet_id)
        REFERENCES wallets (org_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_usage_events_org_id_transactions FOREIGN KEY(org_id, transaction_id)
        REFERENCES transactions (org_id, id) ON DELETE RESTRICT
);
CREATE UNIQUE INDEX uq_usage_events_org_id_mode_key ON usage_events (org_id, mode, key);
CREATE INDEX ix_usage_events_metric ON usage_events (org_id, wallet_id, metric_key, id);
CREATE INDEX ix_usage_events_transaction ON usage_events (org_id, transaction_id) WHERE transaction_id IS NOT NULL;

CREATE TABLE usage_positions (
    org_id UUID NOT NULL,
    wallet_id UUID NOT NULL,
    metric_key TEXT NOT NULL,
    period_start DATE NOT NULL,
    price_id UUID NOT NULL,
    start BIGINT NOT NULL,
    units BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    CONSTRAINT pk_usage_positions PRIMARY KEY (org_id, wallet_id, metric_key, period_start, price_id),
    CONSTRAINT ck_usage_positions_sums CHECK (start >= 0 AND units >= 0 AND cost >= 0),
    CONSTRAINT fk_usage_positions_org_id_wallets FOREIGN KEY(org_id, wallet_id)
        REFERENCES wallets (org_id, id) ON DELETE RESTRICT
);

CREATE TABLE usage_counters (
    org_id UUID NOT NULL,
    wallet_id UUID NOT NULL,
    day DATE NOT NULL,
    metric_key TEXT NOT NULL,
    dimension TEXT NOT NULL,
    value TEXT NOT NULL,
    units BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    events BIGINT NOT NULL,
    CONSTRAINT pk_usage_counters PRIMARY KEY (org_id, wallet_id, day, metric_key, dimension, value),
    CONSTRAINT ck_usage_counters_dimension CHECK (dimension IN ('all', 'app', 'member', 'key')),
    CONSTRAINT fk_usage_counters_org_id_wallets FOREIGN KEY(org_id, wallet_id)
        REFERENCES wallets (org_id, id) ON DELETE RESTRICT
) WITH (fillfactor = '50');

GRANT SELECT, INSERT, UPDATE ON metrics, usage_positions, usage_counters TO coffer_app;
GRANT SELECT, INSERT ON prices, usage_events TO coffer_app;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
