"""E-mails that are owed."""

from alembic import op

revision = "0007_outbox"
down_revision = "0006_seals"

STATEMENTS = """
CREATE TABLE outbox_emails (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    key TEXT NOT NULL,
    event TEXT NOT NULL,
    to_address TEXT NOT NULL,
    context JSONB NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_attempt_at timestamptz,
    claimed_until timestamptz,
    claim_token UUID,
    error TEXT,
    sent_at timestamptz,
    CONSTRAINT pk_outbox_emails PRIMARY KEY (org_id, id),
    CONSTRAINT fk_outbox_emails_org_id_organizations FOREIGN KEY(org_id) REFERENCES organizations (id) ON DELETE
        RESTRICT,
    CONSTRAINT ck_outbox_emails_state CHECK (state IN ('waiting', 'sent', 'failed', 'parked'))
);

CREATE INDEX ix_outbox_emails_due ON outbox_emails (org_id, id) WHERE state IN ('waiting', 'failed');

CREATE UNIQUE INDEX uq_outbox_emails_org_id_key ON outbox_emails (org_id, key);

GRANT SELECT, INSERT, UPDATE ON outbox_emails TO coffer_app;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
