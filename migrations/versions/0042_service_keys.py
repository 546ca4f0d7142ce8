"""A service key belongs to the platform and acts in every platform-funded organization of its mode."""

from alembic import op

revision = "0042_service_keys"
down_revision = "0041_provider_accounts"

STATEMENTS = """
ALTER TABLE api_keys
    ADD COLUMN service BOOLEAN DEFAULT false NOT NULL,
    ADD CONSTRAINT ck_api_keys_service CHECK (
        NOT service OR (issued_by = 'platform' AND org_id = '00000000-0000-7000-8000-000000000001'::uuid)
    );
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
