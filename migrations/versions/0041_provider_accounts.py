"""Accounts at payment providers are rows. Those that prices and customers name already are the platform's."""

from alembic import op

revision = "0041_provider_accounts"
down_revision = "0040_checkout_spaces"

STATEMENTS = """
CREATE TABLE provider_accounts (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    provider TEXT NOT NULL,
    mode TEXT NOT NULL,
    account_id TEXT NOT NULL,
    credentials TEXT,
    publishable_key TEXT NOT NULL,
    validated_at timestamptz,
    active BOOLEAN NOT NULL,
    CONSTRAINT pk_provider_accounts PRIMARY KEY (org_id, id),
    CONSTRAINT ck_provider_accounts_provider CHECK (provider IN ('stripe', 'dummy')),
    CONSTRAINT ck_provider_accounts_mode CHECK (mode IN ('test', 'live')),
    CONSTRAINT ck_provider_accounts_credentials
        CHECK ((org_id = '00000000-0000-7000-8000-000000000001') = (credentials IS NULL)),
    CONSTRAINT fk_provider_accounts_org_id_organizations FOREIGN KEY(org_id)
        REFERENCES organizations (id) ON DELETE RESTRICT
);
CREATE UNIQUE INDEX uq_provider_accounts_org_id_account_id
    ON provider_accounts (org_id, provider, mode, account_id);
CREATE UNIQUE INDEX uq_provider_accounts_org_id_active ON provider_accounts (org_id, provider, mode) WHERE active;

INSERT INTO provider_accounts (org_id, id, created_at, provider, mode, account_id, publishable_key, active)
SELECT '00000000-0000-7000-8000-000000000001', gen_random_uuid(), now(), provider, mode, account_id, '', false
FROM (SELECT provider, mode, account_id FROM provider_prices
    UNION SELECT CASE account_id WHEN 'dummy' THEN 'dummy' ELSE 'stripe' END, mode, account_id FROM customers) AS known;

ALTER TABLE provider_prices ADD CONSTRAINT fk_provider_prices_account
    FOREIGN KEY(org_id, provider, mode, account_id)
    REFERENCES provider_accounts (org_id, provider, mode, account_id) ON DELETE RESTRICT;

GRANT SELECT, INSERT, UPDATE ON provider_accounts TO coffer_app;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
