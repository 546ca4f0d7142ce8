"""Products and their versions."""

from alembic import op

revision = "0003_catalog"
down_revision = "0002_funds"

TABLES = """
CREATE TABLE products (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    position INTEGER NOT NULL,
    source TEXT NOT NULL,
    CONSTRAINT pk_products PRIMARY KEY (org_id, id),
    CONSTRAINT fk_products_org_id_organizations FOREIGN KEY(org_id) REFERENCES organizations (id) ON DELETE
        RESTRICT,
    CONSTRAINT ck_products_kind CHECK (kind IN ('pack'))
);

CREATE UNIQUE INDEX uq_products_org_id_source ON products (org_id, source) WHERE source <> '';

CREATE TABLE product_versions (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    product_id UUID NOT NULL,
    number INTEGER NOT NULL,
    price_minor BIGINT NOT NULL,
    currency TEXT NOT NULL,
    grant_micros BIGINT NOT NULL,
    bonus_micros BIGINT NOT NULL,
    provider_price_id TEXT,
    CONSTRAINT pk_product_versions PRIMARY KEY (org_id, id),
    CONSTRAINT fk_product_versions_org_id_product_id_products FOREIGN KEY(org_id, product_id) REFERENCES
        products (org_id, id) ON DELETE RESTRICT,
    CONSTRAINT ck_product_versions_amounts CHECK (price_minor > 0 AND grant_micros > 0 AND bonus_micros >= 0)
);

CREATE UNIQUE INDEX uq_product_versions_org_id_product_id_number ON product_versions (org_id, product_id, number);
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE ON products TO coffer_app;

GRANT SELECT, INSERT ON product_versions TO coffer_app;
"""


def upgrade() -> None:

    for block in (TABLES, GRANTS):
        op.execute(block)
