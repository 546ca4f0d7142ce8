"""Checkouts by keys of the platform have idempotency keys apart from those of the organization's own programs."""

from alembic import op

revision = "0040_checkout_spaces"
down_revision = "0039_wallet_levels"

STATEMENTS = """
UPDATE payments AS p SET key = 'service:' || substr(p.key, 5)
FROM api_keys AS k
WHERE p.actor_kind = 'key' AND k.org_id = p.org_id AND k.id = p.actor_id AND k.issued_by = 'platform'
    AND p.key LIKE 'api:%';
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
