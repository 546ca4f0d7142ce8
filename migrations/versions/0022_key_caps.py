"""A key names its cap: charges without one need not look for it, and rotated keys share theirs."""

from alembic import op

revision = "0022_key_caps"
down_revision = "0021_people"

STATEMENTS = """
ALTER TABLE api_keys
    ADD COLUMN limit_id UUID,
    ADD CONSTRAINT fk_api_keys_org_id_limit_id_limits FOREIGN KEY(org_id, limit_id)
        REFERENCES limits (org_id, id) ON DELETE RESTRICT;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
