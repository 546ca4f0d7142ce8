"""When the last mail went out is told on the system page, however many did."""

from alembic import op

revision = "0014_last_mail"
down_revision = "0013_payment_lists"


def upgrade() -> None:
    op.execute("CREATE INDEX ix_outbox_emails_sent ON outbox_emails (sent_at) WHERE sent_at IS NOT NULL")
