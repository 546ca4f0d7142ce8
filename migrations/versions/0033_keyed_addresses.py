"""Welcomed addresses are kept under a secret key: without it nobody can ask whether an address was among them."""

from alembic import op

revision = "0033_keyed_addresses"
down_revision = "0032_former_slugs"

# Rows from before get their key from the hourly purge; until then both forms count.
STATEMENTS = """
CREATE TABLE stored_keys (
    name TEXT NOT NULL,
    sealed TEXT NOT NULL,
    CONSTRAINT pk_stored_keys PRIMARY KEY (name)
);
GRANT SELECT, INSERT, UPDATE ON stored_keys TO coffer_app;
ALTER TABLE welcomed_addresses ADD COLUMN keyed BOOLEAN DEFAULT false NOT NULL;
CREATE INDEX ix_welcomed_addresses_unkeyed ON welcomed_addresses (address_hash) WHERE NOT keyed;
GRANT UPDATE ON welcomed_addresses TO coffer_app;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
