"""Who edits a product finds out who was faster; which promotion a payment was opened with; what sold lately."""

from alembic import op

revision = "0010_catalog_edits"
down_revision = "0009_payment_story"

STATEMENTS = """
ALTER TABLE products
    ADD COLUMN revision INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN changed_at timestamptz;

UPDATE products SET changed_at = created_at;

ALTER TABLE products
    ALTER COLUMN revision DROP DEFAULT,
    ALTER COLUMN changed_at SET NOT NULL;

ALTER TABLE payments ADD COLUMN promotion_id TEXT;

CREATE INDEX ix_payments_sold ON payments (product_id, credited_at) WHERE state = 'credited';
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
