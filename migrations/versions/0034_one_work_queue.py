"""A claim is the time until which a row is not due: it needs no columns of its own."""

from alembic import op

revision = "0034_one_work_queue"
down_revision = "0033_keyed_addresses"

STATEMENTS = """
DROP INDEX ix_inbox_events_due;
DROP INDEX ix_outbox_emails_due;
ALTER TABLE inbox_events DROP COLUMN claimed_until, DROP COLUMN claim_token;
ALTER TABLE outbox_emails DROP COLUMN claimed_until, DROP COLUMN claim_token;
CREATE INDEX ix_inbox_events_due ON inbox_events (org_id, next_attempt_at NULLS FIRST, id)
    WHERE state IN ('received', 'failed');
CREATE INDEX ix_outbox_emails_due ON outbox_emails (org_id, next_attempt_at NULLS FIRST, id)
    WHERE state IN ('waiting', 'failed');
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
