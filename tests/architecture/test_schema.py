"""The schema as the database has it, compared with the committed one: what autogeneration misses is seen here.

After a wanted change: `COFFER_WRITE_SCHEMA=1 make test ARGS=tests/architecture/test_schema.py`.
"""

import os
import subprocess
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import create_engine, text

from dashboard.models import Base
from tests.servers import Servers

SNAPSHOT = Path(__file__).with_name("schema.sql")
GLOBAL = {
    "users", "user_sessions", "user_follow_ups", "personal_tokens", "rate_buckets", "leases", "organizations",
    "org_directory", "dummy_sessions", "user_proofs", "recovery_codes", "known_devices", "welcomed_addresses",
    "alembic_version", "former_slugs", "stored_keys", "platform_figures", "first_answers",
}  # fmt: skip


TO_PEOPLE = {
    ("memberships", "user_id"), ("api_keys", "created_by"), ("invites", "invited_by"), ("invites", "accepted_by"),
}  # fmt: skip
"""References to the global table of people."""


def plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


def test_schema_is_the_committed_one(servers: Servers) -> None:
    if servers.pg_bin is None:
        pytest.skip("needs the embedded PostgreSQL's pg_dump")
    command = [
        str(servers.pg_bin / "pg_dump"), "--schema-only", "--no-owner", "--restrict-key=x", plain(servers.template_url),
    ]  # fmt: skip
    dump = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if os.environ.get("COFFER_WRITE_SCHEMA"):
        SNAPSHOT.write_text(dump)
    assert dump == SNAPSHOT.read_text()


def test_models_and_migrations_agree(app_context: Flask, servers: Servers) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with create_engine(servers.database_url).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_the_organization_stands_first_in_every_key(servers: Servers) -> None:
    query = text(
        "SELECT c.conrelid::regclass::text, c.conname, (SELECT attname FROM pg_attribute"
        "  WHERE attrelid = c.conrelid AND attnum = c.conkey[1])"
        " FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid"
        " WHERE c.contype IN ('p', 'f', 'u') AND t.relnamespace = 'public'::regnamespace"
    )
    with create_engine(servers.database_url).connect() as connection:
        keys = connection.execute(query).all()
        indexes = connection.execute(
            text("SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'")
        ).all()
    for table, name, first in keys:
        assert table in GLOBAL or first == "org_id" or (table, first) in TO_PEOPLE, f"{table} {name}"
    for table, name, definition in indexes:
        if "UNIQUE" in definition and table not in GLOBAL:
            assert "(org_id" in definition, f"{table} {name}"
