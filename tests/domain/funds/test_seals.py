"""What was sealed cannot be changed unseen: not by the product, not by the owner, not by a superuser."""

import hashlib
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from flask import Flask, current_app

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.domain.funds import seals
from dashboard.domain.funds.seals import checkpoints, encoding
from dashboard.domain.platform import verify
from dashboard.jobs import schedule
from dashboard.jobs import seals as jobs
from dashboard.models import PLATFORM_ORG_ID, AuditEntry, LedgerSeal, Wallet
from tests.domain.funds.sealing import post
from tests.factories import charge, grant, make_org, wallet_of
from tests.servers import Servers

pytestmark = pytest.mark.usefixtures("app_context")

ODD = "tab\there, a break\nhere, a \\ and ü — 漢"


def sealed() -> list[LedgerSeal]:
    db.session.expire_all()
    order = (LedgerSeal.org_id, LedgerSeal.wallet_id, LedgerSeal.seq_from)
    return list(db.session.scalars(db.select(LedgerSeal).order_by(*order)))


def seal_all() -> None:
    for org_id in seals.due(seconds=0):
        assert not seals.seal(org_id)


def broken() -> list[tuple[str, str]]:
    db.session.remove()
    return [(one.object, one.detail) for one in verify.broken(only="seals")]


def line_of(row: dict[str, object]) -> str:
    columns = (
        "org_id", "wallet_id", "seq", "id", "created_at", "mode", "type", "amount", "balance_before", "balance_after",
        "origin", "key", "body_hash", "description", "reason", "actor_kind", "actor_id", "app", "member_id",
        "payment_id",
    )  # fmt: skip
    assert {*columns, "grant_id"} == set(row), "a new column of transactions needs a place in what is sealed"
    assert None in (row["payment_id"], row["grant_id"])
    row = row | {"payment_id": row["payment_id"] or row["grant_id"]}
    return "\t".join(text_of(row[column]) for column in columns) + "\n"


def text_of(value: object) -> str:
    if value is None:
        return r"\N"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return str((value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))
    return str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


@pytest.fixture
def superuser(servers: Servers) -> Iterator[psycopg.Connection]:
    with psycopg.connect(servers.database_url.replace("+psycopg", ""), autocommit=True) as connection:
        if connection.info.parameter_status("is_superuser") != "on":
            pytest.skip("planting faults needs a superuser")
        connection.execute("SET session_replication_role = replica")
        yield connection


@pytest.fixture
def wallets() -> list[Wallet]:
    """Three wallets with three seals each, and rows under none."""
    made = [wallet_of(make_org(f"Org {n}", funds=1_000_000)) for n in range(3)]
    for count in (20, 1, 30):
        for wallet in made:
            post(wallet, count, ODD)
            assert not seals.seal(wallet.org_id)
    for wallet in made:
        post(wallet, 5)
    assert broken() == []
    return made


def test_rows_are_sealed_in_blocks_each_over_the_one_before(wallets: list[Wallet]) -> None:
    rows = [row for row in sealed() if row.wallet_id == wallets[0].id]
    assert [(row.seq_from, row.seq_to) for row in rows] == [(1, 21), (22, 22), (23, 52)]
    assert [row.previous_hash for row in rows] == [encoding.GENESIS, rows[0].hash, rows[1].hash]


def test_a_seal_recomputes_as_it_is_documented(wallets: list[Wallet], superuser: psycopg.Connection) -> None:
    """Written apart from the product, after the words alone."""
    for row in sealed():
        header = (row.org_id, row.wallet_id, row.seq_from, row.seq_to, row.id, row.created_at)
        body = "\t".join(map(text_of, header)) + "\n"
        found = superuser.execute(
            "SELECT * FROM transactions WHERE wallet_id = %s AND seq BETWEEN %s AND %s ORDER BY seq",
            (row.wallet_id, row.seq_from, row.seq_to),
        )
        names = [column.name for column in found.description or ()]
        for values in found:
            body += line_of(dict(zip(names, values, strict=True)))
        assert hashlib.sha256(row.previous_hash + body.encode()).digest() == row.hash
        assert hashlib.sha256(b"coffer-seal-1").digest() == encoding.GENESIS


