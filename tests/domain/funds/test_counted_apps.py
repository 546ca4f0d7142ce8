"""The days' sums stay small however many apps a program names, and every row of an app is counted in one place."""

from datetime import timedelta
from importlib import import_module

import psycopg
import pytest
from flask import Flask
from sqlalchemy import select, text

from dashboard.core import clock
from dashboard.core.db import autocommit, db, transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import ledger, transactions
from dashboard.domain.funds.ledger import BATCH_LIMIT, LedgerEntry
from dashboard.domain.funds.ledger_sql import MOST_APPS
from dashboard.domain.funds.reports import costs
from dashboard.domain.funds.transactions import TransactionFilters
from dashboard.domain.funds.transactions.filter_choices import MOST_SUMS
from dashboard.domain.platform import verify
from dashboard.models import OTHER_APPS, Transaction, Wallet, WalletDay
from tests.concurrency import at_once
from tests.factories import charge, make_org, wallet_of
from tests.servers import Servers

APPS = 10_000


@pytest.fixture
def wallet(app_context: Flask) -> Wallet:
    return wallet_of(make_org(funds=10**9))


def counted(wallet: Wallet, type: str = "charge") -> dict[str, int]:
    """How many rows each app of the wallet's days is counted with."""
    found = db.session.scalars(select(WalletDay).filter_by(org_id=wallet.org_id, type=type))
    return {row.app: row.count for row in found}


def post(wallet: Wallet, *apps: str, first: int = 0) -> None:
    entries = [LedgerEntry(wallet.id, 1, f"batch-{first + number}", app=app) for number, app in enumerate(apps)]
    with transaction(org=wallet.org_id):
        results = ledger.post_batch(wallet.org_id, entries, mode=wallet.mode, origin="api", by=SYSTEM)
    assert all(isinstance(result, ledger.Posting) for result in results)


def fill(wallet: Wallet) -> None:
    post(wallet, *(f"app-{number:03}" for number in range(MOST_APPS)))


def test_10_000_apps_make_no_more_rows_than_the_most(wallet: Wallet) -> None:
    for first in range(0, APPS, BATCH_LIMIT):
        post(wallet, *(f"request-{number}" for number in range(first, first + BATCH_LIMIT)), first=first)
    found = counted(wallet)
    assert len(found) == MOST_APPS + 1
    assert found[OTHER_APPS] == APPS - MOST_APPS
    assert set(found) - {OTHER_APPS} == {f"request-{number}" for number in range(MOST_APPS)}
    assert verify.broken() == []


def test_a_charge_of_an_app_beyond_the_most_is_counted_as_other(wallet: Wallet) -> None:
    fill(wallet)
    for app in ("one more", "app-000", "one more", ""):
        charge(wallet, 5, app=app)
    found = counted(wallet)
    assert (found[OTHER_APPS], found["app-000"], found[""]) == (2, 2, 1)
    assert "one more" not in found
    kept = db.session.scalars(select(Transaction.app).filter_by(org_id=wallet.org_id, amount=-5)).all()
    assert sorted(kept) == ["", "app-000", "one more", "one more"]
    assert verify.broken() == []


def test_a_batch_goes_on_where_the_day_is(wallet: Wallet) -> None:
    charge(wallet, 1, app="early")
    post(
        wallet, *(f"app-{number:03}" for number in range(MOST_APPS)), "early", "", "app-000", f"app-{MOST_APPS - 1:03}"
    )
    found = counted(wallet)
    assert (found["early"], found["app-000"], found[""], found[OTHER_APPS]) == (2, 2, 1, 2)
    assert len(found) == MOST_APPS + 2
    assert verify.broken() == []


def test_each_day_and_wallet_has_its_own_most(wallet: Wallet) -> None:
    fill(wallet)
    ledger.post(wallet, type="consumption", amount=-1, origin="run", key="r", by=SYSTEM, app="late")
    other = wallet_of(make_org(funds=10))
    charge(other, 1, app="late")
    with clock.at(clock.now() + timedelta(days=1)):
        charge(wallet, 1, app="late")
    assert counted(wallet, "consumption") == {OTHER_APPS: 1}
    assert counted(other)["late"] == 1
    assert counted(wallet)["late"] == 1
    assert verify.broken() == []


def test_parallel_charges_of_new_apps_do_not_pass_the_most(app: Flask) -> None:
    """Each waits for the wallet with a snapshot that knows none of the others; every app comes twice."""
    with app.app_context():
        wallet = wallet_of(make_org(funds=10**6))
        post(wallet, *(f"app-{number:03}" for number in range(MOST_APPS - 5)))

    def work(number: int) -> str:
        if number % 10 == 9:
            post(wallet, f"new-{number // 2}", f"batched-{number}", first=1_000 * number)
        else:
            charge(wallet, 1, app=f"new-{number // 2}")
        return "charged"

    assert at_once(app, 200, work) == {"charged": 200}
    with app.app_context():
        found = counted(wallet)
        assert len(found) == MOST_APPS + 1
        assert verify.broken() == []


