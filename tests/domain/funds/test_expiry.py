"""Credit lapses at its date: taken out once, before anything is spent, by the first caller."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, update

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.core.errors import CofferError, InsufficientFunds, Invalid
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import expiry, ledger, transactions
from dashboard.domain.funds.ledger import LedgerEntry, NewGrant
from dashboard.domain.funds.transactions import TransactionFilters
from dashboard.domain.platform import verify
from dashboard.jobs import expiry as jobs
from dashboard.jobs import schedule
from dashboard.models import CreditGrant, GrantBurn, Transaction, Wallet
from tests.domain.funds.grants import assert_settled
from tests.domain.funds.test_concurrency import at_once, detached
from tests.factories import charge, grant, make_org, wallet_of

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
END = START + timedelta(days=3)
HOUR = timedelta(hours=1)


def dated(wallet: Wallet, micros: int, at: datetime = END, key: str = "dated") -> None:
    ledger.post(
        wallet, type="admin_grant", amount=micros, origin="test", key=key, by=SYSTEM,
        slices=[NewGrant("promotional", "promotion", micros, expires_at=at)],
    )  # fmt: skip


@pytest.fixture
def wallet(app_context: Flask) -> Wallet:
    """100 without a date, 40 that lapse at END."""
    with clock.at(START):
        wallet = wallet_of(make_org(funds=100))
        dated(wallet, 40)
    return wallet


def again(wallet: Wallet) -> Wallet:
    db.session.refresh(wallet)
    return wallet


def expiries(wallet: Wallet) -> list[Transaction]:
    query = select(Transaction).filter_by(org_id=wallet.org_id, type="expiry").order_by(Transaction.seq)
    return list(db.session.scalars(query))


def books_hold(wallet: Wallet) -> bool:
    assert_settled(wallet)
    return not [one for one in verify.broken(wallet.org_id) if one.check not in ("unsealed", "lapsed")]


def test_before_its_date_credit_is_spent_as_any_other(wallet: Wallet) -> None:
    with clock.at(END - timedelta(microseconds=1)):
        assert charge(wallet, 140).balance_after == 0
    assert expiries(wallet) == []


def test_at_its_date_what_is_left_leaves_before_the_charge(wallet: Wallet) -> None:
    with clock.at(START + HOUR):
        charge(wallet, 15)
    with clock.at(END):
        assert charge(wallet, 30).balance_before == 100
    (row,) = expiries(wallet)
    slice_ = db.session.scalars(select(CreditGrant).filter_by(org_id=wallet.org_id, category="promotion")).one()
    assert (row.amount, row.balance_before, row.balance_after, row.created_at) == (-25, 125, 100, END)
    assert (row.origin, row.key, row.actor_kind) == ("expiry", str(slice_.id), "system")
    assert slice_.remaining == 0
    assert again(wallet).next_expiry_at is None
    assert (wallet.balance, wallet.settled_seq) == (70, row.seq)
    assert books_hold(wallet)


def test_lapsed_credit_cannot_be_spent(wallet: Wallet) -> None:
    with clock.at(END), pytest.raises(InsufficientFunds) as refused:
        charge(wallet, 101)
    assert refused.value.extra["available_micros"] == 100
    assert [row.amount for row in expiries(wallet)] == [-40]


def test_a_slice_that_was_spent_lapses_without_a_row(wallet: Wallet) -> None:
    with clock.at(START + HOUR):
        charge(wallet, 60)
    with clock.at(END):
        charge(wallet, 10)
    assert expiries(wallet) == []
    assert again(wallet).next_expiry_at is None
    assert books_hold(wallet)


def test_dates_come_one_by_one(wallet: Wallet) -> None:
    with clock.at(START):
        dated(wallet, 5, END + HOUR, "later")
        dated(wallet, 7, END - HOUR, "sooner")
        dated(wallet, 3, END + 9 * HOUR, "last")
    assert again(wallet).next_expiry_at == END - HOUR
    with clock.at(END):
        charge(wallet, 1)
        assert again(wallet).next_expiry_at == END + HOUR
    with clock.at(END + 2 * HOUR):
        charge(wallet, 1)
        assert again(wallet).next_expiry_at == END + 9 * HOUR
    assert [row.amount for row in expiries(wallet)] == [-7, -40, -4]
    assert books_hold(wallet)


@pytest.mark.parametrize("type_", ["refund", "dispute", "admin_removal", "consumption"])
def test_every_debit_takes_lapsed_credit_out_first(wallet: Wallet, type_: str) -> None:
    with clock.at(END):
        posted = ledger.post(wallet, type=type_, amount=-20, origin="test", key="k", by=SYSTEM)
    assert (posted.balance_before, posted.balance_after) == (100, 80)


def test_a_frozen_wallet_loses_what_lapsed_all_the_same(wallet: Wallet) -> None:
    with transaction(org=wallet.org_id) as session:
        session.execute(update(Wallet).filter_by(org_id=wallet.org_id).values(frozen_at=START))
    with clock.at(END):
        with pytest.raises(ledger.WalletFrozen):
            charge(wallet, 1)
        assert again(wallet).balance == 100


def test_a_batch_takes_it_out_first(wallet: Wallet) -> None:
    with clock.at(END), transaction(org=wallet.org_id):
        entries = [LedgerEntry(wallet.id, 60, "a"), LedgerEntry(wallet.id, 41, "b"), LedgerEntry(wallet.id, 40, "c")]
        results = ledger.post_batch(wallet.org_id, entries, mode=wallet.mode, origin="usage", by=SYSTEM)
    assert [one.code if isinstance(one, CofferError) else one.seq for one in results][:2] == [4, "insufficient_funds"]
    assert [row.amount for row in expiries(wallet)] == [-40]
    assert books_hold(wallet)


def test_inside_a_transaction_it_is_part_of_it(wallet: Wallet) -> None:
    def undone() -> None:
        with clock.at(END), transaction(org=wallet.org_id):
            charge(wallet, 1)
            raise RuntimeError("undone")

    with pytest.raises(RuntimeError, match="undone"):
        undone()
    assert (expiries(wallet), again(wallet).balance, wallet.settled_seq) == ([], 140, 0)


def test_a_replay_after_the_date_is_a_replay(wallet: Wallet) -> None:
    with clock.at(START):
        first = charge(wallet, 10, key="once")
    with clock.at(END):
        assert charge(wallet, 10, key="once").id == first.id
        dated(wallet, 40)
    assert again(wallet).balance == 100
    with clock.at(END), pytest.raises(Invalid) as refused:
        dated(wallet, 40, key="new")
    assert refused.value.field == "expires_at"


def test_without_dates_nothing_is_settled(app_context: Flask) -> None:
    wallet = wallet_of(make_org(funds=100))
    charge(wallet, 10)
    jobs.drain(str(wallet.org_id))
    assert (again(wallet).settled_seq, wallet.next_expiry_at, expiry.due()) == (0, None, [])


def test_the_job_takes_out_what_nobody_charges(wallet: Wallet) -> None:
    (lapsed,) = (due for due, job in schedule.SCHEDULE if job == expiry.DRAIN)
    with clock.at(END - HOUR):
        assert list(lapsed()) == []
    with clock.at(END):
        assert list(lapsed()) == [str(wallet.org_id)]
        jobs.drain(str(wallet.org_id))
        jobs.drain(str(wallet.org_id))
        assert list(lapsed()) == []
    assert [row.amount for row in expiries(wallet)] == [-40]
    assert books_hold(wallet)


def test_a_debt_leaves_nothing_to_lapse(wallet: Wallet) -> None:
    with clock.at(START):
        ledger.post(wallet, type="refund", amount=-200, origin="test", key="r", by=SYSTEM)
    with clock.at(END):
        grant(wallet, 100)
        assert charge(wallet, 5).balance_after == 35
    assert expiries(wallet) == []
    assert books_hold(wallet)


def test_a_date_is_the_end_of_its_day(app_context: Flask) -> None:
    with clock.at(START):
        assert expiry.end_of("2026-03-01") == datetime(2026, 3, 2, tzinfo=UTC)
        assert expiry.end_of(" 2026-12-31 ") == datetime(2027, 1, 1, tzinfo=UTC)
        assert expiry.after_days(30) == datetime(2026, 4, 1, tzinfo=UTC)
        assert expiry.last_day(expiry.end_of("2026-12-31")) == date(2026, 12, 31)
        for text in ("", "tomorrow", "2026-13-01", "9999-12-31", "1e3", "\u0662026-03-04"):
            with pytest.raises(Invalid):
                expiry.end_of(text)


@pytest.mark.parametrize("work", ["charge", "batch", "job"])
def test_many_at_the_date_expire_it_once_and_spend_none_of_it(app: Flask, work: str) -> None:
    with app.app_context():
        with clock.at(START):
            wallet = wallet_of(make_org(funds=100))
            for number in range(5):
                dated(wallet, 10, key=f"d{number}")
            charge(wallet, 25)
        wallet = detached(wallet)
    acts: dict[str, Callable[[int], object]] = {
        "charge": lambda number: charge(wallet, 10, key=f"c{number}"),
        "batch": lambda number: _batch(wallet, number),
        "job": lambda number: expiry.drain(wallet.org_id) if number % 2 else charge(wallet, 10, key=f"c{number}"),
    }

    def act(number: int) -> str:
        with clock.at(END):
            acts[work](number)
        return "done"

    at_once(app, 36, act)
    with app.app_context():
        rows = expiries(wallet)
        assert [row.amount for row in rows] == [-5, -10, -10]
        assert rows[-1].balance_after == 100
        assert len({UUID(row.key) for row in rows}) == 3
        assert db.session.get_one(Wallet, (wallet.org_id, wallet.id)).balance == 0
        assert books_hold(db.session.get_one(Wallet, (wallet.org_id, wallet.id)))


def _batch(wallet: Wallet, number: int) -> None:
    with transaction(org=wallet.org_id):
        entries = [LedgerEntry(wallet.id, 10, f"b{number}")]
        ledger.post_batch(wallet.org_id, entries, mode=wallet.mode, origin="usage", by=SYSTEM)


def test_charges_around_the_date_never_spend_lapsed_credit(app: Flask) -> None:
    """Half of them come with a clock before the date, half after it, as processes on two machines would."""
    with app.app_context():
        with clock.at(START):
            wallet = wallet_of(make_org())
            dated(wallet, 1_000)
        wallet = detached(wallet)

    def act(number: int) -> str:
        with clock.at(END - HOUR if number % 2 else END):
            charge(wallet, 10, key=f"c{number}")
        return "charged"

    counts = at_once(app, 60, act)
    with app.app_context():
        (row,) = expiries(wallet)
        assert row.amount == -(1_000 - 10 * counts["charged"])
        later = select(Transaction).filter_by(org_id=wallet.org_id).where(Transaction.seq > row.seq)
        assert db.session.scalars(later).all() == []
        assert db.session.scalars(select(GrantBurn).filter_by(org_id=wallet.org_id)).all()


def test_expired_credit_is_a_part_of_what_went_out(app_context: Flask) -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    with clock.at(noon):
        wallet = wallet_of(make_org(funds=100))
        charge(wallet, 10)
        ledger.post(wallet, type="expiry", amount=-30, origin="expiry", key="lapsed", by=SYSTEM)
    for filters in (TransactionFilters(), TransactionFilters(until=noon + timedelta(minutes=1))):
        found = transactions.statement(wallet, filters)
        assert (found.money_in, found.money_out, found.lapsed, found.closing) == (100, 40, 30, 60)
    assert transactions.statement(wallet, TransactionFilters(since=noon + timedelta(minutes=1))).lapsed == 0