def test_a_long_backlog_becomes_blocks_of_bounded_size() -> None:
    wallet = wallet_of(make_org(funds=1_000_000))
    post(wallet, 2 * encoding.MOST_ROWS + 10)
    assert not seals.seal(wallet.org_id)
    assert [row.seq_to - row.seq_from + 1 for row in sealed()] == [encoding.MOST_ROWS] * 2 + [11]
    assert broken() == []


def test_what_does_not_fit_the_time_is_left_for_the_next_job() -> None:
    wallet = wallet_of(make_org(funds=1_000_000))
    assert seals.seal(wallet.org_id, seconds=0)
    assert sealed() == []
    assert not seals.seal(wallet.org_id)
    assert not seals.seal(wallet.org_id)
    assert len(sealed()) == 1


def test_wallets_are_due_when_a_row_has_waited() -> None:
    org, old = make_org(), make_org("Old")
    seal_all()
    grant(wallet_of(org), 100)
    assert seals.due() == []
    assert seals.due(seconds=0) == [org.id]
    with clock.at(clock.now() - timedelta(seconds=61)):
        grant(wallet_of(old), 100)
    assert seals.due() == [old.id]
    assert (seals.lag().wallets, seals.lag().rows) == (2, 2)
    assert seals.lag().seconds >= 61
    charge(wallet_of(old), 1)
    seals.seal(old.id)
    assert seals.due() == []
    assert (seals.lag().wallets, seals.lag().rows) == (1, 1)


def sealed_seq(wallet: Wallet) -> int:
    db.session.refresh(wallet)
    return wallet.sealed_seq


def looks_at_seals() -> int:
    """How often the seals were looked up, by all connections that have told."""
    db.session.execute(db.text("SELECT pg_stat_force_next_flush()"))
    scans = "SELECT pg_stat_get_numscans('uq_ledger_seals_org_id_wallet_id_seq_from'::regclass)"
    return int(db.session.scalar(db.text(scans)) or 0)


def test_sealed_wallets_are_passed_over_until_they_move() -> None:
    wallet = wallet_of(make_org(funds=1_000))
    seal_all()
    assert sealed_seq(wallet) == wallet.seq == 1
    before = looks_at_seals()
    assert (seals.due(seconds=0), seals.lag().wallets) == ([], 0)
    assert looks_at_seals() == before
    charge(wallet, 1)
    assert (seals.due(seconds=0), seals.lag().rows) == ([wallet.org_id], 1)
    seal_all()
    assert sealed_seq(wallet) == 2


def test_a_hint_that_lags_costs_a_look_and_no_more(superuser: psycopg.Connection) -> None:
    wallet = wallet_of(make_org(funds=1_000))
    seal_all()
    superuser.execute("UPDATE wallets SET sealed_seq = 0")
    assert (seals.due(seconds=0), seals.lag().wallets) == ([], 0)
    charge(wallet, 1)
    seal_all()
    assert sealed_seq(wallet) == 2
    assert [(seal.seq_from, seal.seq_to) for seal in sealed() if seal.wallet_id == wallet.id] == [(1, 1), (2, 2)]
    assert verify.broken() == []


def test_sealing_does_not_wait_to_leave_its_hint(superuser: psycopg.Connection) -> None:
    wallet = wallet_of(make_org(funds=1_000))
    with superuser.transaction():
        superuser.execute("SELECT 1 FROM wallets WHERE id = %s FOR NO KEY UPDATE", (wallet.id,))
        seal_all()
    assert [seal.seq_to for seal in sealed() if seal.wallet_id == wallet.id] == [1]
    assert sealed_seq(wallet) == 0
    assert seals.due(seconds=0) == []


def test_a_hint_hides_no_row_from_the_check(superuser: psycopg.Connection) -> None:
    with clock.at(clock.now() - timedelta(minutes=16)):
        org = make_org(funds=100)
    superuser.execute("UPDATE wallets SET sealed_seq = seq")
    assert [one.check for one in verify.broken(org.id)] == ["unsealed"]


def test_late_seals_are_a_warning() -> None:
    org = make_org()
    with clock.at(clock.now() - timedelta(minutes=16)):
        grant(wallet_of(org), 100)
    (late,) = verify.broken()
    assert (late.check, late.number, late.warning, late.org_id) == ("unsealed", 3, True, org.id)
    jobs.seal(str(org.id))
    assert verify.broken() == []


