"""Notices: what an organization is told once, such as credit that expires soon."""

from alembic import op

revision = "0054_notices"
down_revision = "0053_usage_voids"

STATEMENTS = """
CREATE TABLE notices (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    kind TEXT NOT NULL,
    subject_id UUID NOT NULL,
    step INTEGER NOT NULL,
    amount BIGINT NOT NULL,
    CONSTRAINT pk_notices PRIMARY KEY (org_id, id),
    CONSTRAINT ck_notices_kind CHECK (kind IN ('expiry')),
    CONSTRAINT fk_notices_org_id_organizations FOREIGN KEY(org_id) REFERENCES organizations (id) ON DELETE RESTRICT
);
CREATE UNIQUE INDEX uq_notices_org_id_kind_subject_id_step ON notices (org_id, kind, subject_id, step);
GRANT SELECT, INSERT ON notices TO coffer_app;
CREATE INDEX ix_credit_grants_dated ON credit_grants (expires_at) WHERE expires_at IS NOT NULL AND remaining > 0;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
