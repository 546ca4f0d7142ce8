"""Parked mails are counted on the overview, however many were sent."""

from alembic import op

revision = "0012_parked_mail"
down_revision = "0011_seal_checksums"

STATEMENTS = """
CREATE INDEX ix_outbox_emails_parked ON outbox_emails (org_id, id) WHERE state = 'parked';
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
