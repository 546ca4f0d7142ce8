"""Quantities and kind of credit of a version; its price at the provider."""

from alembic import op

revision = "0008_catalog_terms"
down_revision = "0007_outbox"

STATEMENTS = """
ALTER TABLE product_versions
    ADD COLUMN min_quantity INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN max_quantity INTEGER NOT NULL DEFAULT 100,
    ADD COLUMN grant_kind TEXT NOT NULL DEFAULT 'paid';

ALTER TABLE product_versions
    ALTER COLUMN min_quantity DROP DEFAULT,
    ALTER COLUMN max_quantity DROP DEFAULT,
    ALTER COLUMN grant_kind DROP DEFAULT;

ALTER TABLE product_versions ADD CONSTRAINT ck_product_versions_quantities
    CHECK (min_quantity >= 1 AND max_quantity BETWEEN min_quantity AND 100);

ALTER TABLE product_versions ADD CONSTRAINT ck_product_versions_grant_kind
    CHECK (grant_kind IN ('paid', 'promotional'));

CREATE TABLE provider_prices (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    version_id UUID NOT NULL,
    provider TEXT NOT NULL,
    mode TEXT NOT NULL,
    account_id TEXT NOT NULL,
    state TEXT NOT NULL,
    product_ref TEXT,
    price_ref TEXT,
    seen JSONB,
    problem TEXT,
    checked_at timestamptz,
    next_check_at timestamptz,
    CONSTRAINT pk_provider_prices PRIMARY KEY (org_id, id),
    CONSTRAINT fk_provider_prices_org_id_version_id_product_versions FOREIGN KEY(org_id, version_id) REFERENCES
        product_versions (org_id, id) ON DELETE RESTRICT,
    CONSTRAINT ck_provider_prices_state CHECK (state IN ('wanted', 'ready', 'drift', 'archived'))
);

CREATE UNIQUE INDEX uq_provider_prices_org_id_version_id_mode_account_id ON provider_prices (org_id, version_id,
    mode, account_id);

GRANT SELECT, INSERT, UPDATE ON provider_prices TO coffer_app;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
