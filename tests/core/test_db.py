"""The one visible transaction: it commits whole, never nests, and its hooks wait for the commit."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import psycopg
import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from dashboard.core import clock
from dashboard.core.db import (
    after_commit,
    autocommit,
    cannot_store,
    db,
    in_transaction,
    lock,
    require_org,
    retrying,
    sqlstate,
    transaction,
)
from dashboard.core.errors import Unavailable
from dashboard.models import RateBucket, UserSession
from tests.each import each
from tests.servers import Servers


def bucket(count: int = 0) -> RateBucket:
    return RateBucket(key=f"test-{uuid4()}", window_start=clock.now(), count=count)


def stored(key: str) -> int | None:
    return db.session.scalar(select(RateBucket.count).where(RateBucket.key == key))


def test_a_block_that_ends_commits(app_context: Flask) -> None:
    row = bucket(7)
    with transaction() as session:
        session.add(row)
        assert in_transaction()
    assert not in_transaction()
    assert stored(row.key) == 7


def test_a_block_that_raises_leaves_nothing(app_context: Flask) -> None:
    row = bucket()

    def fail() -> None:
        with transaction() as session:
            session.add(row)
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not in_transaction()
    assert stored(row.key) is None


def test_transactions_do_not_nest(app_context: Flask) -> None:
    with transaction(), pytest.raises(RuntimeError, match="open already"), transaction():
        pass
    with transaction():
        pass


def test_isolation_is_read_committed_inside_and_autocommit_outside(app_context: Flask) -> None:
    with transaction() as session:
        assert session.scalar(text("SHOW transaction_isolation")) == "read committed"
        first = session.scalar(text("SELECT now()"))
        assert session.scalar(text("SELECT now()")) == first
    assert db.session.scalar(text("SELECT now()")) != db.session.scalar(text("SELECT now()"))


def test_autocommit_is_refused_inside_a_transaction(app_context: Flask) -> None:
    autocommit().execute(text("SELECT 1"))
    with transaction(), pytest.raises(RuntimeError):
        autocommit()


def test_hooks_run_after_the_commit_in_order_and_once(app_context: Flask) -> None:
    row, seen = bucket(), []
    with transaction() as session:
        session.add(row)
        after_commit(lambda: seen.append(("first", stored(row.key), in_transaction())))
        after_commit(lambda: seen.append(("second", stored(row.key), in_transaction())))
        assert seen == []
    assert seen == [("first", 0, False), ("second", 0, False)]
    with transaction():
        pass
    assert len(seen) == 2


def test_a_hook_that_raises_keeps_no_other_from_running(app_context: Flask, caplog: pytest.LogCaptureFixture) -> None:
    ran = []

    def fail() -> None:
        raise RuntimeError("this hook is broken")

    with transaction():
        after_commit(fail)
        after_commit(lambda: ran.append("after"))
    assert ran == ["after"]
    assert "this hook is broken" in caplog.text


def test_hooks_of_a_rolled_back_block_never_run(app_context: Flask) -> None:
    seen: list[int] = []

    def fail() -> None:
        with transaction():
            after_commit(lambda: seen.append(1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with transaction():
        pass
    assert seen == []


def test_a_hook_without_a_transaction_runs_at_once(app_context: Flask) -> None:
    seen: list[int] = []
    after_commit(lambda: seen.append(1))
    assert seen == [1]


def test_a_transaction_names_its_organization(app_context: Flask) -> None:
    mine, theirs = uuid4(), uuid4()
    require_org(theirs)
    with transaction(org=mine):
        require_org(mine)
        with pytest.raises(RuntimeError):
            require_org(theirs)


def test_rows_stay_readable_after_the_commit(app_context: Flask) -> None:
    row = bucket(3)
    with transaction() as session:
        session.add(row)
    db.session.remove()
    assert row.count == 3


def test_a_lock_reads_anew(app: Flask) -> None:
    with app.app_context():
        row = bucket(1)
        with transaction() as session:
            session.add(row)
        key = row.key
        assert db.session.scalars(select(RateBucket).filter_by(key=key)).one().count == 1
        with ThreadPoolExecutor(1) as pool:
            pool.submit(_set, app, key, 5).result()
        with transaction():
            found = lock(select(RateBucket).filter_by(key=key))
            assert found is not None
            assert found.count == 5
            assert lock(select(RateBucket).filter_by(key="no such key")) is None


def _set(app: Flask, key: str, count: int) -> None:
    with app.app_context(), transaction() as session:
        session.execute(text("UPDATE rate_buckets SET count = :count WHERE key = :key"), {"count": count, "key": key})


def test_a_unit_that_lost_a_race_is_repeated(app_context: Flask) -> None:
    tries = []

    @retrying
    def unit() -> str:
        tries.append(1)
        if len(tries) < 3:
            _raise_sqlstate("40001")
        return "done"

    assert unit() == "done"
    assert len(tries) == 3


def test_after_three_tries_it_is_unavailable(app_context: Flask) -> None:
    tries = []

    @retrying
    def unit() -> None:
        tries.append(1)
        _raise_sqlstate("40P01")

    with pytest.raises(Unavailable) as refused:
        unit()
    assert len(tries) == 3
    assert (refused.value.status, refused.value.code) == (503, "busy")


def test_other_failures_are_not_repeated(app_context: Flask) -> None:
    tries = []

    @retrying
    def unit() -> None:
        tries.append(1)
        _raise_sqlstate("57014")

    with pytest.raises(OperationalError) as raised:
        unit()
    assert (len(tries), sqlstate(raised.value)) == (1, "57014")


def test_two_units_in_a_deadlock_both_finish(app: Flask) -> None:
    with app.app_context():
        rows = [bucket(), bucket()]
        with transaction() as session:
            session.add_all(rows)
        keys = [row.key for row in rows]
    met = Barrier(2)

    def work(order: list[str]) -> int:
        tries = 0

        @retrying
        def unit() -> None:
            nonlocal tries
            tries += 1
            with transaction() as session:
                for place, key in enumerate(order):
                    session.execute(text("UPDATE rate_buckets SET count = count + 1 WHERE key = :key"), {"key": key})
                    if place == 0 and tries == 1:
                        met.wait(timeout=10)

        with app.app_context():
            unit()
        return tries

    with ThreadPoolExecutor(2) as pool:
        tries = list(pool.map(work, [keys, keys[::-1]]))
    with app.app_context():
        assert [stored(key) for key in keys] == [2, 2]
    assert 3 <= sum(tries) <= 6  # at least one of the two lost and came again


def _raise_sqlstate(code: str) -> None:
    """Fail in PostgreSQL with that SQLSTATE, in a transaction of its own."""
    with transaction() as session:
        session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'made' USING ERRCODE = '{code}'; END $$"))


def test_an_error_shows_no_values(app_context: Flask) -> None:
    with pytest.raises(DBAPIError) as error:
        autocommit().execute(text("SELECT CAST(:value AS integer)"), {"value": "ada@demo.test"})
    assert "ada@demo.test" not in str(error.value).partition("[SQL")[2]


def test_connections_that_the_server_closed_are_replaced_before_use(app: Flask, servers: Servers) -> None:
    with app.app_context():
        ours = [db.engine.connect() for _ in range(4)]
        pids = [one.scalar(text("SELECT pg_backend_pid()")) for one in ours]
        for one in ours:
            one.close()
        with psycopg.connect(servers.database_url.replace("+psycopg", ""), autocommit=True) as admin:
            for pid in pids:
                admin.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    for _ in pids:
        with app.app_context(), transaction() as session:
            assert session.scalar(text("SELECT pg_backend_pid()")) not in pids


def test_a_connection_with_a_mere_notice_stays(app_context: Flask) -> None:
    with db.engine.connect() as one:
        pid = one.scalar(text("SELECT pg_backend_pid()"))
        one.execute(text("LISTEN coffer_test"))
    with db.engine.connect() as other:
        other.execute(text("NOTIFY coffer_test"))
    with db.engine.connect() as again:
        assert again.scalar(text("SELECT pg_backend_pid()")) == pid
        again.execute(text("UNLISTEN *"))


@each("odd", ["a\x00b", "a\ud800b", "\ud800"])
@each("surface", ["/t/text", "/t/json", "/api/v1/t/text", "/api/v1/t/json"])
def test_text_that_cannot_be_stored_is_refused_wherever_it_gets_through(
    make_app: Callable[..., Flask], odd: str, surface: str
) -> None:
    app = make_app()

    def store() -> str:
        with transaction() as session:
            session.add(UserSession(token_hash=b"x", expires_at=clock.now(), **values))
            session.flush()
        return ""

    values = {"ip": odd} if surface.endswith("text") else {"state": {"deep": [{odd: odd}]}}
    app.add_url_rule(surface, "t", store)
    assert app.test_client().get(surface).status_code == 422


def test_a_fault_of_ours_is_still_a_fault(app_context: Flask) -> None:
    with pytest.raises(DBAPIError) as error:
        autocommit().execute(text("SELECT CAST(:value AS integer)"), {"value": "x"})
    assert not cannot_store(error.value)
