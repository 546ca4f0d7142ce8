"""External keys are the operator's: those that owners set so far wait for an operator to confirm or clear them."""

from alembic import op

revision = "0027_external_keys"
down_revision = "0026_welcomed_addresses"

STATEMENTS = """
ALTER TABLE org_directory
    ADD COLUMN external_key_confirmed_at timestamptz,
    ADD CONSTRAINT ck_org_directory_confirmed_key
        CHECK (external_key IS NOT NULL OR external_key_confirmed_at IS NULL);
CREATE INDEX ix_org_directory_unconfirmed ON org_directory (org_id)
    WHERE external_key IS NOT NULL AND external_key_confirmed_at IS NULL;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
