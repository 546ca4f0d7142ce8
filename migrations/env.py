"""Runs migrations on the owner's connection. Two at once are safe: the second waits, then finds nothing to do."""

from alembic import context
from sqlalchemy import create_engine, text

from dashboard.config import settings
from dashboard.models import Base

MIGRATION_LOCK = 0x636F66666572  # "coffer"


def run() -> None:
    chosen = settings()
    engine = create_engine(chosen.migration_database_url or chosen.database_url)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
        connection.commit()
        context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
    engine.dispose()


run()
