"""Initial credits are given once per address, whoever holds it later."""

from alembic import op

revision = "0026_welcomed_addresses"
down_revision = "0025_invites_by_address"

# Where a person's own organization was welcomed before, the address they have now counts as welcomed.
STATEMENTS = """
CREATE TABLE welcomed_addresses (
    address_hash BYTEA NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_welcomed_addresses PRIMARY KEY (address_hash)
);
GRANT SELECT, INSERT ON welcomed_addresses TO coffer_app;
INSERT INTO welcomed_addresses (address_hash, created_at)
SELECT DISTINCT sha256(convert_to(lower(u.email), 'UTF8')), now() FROM users AS u
JOIN memberships AS m ON m.user_id = u.id
JOIN transactions AS t ON t.org_id = m.org_id AND t.mode IN ('test', 'live') AND t.origin = 'signup'
    AND t.key = u.id::text;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
