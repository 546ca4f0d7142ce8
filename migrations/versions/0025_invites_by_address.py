"""What a person is invited to is found by their address, over all organizations."""

from alembic import op

revision = "0025_invites_by_address"
down_revision = "0024_key_fetches"


def upgrade() -> None:
    op.execute("CREATE INDEX ix_invites_email ON invites (lower(email)) WHERE state = 'pending'")
