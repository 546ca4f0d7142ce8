"""A key says who it was made by: the organization's people, or the platform (a command, or a manager)."""

from alembic import op

revision = "0028_key_issuers"
down_revision = "0027_external_keys"

COLUMN = """
ALTER TABLE api_keys
    ADD COLUMN issued_by TEXT DEFAULT 'org' NOT NULL,
    ADD CONSTRAINT ck_api_keys_issued_by CHECK (issued_by IN ('org', 'platform'));
"""

# The audit log tells who made or rotated a key. A key that the organization's people rotated is theirs, and so are all
# that it came from: they are one program, whose idempotency keys stay in one space.
ISSUERS = """
WITH RECURSIVE platforms AS MATERIALIZED (
  SELECT DISTINCT org_id, coalesce(after ->> 'replaced_by', object_id) AS key_id FROM audit_entries
  WHERE object_kind = 'api_key' AND action IN ('key.made', 'key.rotated') AND actor_kind IN ('manager', 'system')
), chains (org_id, id, first, platforms) AS (
  SELECT k.org_id, k.id, k.id, k.created_by IS NULL OR p.key_id IS NOT NULL
  FROM api_keys AS k LEFT JOIN platforms AS p ON p.org_id = k.org_id AND p.key_id = k.id::text
  WHERE k.replaces_id IS NULL
  UNION ALL
  SELECT k.org_id, k.id, c.first, p.key_id IS NOT NULL
  FROM chains AS c JOIN api_keys AS k ON k.org_id = c.org_id AND k.replaces_id = c.id
  LEFT JOIN platforms AS p ON p.org_id = k.org_id AND p.key_id = k.id::text
)
UPDATE api_keys AS k SET issued_by = 'platform'
FROM chains AS c
JOIN (SELECT org_id, first FROM chains GROUP BY org_id, first HAVING bool_and(platforms)) AS whole
  ON whole.org_id = c.org_id AND whole.first = c.first
WHERE k.org_id = c.org_id AND k.id = c.id;
"""


def upgrade() -> None:
    op.execute(COLUMN)
    op.execute(ISSUERS)
