"""A checksum for each sealed row, which names the row where a seal does not hold."""

from alembic import op

revision = "0011_seal_checksums"
down_revision = "0010_catalog_edits"


def upgrade() -> None:
    op.execute("ALTER TABLE ledger_seals ADD COLUMN checksums BYTEA NOT NULL")
