"""A repeated POST gets its first answer again."""

from alembic import op

revision = "0045_first_answers"
down_revision = "0044_rows_of_payments"

STATEMENTS = """
CREATE TABLE first_answers (
    owner_id UUID NOT NULL,
    digest BYTEA NOT NULL,
    body_hash BYTEA NOT NULL,
    claim_id UUID NOT NULL,
    claimed_at timestamptz NOT NULL,
    scopes TEXT[] NOT NULL,
    acted BOOLEAN DEFAULT false NOT NULL,
    status INTEGER,
    body TEXT,
    made_id UUID,
    CONSTRAINT pk_first_answers PRIMARY KEY (owner_id, digest)
);
CREATE INDEX ix_first_answers_claimed_at ON first_answers (claimed_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON first_answers TO coffer_app;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
