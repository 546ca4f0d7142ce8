"""What the database and the session refuse, whatever the code above them does."""

from contextlib import suppress
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from dashboard.core import ids
from dashboard.core.db import APP_ROLE, SESSION_SETTINGS, db, sqlstate, transaction
from dashboard.models import Membership, Organization, Transaction, Wallet, WalletDay
from tests.factories import charge, grant, make_org, make_user, wallet_of
from tests.servers import Servers

pytestmark = pytest.mark.usefixtures("app_context")

NO_RIGHT, IMMUTABLE, FOREIGN_KEY, TOO_LATE = "42501", "23001", "23503", "25P02"
CHANGES = ["UPDATE transactions SET amount = 1", "DELETE FROM transactions", "TRUNCATE transactions CASCADE"]


def state_of(statement: str, org_id: UUID | None = None, **values: object) -> str | None:
    """The SQLSTATE with which the application's role is refused; None when it is not."""
    try:
        with transaction(org=org_id) as session:
            session.execute(text(statement), values)
    except DBAPIError as error:
        return sqlstate(error)
    return None


def as_owner(servers: Servers, statement: str) -> str | None:
    """The same for the role that owns the tables."""
    url = servers.database_url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(url) as connection:
        try:
            connection.execute(statement)
        except psycopg.Error as error:
            return error.sqlstate
        finally:
            connection.rollback()
    return None


@pytest.mark.parametrize("statement", CHANGES)
def test_the_application_cannot_change_a_ledger_row(statement: str) -> None:
    make_org(funds=5)
    assert state_of(statement) == NO_RIGHT


@pytest.mark.parametrize("statement", CHANGES)
def test_the_owner_of_the_tables_cannot_either(servers: Servers, statement: str) -> None:
    make_org(funds=5)
    assert as_owner(servers, statement) == IMMUTABLE


def test_the_applications_login_cannot_become_the_owner_again(servers: Servers) -> None:
    """What somebody could try who got a statement of their own into the application."""
    make_org(funds=5)
    url = servers.app_url.replace("postgresql+psycopg://", "postgresql://")
    owner = make_url(servers.database_url).username
    if servers.app_url == servers.database_url:
        pytest.skip("the given server has one login")
    with psycopg.connect(url, options=SESSION_SETTINGS, autocommit=True) as connection:
        for way in (
            "RESET ROLE", f"SET ROLE {owner}", "SET ROLE NONE", f"SET SESSION AUTHORIZATION {owner}",
            f"GRANT {owner} TO CURRENT_USER", f"ALTER ROLE {APP_ROLE} SUPERUSER",
            "ALTER TABLE transactions DISABLE TRIGGER ALL", "SET session_replication_role = replica",
        ):  # fmt: skip
            with suppress(psycopg.errors.InsufficientPrivilege):
                connection.execute(way)
            for change in CHANGES:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(change)


@pytest.mark.parametrize("table", ["audit_entries", "credit_grants", "grant_burns", "product_versions"])
def test_what_is_history_takes_no_update_and_no_delete(table: str) -> None:
    assert state_of(f"UPDATE {table} SET created_at = now()") == NO_RIGHT
    assert state_of(f"DELETE FROM {table}") == NO_RIGHT


@pytest.mark.parametrize("table", ["wallets", "wallet_days", "organizations", "memberships", "payments", "api_keys"])
def test_rows_end_by_a_date_not_by_deletion(table: str) -> None:
    assert state_of(f"DELETE FROM {table}") == NO_RIGHT


def test_the_application_makes_no_tables() -> None:
    assert state_of("CREATE TABLE mine (id int)") == NO_RIGHT


def test_a_row_cannot_point_into_another_organization() -> None:
    mine, theirs = make_org(), make_org()
    wallet = wallet_of(theirs)
    crossed = "INSERT INTO wallet_days VALUES (:org, :wallet, '2026-01-01', 'charge', '', -1, 1)"
    assert state_of(crossed, mine.id, org=mine.id, wallet=wallet.id) == FOREIGN_KEY
    assert state_of(crossed, theirs.id, org=theirs.id, wallet=wallet.id) is None


