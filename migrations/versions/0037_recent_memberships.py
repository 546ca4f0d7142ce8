"""The organizations that a person was in last, in the order of an index: every page shows them."""

from alembic import op

revision = "0037_recent_memberships"
down_revision = "0036_imposed_caps"

STATEMENTS = """
CREATE INDEX ix_memberships_recent ON memberships (user_id, last_seen_at DESC NULLS LAST, org_id)
    WHERE removed_at IS NULL;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
