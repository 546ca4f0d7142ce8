"""Expired holds are refused from their last moment on and ended by who comes first; and credit expires while held."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.core.errors import CofferError, InsufficientFunds
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import expiry, ledger, spend_limits
from dashboard.domain.funds.holds import ending, listing
from dashboard.domain.funds.holds.listing import HoldFilters
from dashboard.domain.funds.holds.steps import HoldNotOpen
from dashboard.domain.funds.ledger import LedgerEntry
from dashboard.domain.funds.spend_limits import LimitId, Spender, changes
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.domain.funds.transactions import explain
from dashboard.jobs import holds as jobs
from dashboard.jobs import schedule
from dashboard.models import Hold, Organization, Transaction, Wallet
from tests.concurrency import head_on
from tests.domain.funds.grants import assert_settled
from tests.domain.funds.holding import balances, broken, capture, extend, release, reserve
from tests.domain.funds.test_expiry import END, HOUR, START, dated, expiries
from tests.factories import charge, make_org, wallet_of

SECOND = timedelta(seconds=1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATE = NOON + timedelta(minutes=10)


@pytest.fixture
def org(app_context: Flask) -> Organization:
    """100, of which 60 are held from NOON to LATE."""
    with clock.at(NOON):
        org = make_org(funds=100)
        reserve(org, 60)
    return org


def the_hold(org: Organization) -> Hold:
    return db.session.scalars(listing.query(org.id, "test", HoldFilters()).order_by(Hold.id)).first()  # type: ignore[return-value]


def test_from_its_last_moment_on_every_step_is_refused(org: Organization) -> None:
    hold = the_hold(org)
    with clock.at(LATE):
        for step in (lambda: capture(org, hold, "c"), lambda: release(hold, "r"), lambda: extend(org, hold, "e", 60)):
            with pytest.raises(HoldNotOpen) as refusal:
                step()
            assert "expired" in refusal.value.detail
        assert listing.state_of(hold) == "expired"
        assert [listing.query(org.id, "test", HoldFilters(state=state)) is not None for state in ("open", "expired")]
        for state, many in (("open", 0), ("expired", 1)):
            found = db.session.scalars(listing.query(org.id, "test", HoldFilters(state=state))).all()
            assert len(found) == many, state
    with clock.at(LATE - timedelta(microseconds=1)):
        assert capture(org, hold, "c").hold.captured == 60
    assert broken(org) == []


def test_the_job_ends_what_has_expired(org: Organization) -> None:
    with clock.at(LATE - SECOND):
        other = reserve(org, 10, "other").hold
        assert str(org.id) not in [*schedule._held()]
    with clock.at(LATE):
        assert [*schedule._held()] == [str(org.id)]
        jobs.drain(str(org.id))
        jobs.drain(str(org.id))
        assert (balances(org), [*schedule._held()]) == ((100, 10), [])
        hold = the_hold(org)
        assert (hold.state, hold.ended_at) == ("expired", LATE)
        assert [step.kind for step in listing.steps(hold)] == ["opened", "expired"]
        assert capture(org, other, "c").hold.state == "captured"
    assert (balances(org), broken(org)) == ((90, 0), [])


def test_a_wallet_in_use_is_left_for_the_next_time(app: Flask, org: Organization) -> None:
    wallet_id = wallet_of(org).id

    def drain() -> str:
        with clock.at(LATE):
            return str(ending.drain(org.id))

    with transaction(org=org.id):
        db.session.execute(select(Wallet.id).filter_by(org_id=org.id, id=wallet_id).with_for_update())
        assert head_on(app, drain) == ["False"]
    assert balances(org) == (100, 60)
    assert head_on(app, drain) == ["False"]
    assert balances(org) == (100, 0)


def test_a_charge_does_not_wait_for_the_job(org: Organization) -> None:
    with clock.at(LATE - SECOND), pytest.raises(InsufficientFunds):
        charge(wallet_of(org), 41)
    with clock.at(LATE):
        assert charge(wallet_of(org), 100).balance_after == 0
    assert (balances(org), broken(org)) == ((0, 0), [])


def test_a_batch_and_a_new_hold_do_not_wait_for_the_job(app_context: Flask) -> None:
    for number in range(2):
        with clock.at(NOON):
            org = make_org(funds=100)
            reserve(org, 60)
        with clock.at(LATE):
            if number:
                reserve(org, 100, "next")
            else:
                entries = [LedgerEntry(wallet_of(org).id, 50, f"b{n}") for n in range(2)]
                with transaction(org=org.id):
                    results = ledger.post_batch(org.id, entries, mode="test", origin="usage", by=SYSTEM)
                assert not [one for one in results if isinstance(one, CofferError)]
            assert (balances(org), broken(org)) == ((100, 100) if number else (0, 0), [])


def test_an_expired_hold_no_longer_counts_towards_its_limits(app_context: Flask) -> None:
    with clock.at(NOON):
        org = make_org(funds=100)
        with transaction(org=org.id):
            limit = changes.begin(org.id, org.id, Cap(80, "day"), mode="test")  # type: ignore[arg-type]
        reserve(org, 60, spender=Spender(key=LimitId(org.id, limit.id)), seconds=86_400)
    with clock.at(NOON + timedelta(days=1)):
        jobs.drain(str(org.id))
        spent = spend_limits.usages(org.id, [limit.id], at=NOON)[limit.id].spent
        assert (spent, spend_limits.usages(org.id, [limit.id])[limit.id].spent) == (0, 0)


def test_of_capture_and_expiry_at_once_one_happens(app: Flask) -> None:
    for number in range(8):
        with app.app_context(), clock.at(NOON):
            org = make_org(funds=100)
            hold = reserve(org, 60).hold
            db.session.expunge_all()

        def take() -> str:
            with clock.at(LATE - SECOND):
                return capture(org, hold, "c").hold.state  # noqa: B023

        def end() -> str:
            with clock.at(LATE):
                return str(ending.drain(org.id))  # noqa: B023

        said, _ = head_on(app, take, end)
        with app.app_context():
            assert (said, balances(org)) in (("captured", (40, 0)), ("hold_not_open", (100, 0))), number
            assert broken(org) == []


# Credit that expires while it is held: 100 without a date, 40 that expire at END.


@pytest.fixture
def dated_org(app_context: Flask) -> Organization:
    with clock.at(START):
        org = make_org(funds=100)
        dated(wallet_of(org), 40)
    return org


def lapse(org: Organization, at: datetime) -> list[int]:
    """Every expiry so far, once those due at `at` were taken out."""
    with clock.at(at):
        expiry.drain(org.id)
    return [row.amount for row in expiries(wallet_of(org))]


def in_order(org: Organization) -> None:
    wallet = wallet_of(org)
    assert_settled(wallet)
    assert broken(org) == []


def test_an_expiry_leaves_what_is_held(dated_org: Organization) -> None:
    with clock.at(END - HOUR):
        hold = reserve(dated_org, 30, seconds=86_400).hold
    assert lapse(dated_org, END) == [-10]
    assert balances(dated_org) == (130, 30)
    in_order(dated_org)
    with clock.at(END + HOUR):
        assert charge(wallet_of(dated_org), 5).balance_after == 125
        assert capture(dated_org, hold, "c").hold.captured == 30
    assert balances(dated_org) == (95, 0)
    assert lapse(dated_org, END + HOUR) == [-10]
    in_order(dated_org)


def test_what_a_hold_kept_leaves_when_it_ends_without_a_charge(dated_org: Organization) -> None:
    with clock.at(END - HOUR):
        first = reserve(dated_org, 20, "h1", seconds=86_400).hold
        second = reserve(dated_org, 10, "h2", seconds=86_400).hold
        third = reserve(dated_org, 3, "h3", seconds=2 * 3_600).hold
    assert lapse(dated_org, END) == [-7]
    with clock.at(END + SECOND):
        release(first, "r")
    assert balances(dated_org) == (113, 13)
    with clock.at(END + 2 * SECOND):
        capture(dated_org, second, "c", 4)
    assert balances(dated_org) == (103, 3)
    in_order(dated_org)
    assert lapse(dated_org, END + HOUR) == [-7, -20, -6]
    with clock.at(third.expires_at):
        jobs.drain(str(dated_org.id))
    assert balances(dated_org) == (100, 0)
    assert [row.amount for row in expiries(wallet_of(dated_org))] == [-7, -20, -6, -3]
    in_order(dated_org)
    for row in expiries(wallet_of(dated_org)):
        assert explain.explain(row).cause[-1].kind == "origin"
        assert any("promotional" in step.text for step in explain.explain(row).cause)


def test_a_later_hold_keeps_no_expired_credit(dated_org: Organization) -> None:
    with clock.at(END - HOUR):
        first = reserve(dated_org, 40, "h1", seconds=86_400).hold
    assert lapse(dated_org, END) == []
    with clock.at(END + SECOND):
        reserve(dated_org, 90, "h2", seconds=86_400)
        release(first, "r")
    assert balances(dated_org) == (100, 90)
    in_order(dated_org)


def test_an_expiry_never_makes_the_available_amount_negative(dated_org: Organization) -> None:
    """A paid credit that is spent last expires while a later hold needs it."""
    with clock.at(START):
        paid = make_org(funds=50)
        ledger.post(
            wallet_of(paid), type="deposit", amount=50, origin="test", key="paid", by=SYSTEM,
            slices=[ledger.NewGrant("paid", "deposit", 50, expires_at=END)],
        )  # fmt: skip
    with clock.at(END - HOUR):
        first = reserve(paid, 50, "h1", seconds=86_400).hold
    assert lapse(paid, END) == []
    with clock.at(END + SECOND):
        second = reserve(paid, 50, "h2", seconds=86_400).hold
        capture(paid, first, "c1")
    assert balances(paid) == (50, 50)
    in_order(paid)
    with clock.at(END + HOUR):
        capture(paid, second, "c2")
    assert balances(paid) == (0, 0)
    in_order(paid)


def test_a_capture_at_the_very_moment_of_an_expiry_is_covered(dated_org: Organization) -> None:
    with clock.at(END - HOUR):
        hold = reserve(dated_org, 140, seconds=86_400).hold
    with clock.at(END):
        capture(dated_org, hold, "c")
    assert (balances(dated_org), lapse(dated_org, END + HOUR)) == ((0, 0), [])
    in_order(dated_org)


def test_expired_credit_cannot_be_held(dated_org: Organization) -> None:
    with clock.at(END):
        with pytest.raises(InsufficientFunds):
            reserve(dated_org, 101)
        reserve(dated_org, 100)
    assert balances(dated_org) == (100, 100)
    assert db.session.query(Transaction).filter_by(org_id=dated_org.id).count() == 3
