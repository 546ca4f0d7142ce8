"""Which slice paid which row: as the slow book says, whatever came in whichever order, and in whatever blocks."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count

import psycopg
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text, update

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.core.errors import InsufficientFunds
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import expiry, ledger, ledger_sql
from dashboard.domain.funds.credit_grants import removal, settlement
from dashboard.domain.funds.ledger import LedgerEntry, NewGrant, RemovalTooLarge
from dashboard.domain.platform import verify
from dashboard.models import CreditGrant, GrantBurn, Wallet
from tests.domain.funds.grants import assert_settled, naive
from tests.factories import charge, make_org, wallet_of
from tests.servers import Servers

pytestmark = pytest.mark.usefixtures("app_context")

DAY = timedelta(days=1)
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
READ = text("""SELECT pg_stat_get_xact_tuples_returned('transactions'::regclass)
  + (SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid)) FROM pg_index WHERE indrelid = 'transactions'::regclass)
""")
"""How many rows and index entries of the ledger this connection has read of late, by whatever plan."""
_keys = count(1)


def credit(wallet: Wallet, *slices: NewGrant) -> None:
    ledger.post(
        wallet, type="deposit", amount=sum(part.amount for part in slices), origin="test", key=f"in{next(_keys)}",
        by=SYSTEM, slices=slices,
    )  # fmt: skip


def paid(amount: int, **others: object) -> NewGrant:
    return NewGrant("paid", f"{next(_keys):06}", amount, **others)


def free(amount: int, **others: object) -> NewGrant:
    return NewGrant("promotional", f"{next(_keys):06}", amount, **others)


def refund(wallet: Wallet, amount: int) -> None:
    ledger.post(wallet, type="refund", amount=-amount, origin="test", key=f"out{next(_keys)}", by=SYSTEM)


def settle(wallet: Wallet) -> int:
    """How many blocks it took."""
    blocks, more = 0, True
    while more:
        blocks += 1
        with transaction(org=wallet.org_id) as session:
            session.execute(ledger_sql.LOCK, {"org": wallet.org_id, "wallets": [wallet.id], "at": clock.now()})
            more = settlement.settle(wallet.org_id, wallet.id)
    return blocks


def left(wallet: Wallet) -> list[int]:
    db.session.expire_all()
    query = select(CreditGrant.remaining).filter_by(wallet_id=wallet.id)
    return list(db.session.scalars(query.order_by(CreditGrant.category)))


def burns(wallet: Wallet) -> list[tuple[int, int, int]]:
    query = select(GrantBurn).filter_by(wallet_id=wallet.id).order_by(GrantBurn.seq_from, GrantBurn.seq_to)
    return [(burn.seq_from, burn.seq_to, burn.amount) for burn in db.session.scalars(query)]


def wallet_with(*slices: NewGrant) -> Wallet:
    wallet = wallet_of(make_org())
    credit(wallet, *slices)
    return wallet


@pytest.mark.parametrize(
    ("slices", "after"),
    [
        ([paid(10), free(10)], [10, 5]),  # promotional before paid
        ([paid(10, priority=2), paid(10, priority=1)], [10, 5]),
        ([free(10, expires_at=START + 9 * DAY), free(10, expires_at=START + 2 * DAY)], [10, 5]),
        ([free(10), free(10, expires_at=START + 2 * DAY)], [10, 5]),  # a date before none
        ([free(10, priority=1), paid(10, expires_at=START + DAY)], [5, 10]),
    ],
)
def test_the_order_in_which_slices_are_spent(slices: Sequence[NewGrant], after: list[int]) -> None:
    with clock.at(START):
        wallet = wallet_with(*slices)
        charge(wallet, 5)
        settle(wallet)
        assert left(wallet) == after


def test_of_two_alike_the_older_one_is_spent_first() -> None:
    wallet = wallet_with(free(10))
    credit(wallet, free(10))
    charge(wallet, 5)
    settle(wallet)
    assert left(wallet) == [5, 10]


def test_a_row_over_two_slices_stands_in_both_with_its_part() -> None:
    wallet = wallet_with(free(10), paid(20))
    for amount in (4, 4, 4, 4):
        charge(wallet, amount)
    settle(wallet)
    assert burns(wallet) == [(2, 4, 10), (4, 5, 6)]
    assert left(wallet) == [0, 14]
    assert_settled(wallet)


def test_a_slice_that_ends_with_a_row_ends_there() -> None:
    wallet = wallet_with(free(8), paid(20))
    for _ in range(3):
        charge(wallet, 4)
    settle(wallet)
    assert burns(wallet) == [(2, 3, 8), (4, 4, 4)]


def test_debt_is_paid_by_the_next_credit_at_its_own_row() -> None:
    wallet = wallet_with(free(10))
    refund(wallet, 25)
    settle(wallet)
    assert left(wallet) == [0]
    credit(wallet, paid(7), free(4))
    credit(wallet, paid(30))
    settle(wallet)
    assert burns(wallet) == [(2, 2, 10), (3, 3, 4), (3, 3, 7), (4, 4, 4)]
    assert left(wallet) == [0, 0, 0, 26]
    assert verify.broken(wallet.org_id) == []


def test_settling_again_does_nothing() -> None:
    wallet = wallet_with(free(100))
    charge(wallet, 30)
    settle(wallet)
    before = burns(wallet)
    settle(wallet)
    assert burns(wallet) == before == [(2, 2, 30)]


@pytest.mark.slow
def test_blocks_make_no_difference() -> None:
    at_once = settlement.MOST_GRANTS * 3 // 4
    wallet = wallet_with(*(free(1) for _ in range(at_once)))
    for _ in range(2):
        charge(wallet, at_once // 2)
        credit(wallet, *(free(1) for _ in range(at_once)))
    charge(wallet, at_once)
    assert settle(wallet) == 3
    assert_settled(wallet)
    assert verify.broken(wallet.org_id) == []


@pytest.mark.slow
def test_many_credits_are_settled_in_blocks_and_shown_at_once() -> None:
    wallet = wallet_with(free(1))
    with transaction(org=wallet.org_id):
        for _ in range(settlement.MOST_GRANTS + 40):
            credit(wallet, free(1), paid(1))
    charge(wallet, settlement.MOST_GRANTS + 500)
    shown = settlement.open_grants(wallet)
    with transaction(org=wallet.org_id) as session:
        session.execute(ledger_sql.LOCK, {"org": wallet.org_id, "wallets": [wallet.id], "at": clock.now()})
        assert settlement.settle(wallet.org_id, wallet.id)
    assert settlement.open_grants(wallet) == shown
    settle(wallet)
    assert settlement.open_grants(wallet) == shown
    assert sum(part.remaining for part in shown) == sum(left(wallet))
    assert_settled(wallet)
    assert verify.broken(wallet.org_id) == []


def test_what_waits_to_be_settled_fits_one_block() -> None:
    """A purchase with a bonus opens two slices, and no row opens more."""
    wallet = wallet_with(free(1, expires_at=clock.now() + DAY))
    with transaction(org=wallet.org_id):
        for _ in range(expiry.BACKLOG_ROWS - 1):
            credit(wallet, free(1), paid(1))
    assert expiry.due() == []
    credit(wallet, free(1), paid(1))
    assert expiry.due() == [wallet.org_id]
    assert settle(wallet) == 1
    assert expiry.due() == []


@pytest.mark.slow
@pytest.mark.parametrize("how", ["VACUUM (FULL, ANALYZE)", "VACUUM (ANALYZE)", "ANALYZE"])
def test_thousands_of_rows_are_settled_by_a_few_looks(servers: Servers, how: str) -> None:
    """The table was analyzed when it was nearly empty, as it is after the first days."""
    wallet = wallet_with(free(60), paid(1_000_000))
    with psycopg.connect(servers.database_url.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute(f"{how} transactions")
    for start in range(0, 3_000, 500):
        with transaction(org=wallet.org_id):
            entries = [LedgerEntry(wallet.id, 1, f"k{start + n}") for n in range(500)]
            ledger.post_batch(wallet.org_id, entries, mode=wallet.mode, origin="usage", by=SYSTEM)
    with transaction(org=wallet.org_id) as session:
        session.execute(ledger_sql.LOCK, {"org": wallet.org_id, "wallets": [wallet.id], "at": clock.now()})
        before = session.scalar(READ)
        assert not settlement.settle(wallet.org_id, wallet.id)
        assert session.scalar(READ) - before < 100
    before = db.session.scalar(READ)
    assert [part.remaining for part in settlement.open_grants(wallet)] == [997_060]
    assert db.session.scalar(READ) - before < 10
    assert burns(wallet) == [(2, 61, 60), (62, 3_001, 2_940)]


def test_what_stands_is_what_settling_would_leave_and_is_written_nowhere() -> None:
    wallet = wallet_with(free(10), paid(20))
    charge(wallet, 12)
    assert [(part.kind, part.remaining) for part in settlement.open_grants(wallet)] == [("paid", 18)]
    assert left(wallet) == [10, 20]


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("credit"),
            st.lists(
                st.tuples(
                    st.sampled_from(["paid", "promotional"]), st.integers(1, 40), st.integers(0, 2),
                    st.one_of(st.none(), st.integers(1, 6)),
                ),
                min_size=1, max_size=3,
            ),
        ),
        st.tuples(st.sampled_from(["charge", "refund", "batch"]), st.integers(1, 30)),
        st.tuples(st.sampled_from(["settle", "drain"]), st.none()),
        st.tuples(st.just("remove"), st.tuples(st.integers(0, 5), st.integers(1, 12))),
        st.tuples(st.just("wait"), st.integers(1, 3)),
    ),
    max_size=25,
)  # fmt: skip


def take_from_one(wallet: Wallet, number: int, amount: int) -> None:
    """Remove from the grant of that number, or from the last one."""
    db.session.expire_all()
    ids = sorted(grant.id for grant in grants(wallet))
    if ids:
        with transaction(org=wallet.org_id) as session:
            session.refresh(wallet, with_for_update=True)
            grant_id = ids[min(number, len(ids) - 1)]
            removal.remove(wallet, grant_id, amount=amount, key=f"out{next(_keys)}", by=SYSTEM)


def take(wallet: Wallet, step: str, value: object, moment: datetime) -> None:
    if step == "credit":
        slices = [
            NewGrant(kind, "test", amount, priority, moment + days * DAY if days else None)
            for kind, amount, priority, days in value
        ]
        credit(wallet, *slices)
    elif step == "charge":
        charge(wallet, value)
    elif step == "refund":
        refund(wallet, value)
    elif step == "batch":
        with transaction(org=wallet.org_id):
            entries = [LedgerEntry(wallet.id, value, f"b{next(_keys)}") for _ in range(3)]
            ledger.post_batch(wallet.org_id, entries, mode=wallet.mode, origin="usage", by=SYSTEM)
    elif step == "remove":
        take_from_one(wallet, *value)
    elif step == "settle":
        settle(wallet)
    elif step == "drain":
        assert not expiry.drain(wallet.org_id)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_happens_the_books_are_those_of_the_slow_book(app_context: Flask, steps: list) -> None:
    moment = START
    with clock.at(moment):
        wallet = wallet_of(make_org())
        with transaction(org=wallet.org_id) as session:
            session.execute(update(Wallet).filter_by(org_id=wallet.org_id).values(overdraft_limit=15))
    for step, value in steps:
        moment += value * DAY if step == "wait" else timedelta(minutes=1)
        with clock.at(moment), suppress(InsufficientFunds, RemovalTooLarge):
            take(wallet, step, value, moment)
    with clock.at(moment):
        expiry.drain(wallet.org_id)
        stands = [(part.id, part.remaining) for part in settlement.open_grants(wallet)]
        settle(wallet)
    assert_settled(wallet)
    kept, _ = naive(wallet, wallet.seq)
    assert dict(stands) == {grant_id: amount for grant_id, amount in kept.items() if amount}
    assert not [
        grant for grant in grants(wallet) if grant.remaining and grant.expires_at and grant.expires_at <= moment
    ]
    assert [one for one in verify.broken(wallet.org_id) if one.check not in ("unsealed", "lapsed")] == []


def grants(wallet: Wallet) -> Sequence[CreditGrant]:
    db.session.expire_all()
    return db.session.scalars(select(CreditGrant).filter_by(wallet_id=wallet.id)).all()