def test_two_sealers_at_once_leave_one_chain(app_context: Flask) -> None:
    orgs = [make_org(f"Org {n}", funds=1_000_000) for n in range(4)]
    gate = threading.Barrier(4)

    def work() -> None:
        with app_context.app_context():
            for _ in range(15):
                gate.wait(30)
                for org in orgs:
                    seals.seal(org.id)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(15):
        gate.wait(30)
        for org in orgs:
            post(wallet_of(org), random.randint(1, 30), f"round {number}")
    for thread in threads:
        thread.join()
    seal_all()
    assert broken() == []
    assert seals.lag() == seals.Lag(0, 0, None, 0)
    for org in orgs:
        assert sum(row.seq_to - row.seq_from + 1 for row in sealed() if row.org_id == org.id) == wallet_of(org).seq


def test_sealing_leaves_a_gap_alone(superuser: psycopg.Connection, caplog: pytest.LogCaptureFixture) -> None:
    wallet = wallet_of(make_org(funds=1_000_000))
    post(wallet, 10)
    superuser.execute("DELETE FROM transactions WHERE wallet_id = %s AND seq = 5", (wallet.id,))
    assert not seals.seal(wallet.org_id)
    assert sealed() == []
    assert "ledger has a gap" in caplog.text


def test_the_head_is_recorded_once_a_day(caplog: pytest.LogCaptureFixture) -> None:
    org = make_org(funds=100)
    seals.seal(org.id)
    caplog.set_level("INFO")
    (duty,) = (due for due, job in schedule.SCHEDULE if job.endswith("record_head"))
    midnight = datetime.combine(clock.today() + timedelta(days=1), datetime.min.time(), UTC)
    with clock.at(midnight + timedelta(minutes=9)):
        assert list(duty()) == []
    with clock.at(midnight + timedelta(minutes=10)):
        (moment,) = duty()
        jobs.record_head(moment)
        jobs.record_head(moment)
        assert list(duty()) == []
    found = checkpoints.recorded()
    assert found is not None
    assert (found.at, found.wallets) == (midnight, 1)
    assert [record.message for record in caplog.records].count("ledger head") == 1
    (line,) = [(row.org_id, row.wallet_id, row.seq_to, row.hash.hex()) for row in sealed()]
    assert found.hash == hashlib.sha256(("\t".join(map(str, line)) + "\n").encode()).hexdigest()
    assert broken() == []


def test_the_head_may_take_as_long_as_its_job() -> None:
    seals.seal(make_org(funds=100).id)
    show = db.text("SHOW statement_timeout")
    with transaction(org=PLATFORM_ORG_ID) as session:
        checkpoints.record(clock.now())
        assert session.scalar(show) == "1min"
    assert db.session.scalar(show) == "10s"


def test_workers_at_once_record_one_head() -> None:
    seals.seal(make_org(funds=100).id)
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    midnight = datetime.combine(clock.today() + timedelta(days=1), datetime.min.time(), UTC)

    def work(_: int) -> None:
        with app.app_context(), clock.at(midnight + timedelta(minutes=10)):
            jobs.record_head(midnight.isoformat())

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    assert db.session.query(AuditEntry).filter_by(action=checkpoints.ACTION).count() == 1


def test_the_head_of_a_moment_stays_what_it_was() -> None:
    org = make_org(funds=100)
    seals.seal(org.id)
    moment = clock.now()
    first = checkpoints.compute(db.session.connection(), moment)
    charge(wallet_of(org), 1)
    seals.seal(org.id)
    assert checkpoints.compute(db.session.connection(), moment) == first
    assert checkpoints.compute(db.session.connection(), clock.now()) != first


def test_the_command_prints_the_head_that_was_logged(app_context: Flask) -> None:
    seals.seal(make_org(funds=100).id)
    tomorrow = datetime.combine(clock.today() + timedelta(days=1), datetime.min.time(), UTC)
    with clock.at(tomorrow + timedelta(minutes=10)):
        jobs.record_head(tomorrow.isoformat())
    said = app_context.test_cli_runner().invoke(args=["ledger", "head", "--at", f"{tomorrow:%Y-%m-%d}"])
    assert said.output.strip() == str(checkpoints.recorded())