def test_a_waiting_charge_counts_an_app_where_the_one_before_it_did(app: Flask) -> None:
    """The last app to be counted by name: the second charge began before the first one was there to be seen."""
    with app.app_context():
        wallet = wallet_of(make_org(funds=10**6))
        post(wallet, *(f"app-{number:03}" for number in range(MOST_APPS - 1)))

    def work(number: int) -> str:
        with transaction(org=wallet.org_id):
            charge(wallet, 1, app="last")
            db.session.execute(text("SELECT pg_sleep(0.05)"))
        return "charged"

    assert at_once(app, 6, work, workers=6) == {"charged": 6}
    with app.app_context():
        assert counted(wallet)["last"] == 6
        assert OTHER_APPS not in counted(wallet)


@pytest.mark.parametrize(
    "break_it",
    [
        "UPDATE wallet_days SET amount = amount + 1 WHERE app = chr(1) || 'other'",
        "UPDATE wallet_days SET count = count + 1 WHERE app = chr(1) || 'other'",
        "DELETE FROM wallet_days WHERE app = chr(1) || 'other'",
        "DELETE FROM wallet_days WHERE app = 'app-003'",
        "UPDATE wallet_days SET app = 'one more' WHERE app = chr(1) || 'other'",
    ],
)
def test_a_wrong_sum_of_a_crowded_day_is_found(wallet: Wallet, servers: Servers, break_it: str) -> None:
    fill(wallet)
    charge(wallet, 5, app="one more")
    charge(wallet, 5, app="and another")
    assert verify.broken() == []
    with psycopg.connect(servers.database_url.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute(break_it)
    assert {fault.check for fault in verify.broken()} == {"days"}


def test_the_list_by_app_finds_rows_that_are_counted_as_other(wallet: Wallet) -> None:
    fill(wallet)
    charge(wallet, 5, app="one more")
    found = transactions.page(wallet, TransactionFilters(app="one more"))
    assert [row.amount for row in found.rows] == [-5]
    assert OTHER_APPS not in transactions.choices(wallet).apps


def test_other_apps_are_the_rest_and_never_a_series_of_their_own(wallet: Wallet) -> None:
    fill(wallet)
    for number in range(10):
        charge(wallet, 1_000, app=f"one more {number}")
    today = clock.today()
    for found in (costs.daily(wallet, today, today, "app").series, costs.by_group(wallet, costs.preset("7"), "app")):
        assert [one.key for one in found] == ["app-000", "app-001", "app-002", "app-003", None]
        assert found[-1].micros == 10_000 + MOST_APPS - 4


def test_the_choices_of_a_list_read_a_bounded_number_of_sums(wallet: Wallet, servers: Servers) -> None:
    with psycopg.connect(servers.database_url.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute(
            "INSERT INTO wallet_days SELECT %s, %s, current_date - d, 'charge', 'app' || a, -1, 1"
            " FROM generate_series(1, 200) AS d, generate_series(1, 100) AS a",
            (wallet.org_id, wallet.id),
        )
    before = _read()
    found = transactions.choices(wallet)
    assert _read() - before <= MOST_SUMS
    assert len(found.apps) == 100
    assert "purchase" in found.types


def test_an_app_that_is_named_other_apps_is_one_of_its_own(wallet: Wallet) -> None:
    charge(wallet, 5, app="Other apps")
    assert [one.key for one in costs.by_group(wallet, costs.preset("7"), "app")] == ["Other apps"]


def test_a_charge_of_a_counted_app_does_not_look_at_the_other_apps(wallet: Wallet) -> None:
    fill(wallet)
    for app, most in (("app-050", 2), ("one more", 2 * MOST_APPS + 4), ("another", MOST_APPS + 4), ("", 2)):
        before = _read()
        charge(wallet, 5, app=app)
        assert _read() - before <= most, app


def _read() -> int:
    """Index entries of the days' sums that this session has read."""
    connection = autocommit()
    connection.execute(text("SELECT pg_stat_force_next_flush()"))
    query = text("SELECT pg_stat_get_tuples_returned('pk_wallet_days'::regclass)")
    return int(connection.execute(query).scalar_one())


@pytest.mark.usefixtures("app_context")
def test_the_migration_sums_up_the_smallest_apps_of_a_crowded_past_day(servers: Servers) -> None:
    """As the version before left it: a day with a sum for each of 150 apps."""
    with clock.at(clock.now() - timedelta(days=3)):
        wallet = wallet_of(make_org(funds=10**6))
        for number in range(150):
            charge(wallet, 1_000 - number, app=f"app-{number:03}")
    migration = import_module("migrations.versions.0029_counted_apps")
    with psycopg.connect(servers.database_url.replace("+psycopg", "")) as owner:
        owner.execute("DELETE FROM wallet_days WHERE app <> ''")
        owner.execute(
            "INSERT INTO wallet_days SELECT org_id, wallet_id, created_at::date, type, app, amount, 1 FROM transactions"
            " WHERE app <> ''"
        )
        for statement in (migration.CROWDED, migration.DELETED, migration.SUMMED):
            owner.execute(statement)
    found = counted(wallet)
    assert len(found) == MOST_APPS + 1
    assert (found["app-099"], found[OTHER_APPS]) == (1, 50)
    assert [fault for fault in verify.broken() if not fault.warning] == []
