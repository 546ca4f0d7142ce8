"""A cap that an owner or admin set on a member's key binds what the member may charge."""

from alembic import op

revision = "0036_imposed_caps"
down_revision = "0035_user_follow_ups"

# The form that makes a key leaves no entry of a changed cap: that one is its maker's own.
STATEMENTS = """
ALTER TABLE limits ADD COLUMN imposed BOOLEAN DEFAULT false NOT NULL;

UPDATE limits AS l SET imposed = true
FROM api_keys AS k JOIN audit_entries AS a
  ON a.org_id = k.org_id AND a.object_kind = 'api_key' AND a.action = 'key.cap_changed' AND a.object_id = k.id::text
WHERE l.org_id = k.org_id AND l.id = k.limit_id;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
