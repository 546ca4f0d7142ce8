"""In which currency the provider took the money, where it took any: it may be another than the one asked for."""

from alembic import op

revision = "0016_paid_currency"
down_revision = "0015_expiry"

STATEMENTS = """
ALTER TABLE payments ADD COLUMN paid_currency TEXT;

UPDATE payments SET paid_currency = coalesce((
    SELECT entry.after ->> 'currency' FROM audit_entries entry
    WHERE entry.org_id = payments.org_id AND entry.object_kind = 'payment' AND entry.object_id = payments.id::text
      AND entry.action IN ('payment.review', 'payment.credited') AND entry.after ? 'currency'
    ORDER BY entry.id DESC LIMIT 1), currency)
WHERE paid_at IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
