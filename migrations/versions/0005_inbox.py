"""Webhooks as received, and each try at them."""

from alembic import op

revision = "0005_inbox"
down_revision = "0004_payments"

TABLES = """
CREATE TABLE inbox_events (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    provider TEXT NOT NULL,
    mode TEXT NOT NULL,
    event_id TEXT NOT NULL,
    type TEXT NOT NULL,
    payload BYTEA NOT NULL,
    state TEXT NOT NULL,
    deliveries INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    next_attempt_at timestamptz,
    claimed_until timestamptz,
    claim_token UUID,
    retry_requested_at timestamptz,
    error TEXT,
    effects JSONB,
    finished_at timestamptz,
    CONSTRAINT pk_inbox_events PRIMARY KEY (org_id, id),
    CONSTRAINT fk_inbox_events_org_id_organizations FOREIGN KEY(org_id) REFERENCES organizations (id) ON DELETE
        RESTRICT,
    CONSTRAINT ck_inbox_events_state CHECK (state IN ('received', 'processed', 'ignored', 'failed', 'parked'))
);

CREATE INDEX ix_inbox_events_due ON inbox_events (org_id, id) WHERE state IN ('received', 'failed');

CREATE INDEX ix_inbox_events_parked ON inbox_events (org_id, id) WHERE state = 'parked';

CREATE UNIQUE INDEX uq_inbox_events_org_id_mode_event_id ON inbox_events (org_id, mode, event_id);

CREATE TABLE inbox_tries (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    inbox_event_id UUID NOT NULL,
    number INTEGER NOT NULL,
    worker TEXT NOT NULL,
    duration_ms INTEGER NOT NULL,
    result TEXT NOT NULL,
    error TEXT,
    CONSTRAINT pk_inbox_tries PRIMARY KEY (org_id, id),
    CONSTRAINT fk_inbox_tries_org_id_inbox_event_id_inbox_events FOREIGN KEY(org_id, inbox_event_id) REFERENCES
        inbox_events (org_id, id) ON DELETE RESTRICT
);

CREATE INDEX ix_inbox_tries_org_id_inbox_event_id ON inbox_tries (org_id, inbox_event_id);
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE ON inbox_events TO coffer_app;

GRANT SELECT, INSERT ON inbox_tries TO coffer_app;
"""


def upgrade() -> None:

    for block in (TABLES, GRANTS):
        op.execute(block)