def test_a_grant_cannot_point_at_another_organizations_row() -> None:
    mine, theirs = make_org(), make_org()
    row = grant(wallet_of(theirs), 5)
    crossed = """INSERT INTO credit_grants (org_id, id, created_at, wallet_id, transaction_id, kind, category, amount,
      priority, opened_seq, remaining) VALUES (:org, :id, now(), :wallet, :row, 'paid', 'x', 5, 0, 1, 5)"""
    values = {"org": mine.id, "id": ids.new(), "wallet": wallet_of(mine).id, "row": row.id}
    assert state_of(crossed, mine.id, **values) == FOREIGN_KEY


def test_a_reused_connection_is_still_the_applications_role(app_context: Flask) -> None:
    users = []
    for _ in range(3):
        with transaction() as session:
            users.append(session.scalar(text("SELECT current_user")))
        users.append(db.session.scalar(text("SELECT current_user")))
        db.session.remove()
    assert set(users) == {APP_ROLE}


def test_a_reused_connection_keeps_its_time_outs() -> None:
    for _ in range(2):
        found = db.session.execute(
            text("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
        ).one()
        assert tuple(found) == ("3s", "10s")
        with transaction() as session:
            session.execute(text("SELECT 1"))
        db.session.remove()


def test_orm_writes_outside_a_transaction_are_refused() -> None:
    org = make_org()
    db.session.add(Wallet(org_id=org.id, mode="test", unit="hours"))
    with pytest.raises(RuntimeError, match="outside a transaction"):
        db.session.flush()
    db.session.rollback()


def test_orm_writes_of_another_organization_are_refused() -> None:
    mine, theirs = make_org(), make_org()
    user = make_user()
    with pytest.raises(RuntimeError, match="in the transaction of"), transaction(org=mine.id) as session:
        session.add(Membership(org_id=theirs.id, user_id=user.id, role="owner"))


def test_tenant_rows_need_a_named_organization() -> None:
    org = make_org()
    with pytest.raises(RuntimeError, match="in the transaction of None"), transaction() as session:
        session.get_one(Organization, org.id).name = "Changed"
    db.session.rollback()


def test_every_tenant_table_has_the_organization_first_in_each_key() -> None:
    for mapper in Wallet.registry.mappers:
        table = mapper.local_table
        if not getattr(mapper.class_, "__tenant__", False) or table.name == "organizations":
            continue
        assert next(column.name for column in table.primary_key) == "org_id", table.name
        for index in table.indexes:
            if index.unique:
                assert index.columns.keys()[0] == "org_id", index.name
        for key in table.foreign_key_constraints:
            if key.referred_table.name not in ("users", "organizations"):
                assert key.column_keys[0] == "org_id", key.name


def test_the_database_has_what_the_ledger_stands_on() -> None:
    triggers = db.session.scalars(
        text("SELECT tgname FROM pg_trigger WHERE tgrelid = 'transactions'::regclass AND NOT tgisinternal")
    ).all()
    assert set(triggers) == {"immutable", "immutable_whole"}
    rights = db.session.execute(
        text("""SELECT table_name, string_agg(privilege_type, ' ' ORDER BY privilege_type) FROM
          information_schema.role_table_grants WHERE grantee = :role AND table_name IN
          ('transactions', 'wallets', 'wallet_days', 'audit_entries') GROUP BY 1 ORDER BY 1"""),
        {"role": APP_ROLE},
    )
    assert dict(rights.all()) == {
        "audit_entries": "INSERT SELECT",
        "transactions": "INSERT SELECT",
        "wallet_days": "INSERT SELECT UPDATE",
        "wallets": "INSERT SELECT UPDATE",
    }


def test_a_ledger_row_must_add_up() -> None:
    wallet = wallet_of(make_org(funds=10))
    charge(wallet, 1)
    wrong = """INSERT INTO transactions (org_id, id, created_at, wallet_id, mode, seq, type, amount, balance_before,
      balance_after, origin, key, description, actor_kind, app)
      VALUES (:org, :id, now(), :wallet, 'test', 9, 'charge', -1, 9, 9, 'x', 'x', '', 'system', '')"""
    assert state_of(wrong, wallet.org_id, org=wallet.org_id, id=ids.new(), wallet=wallet.id) == "23514"
    assert db.session.query(Transaction).filter_by(org_id=wallet.org_id).count() == 2
    assert db.session.query(WalletDay).filter_by(org_id=wallet.org_id).count() == 2
