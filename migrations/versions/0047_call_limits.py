"""A key may call more often, or less, than others."""

from alembic import op

revision = "0047_call_limits"
down_revision = "0046_usage"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE api_keys ADD COLUMN call_limit INTEGER"
        " CONSTRAINT ck_api_keys_call_limit CHECK (call_limit BETWEEN 1 AND 1000000)"
    )
