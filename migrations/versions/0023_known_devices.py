"""Browsers in which people signed in before."""

from alembic import op

revision = "0023_known_devices"
down_revision = "0022_key_caps"

STATEMENTS = """
CREATE TABLE known_devices (
    user_id UUID NOT NULL,
    token_hash BYTEA NOT NULL,
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    CONSTRAINT pk_known_devices PRIMARY KEY (user_id, token_hash),
    CONSTRAINT fk_known_devices_user_id_users FOREIGN KEY(user_id) REFERENCES users (id)
);
CREATE INDEX ix_known_devices_last_seen_at ON known_devices (last_seen_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON known_devices TO coffer_app;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
