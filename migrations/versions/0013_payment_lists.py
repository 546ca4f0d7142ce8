"""Lists of payments by state and across organizations, and by any of the provider's ids; a payment's trail."""

from alembic import op

revision = "0013_payment_lists"
down_revision = "0012_parked_mail"

STATEMENTS = """
CREATE INDEX ix_payments_id ON payments (id);
CREATE INDEX ix_payments_state_id ON payments (state, id);
CREATE INDEX ix_payments_org_id_state_id ON payments (org_id, state, id);
CREATE INDEX ix_payments_session_id ON payments (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX ix_payments_intent_id ON payments (intent_id) WHERE intent_id IS NOT NULL;
CREATE INDEX ix_payments_invoice_id ON payments (invoice_id) WHERE invoice_id IS NOT NULL;
DROP INDEX ix_payments_org_id_session_id;
CREATE INDEX ix_audit_entries_payments ON audit_entries (org_id, object_id) WHERE object_kind = 'payment';
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
