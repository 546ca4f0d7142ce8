"""A slug that an organization gave up is kept from others for a while: its links are still about."""

from alembic import op

revision = "0032_former_slugs"
down_revision = "0031_paid_payments_are_checked"

TABLE = """
CREATE TABLE former_slugs (
    slug TEXT NOT NULL,
    org_id UUID NOT NULL,
    given_up_at timestamptz NOT NULL,
    CONSTRAINT pk_former_slugs PRIMARY KEY (slug),
    CONSTRAINT fk_former_slugs_org_id_organizations FOREIGN KEY (org_id) REFERENCES organizations (id)
);
GRANT SELECT, INSERT, UPDATE ON former_slugs TO coffer_app;
"""

# What was given up before stands in the audit log.
KNOWN = """
INSERT INTO former_slugs (slug, org_id, given_up_at)
SELECT DISTINCT ON (before ->> 'slug') before ->> 'slug', org_id, created_at FROM audit_entries
WHERE action = 'organization.changed' AND object_kind = 'organization' AND before ->> 'slug' IS NOT NULL
ORDER BY before ->> 'slug', created_at DESC
"""


def upgrade() -> None:
    op.execute(TABLE)
    op.execute(KNOWN)
