"""When an identity provider was last asked for its keys, and what came of it."""

from alembic import op

revision = "0024_key_fetches"
down_revision = "0023_known_devices"

STATEMENTS = """
ALTER TABLE identity_providers
    ADD COLUMN tried_at timestamptz,
    ADD COLUMN fetch_error TEXT;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
