"""What all wallets hold is counted once a minute, not for every page."""

from alembic import op

revision = "0038_platform_figures"
down_revision = "0037_recent_memberships"

TABLE = """
CREATE TABLE platform_figures (
    mode TEXT NOT NULL,
    counted_at timestamptz NOT NULL,
    figures JSONB NOT NULL,
    CONSTRAINT pk_platform_figures PRIMARY KEY (mode)
)
"""

GRANT = "GRANT SELECT, INSERT, UPDATE ON platform_figures TO coffer_app"


def upgrade() -> None:
    op.execute(TABLE)
    op.execute(GRANT)
