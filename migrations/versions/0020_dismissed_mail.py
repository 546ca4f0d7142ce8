"""A mail that cannot be delivered is dismissed by a person, and leaves the work list."""

from alembic import op

revision = "0020_dismissed_mail"
down_revision = "0019_sealed"

STATEMENTS = """
ALTER TABLE outbox_emails DROP CONSTRAINT ck_outbox_emails_state;
ALTER TABLE outbox_emails ADD CONSTRAINT ck_outbox_emails_state
    CHECK (state IN ('waiting', 'sent', 'failed', 'parked', 'dismissed')) NOT VALID;
ALTER TABLE outbox_emails VALIDATE CONSTRAINT ck_outbox_emails_state;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
