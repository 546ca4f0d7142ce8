"""The bonus of a pack can expire at another time than its credits, and has a priority."""

from alembic import op

revision = "0055_bonus_terms"
down_revision = "0054_notices"

STATEMENTS = """
ALTER TABLE product_versions
    ADD COLUMN bonus_expires_days INTEGER DEFAULT 0 NOT NULL,
    ADD COLUMN bonus_priority INTEGER DEFAULT 0 NOT NULL,
    ADD CONSTRAINT ck_product_versions_bonus_terms
        CHECK (bonus_expires_days BETWEEN 0 AND 3650 AND bonus_priority BETWEEN 0 AND 100);
ALTER TABLE payments
    ADD COLUMN bonus_expires_days INTEGER DEFAULT 0 NOT NULL,
    ADD COLUMN bonus_priority INTEGER DEFAULT 0 NOT NULL;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
