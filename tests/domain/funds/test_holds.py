"""Holds: what is reserved can be charged once, in part or as a whole, and nothing happens to a hold after its end."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.core.errors import CofferError, InsufficientFunds, Invalid, NotFound
from dashboard.core.money import LARGEST
from dashboard.domain.funds import ledger, spend_limits
from dashboard.domain.funds.holds import listing
from dashboard.domain.funds.holds.listing import HoldFilters
from dashboard.domain.funds.holds.steps import LONGEST, HoldResult
from dashboard.domain.funds.ledger import KeyReused, LedgerEntry, WalletFrozen
from dashboard.domain.funds.spend_limits import KeyCapExceeded, LimitId, LimitReached, Spender, changes
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.domain.org_status import OrgSuspended
from dashboard.models import Hold, HoldStep, Organization, Transaction, Wallet
from tests.concurrency import at_once, head_on
from tests.domain.funds.holding import balances, broken, capture, extend, release, reserve, wallet_now
from tests.each import each
from tests.factories import SYSTEM, add_member, charge, make_org, wallet_of

MILLION = 1_000_000


@pytest.fixture
def org(app_context: Flask) -> Organization:
    return make_org(funds=MILLION)


def refused(code: str, step: Callable[[], object]) -> None:
    with pytest.raises(CofferError) as refusal:
        step()
    assert refusal.value.code == code


def set_wallet(org: Organization, **values: Any) -> None:
    with transaction(org=org.id):
        db.session.execute(update(Wallet).filter_by(org_id=org.id, mode="test").values(values))


def rows(org: Organization) -> int:
    return db.session.scalar(select(func.count()).select_from(Transaction).filter_by(org_id=org.id)) or 0


def test_capture_release_and_again(org: Organization) -> None:
    hold = reserve(org, 300_000).hold
    assert balances(org) == (MILLION, 300_000)
    first = capture(org, hold, "capture", 120_000)
    assert (first.hold.state, first.hold.captured, balances(org)) == ("captured", 120_000, (880_000, 0))
    assert capture(org, hold, "capture", 120_000).replayed
    refused("hold_not_open", lambda: capture(org, hold, "capture again", 120_000))
    refused("hold_not_open", lambda: release(hold, "release"))
    with pytest.raises(InsufficientFunds) as short:
        reserve(org, 2 * MILLION, "too much")
    assert short.value.extra == {"available_micros": 880_000, "required_micros": 2 * MILLION}
    assert [row.id for row in db.session.scalars(listing.query(org.id, "test", HoldFilters()))] == [hold.id]
    other = reserve(org, 50_000, "another").hold
    assert release(other, "release").hold.state == "released"
    assert release(other, "release").replayed
    refused("hold_not_open", lambda: release(other, "release again"))
    assert (balances(org), rows(org)) == ((880_000, 0), 2)
    assert broken(org) == []


def test_a_hold_is_charged_as_a_whole_or_more_as_far_as_there_is_room(org: Organization) -> None:
    whole = reserve(org, 400_000, "whole", app="chat", description="A long answer").hold
    result = capture(org, whole, "c1")
    row = db.session.get_one(Transaction, (org.id, result.hold.transaction_id))
    assert (row.amount, row.type, row.app, row.description) == (-400_000, "charge", "chat", "A long answer")
    hold, other = reserve(org, 100_000, "h2").hold, reserve(org, 300_000, "h3").hold
    refused("out_of_range", lambda: capture(org, hold, "c2", 100_001))
    with pytest.raises(InsufficientFunds) as short:
        capture(org, hold, "c2", 300_001, above=True)
    assert short.value.extra == {"available_micros": 300_000, "required_micros": 300_001}
    assert balances(org) == (600_000, 400_000)
    assert capture(org, hold, "c2", 300_000, above=True).hold.captured == 300_000
    assert balances(org) == (300_000, 300_000)
    refused("insufficient_funds", lambda: charge(wallet_of(org), 1))
    assert capture(org, other, "c3").hold.state == "captured"
    assert (balances(org), broken(org)) == ((0, 0), [])


def test_each_step_counts_once_for_its_key(org: Organization) -> None:
    hold = reserve(org, 100, "h").hold
    assert reserve(org, 100, "h").replayed
    refused("idempotency_key_reused", lambda: reserve(org, 101, "h"))
    refused("idempotency_key_reused", lambda: release(hold, "h"))
    later = extend(org, hold, "e", 3_600)
    assert extend(org, hold, "e", 3_600).step.id == later.step.id
    refused("idempotency_key_reused", lambda: extend(org, hold, "e", 3_601))
    charge(wallet_of(org), 5, "charge")
    for number, step in enumerate([
        lambda: reserve(org, 5, "charge"), lambda: capture(org, hold, "charge"), lambda: release(hold, "charge"),
        lambda: extend(org, hold, "charge", 60),
    ]):  # fmt: skip
        with pytest.raises(KeyReused):
            step()
        assert balances(org) == (MILLION - 5, 100), number
    captured = capture(org, hold, "c", 60)
    again = reserve(org, 100, "h")
    assert (again.replayed, again.hold.id, again.step.kind) == (True, hold.id, "opened")
    assert [one.kind for one in listing.steps(hold)] == ["opened", "extended", "captured"]
    assert listing.captured_by(org.id, captured.hold.transaction_id) is not None
    with pytest.raises(KeyReused):
        charge(wallet_of(org), 60, "c")
    assert broken(org) == []


@each("amount", [0, -1, LARGEST + 1, 2**63])
def test_odd_amounts_are_refused(org: Organization, amount: int) -> None:
    with pytest.raises(Invalid):
        reserve(org, amount)
    assert balances(org) == (MILLION, 0)


@each("seconds", [0, -1, int(LONGEST.total_seconds()) + 1, 10**30])
def test_odd_times_are_refused(org: Organization, seconds: int) -> None:
    with pytest.raises(Invalid):
        reserve(org, 1, seconds=seconds)
    hold = reserve(org, 1, f"h{seconds}").hold
    with pytest.raises(Invalid):
        extend(org, hold, f"e{seconds}", seconds)
    release(hold, f"r{seconds}")
    assert balances(org) == (MILLION, 0)


def test_a_hold_is_extended_from_now_and_lasts_seven_days_in_all(org: Organization) -> None:
    start = clock.now()
    with clock.at(start):
        hold = reserve(org, 1, seconds=600).hold
    with clock.at(start + timedelta(seconds=500)):
        assert extend(org, hold, "e1", 600).hold.expires_at == start + timedelta(seconds=1_100)
        assert extend(org, hold, "e2", 60).hold.expires_at == start + timedelta(seconds=1_100)
        assert extend(org, hold, "e3", 86_400 * 6).hold.expires_at == start + timedelta(days=6, seconds=500)
    with clock.at(start + timedelta(days=6)):
        refused("out_of_range", lambda: extend(org, hold, "e4", 86_401))
        assert extend(org, hold, "e5", 86_400).hold.expires_at == start + LONGEST


def test_who_may_not_spend_holds_nothing(org: Organization) -> None:
    hold = reserve(org, 100).hold
    steps_of: list[Callable[[], HoldResult]] = [
        lambda: reserve(org, 1, "h"), lambda: capture(org, hold, "c"), lambda: extend(org, hold, "e", 60),
    ]  # fmt: skip
    for column, refusal in (("suspended_at", OrgSuspended), ("closed_at", NotFound)):
        with transaction(org=org.id):
            row = db.session.get_one(Organization, org.id)
            row.suspended_at = row.closed_at = None
            setattr(row, column, clock.now())
        for step in steps_of:
            with pytest.raises(refusal):
                step()
    with transaction(org=org.id):
        row.suspended_at = row.closed_at = None
    set_wallet(org, frozen_at=clock.now())
    for step in steps_of[:2]:
        with pytest.raises(WalletFrozen):
            step()
    assert release(hold, "r").hold.state == "released"
    assert balances(org) == (MILLION, 0)


def test_a_hold_reaches_down_to_the_overdraft_limit(org: Organization) -> None:
    set_wallet(org, overdraft_limit=500)
    refused("insufficient_funds", lambda: reserve(org, MILLION + 501))
    hold = reserve(org, MILLION + 500).hold
    refused("insufficient_funds", lambda: charge(wallet_of(org), 1))
    capture(org, hold, "c")
    assert balances(org) == (-500, 0)


def test_what_is_held_cannot_be_spent_otherwise(org: Organization) -> None:
    reserve(org, MILLION - 10)
    refused("insufficient_funds", lambda: charge(wallet_of(org), 11))
    entries = [LedgerEntry(wallet_of(org).id, 6, f"b{number}") for number in range(2)]
    with transaction(org=org.id):
        results = ledger.post_batch(org.id, entries, mode="test", origin="usage", by=SYSTEM)
    assert isinstance(results[1], InsufficientFunds)
    with pytest.raises(CofferError):
        ledger.post(wallet_of(org), type="admin_removal", amount=-5, origin="test", key="r", by=SYSTEM)
    assert (balances(org), broken(org)) == ((MILLION - 6, MILLION - 10), [])


def test_twenty_at_once_on_the_last_credit(app: Flask) -> None:
    with app.app_context():
        org = make_org(funds=MILLION)

    def work(number: int) -> str:
        return reserve(org, 300_000, f"h{number}").hold.state

    assert at_once(app, 20, work) == {"open": 3, "insufficient_funds": 17}
    with app.app_context():
        assert balances(org) == (MILLION, 900_000)
        holds = list(db.session.scalars(listing.query(org.id, "test", HoldFilters(state="open"))))
        for hold in holds:
            capture(org, hold, f"c{hold.id}")
        assert (len(holds), balances(org), broken(org)) == (3, (100_000, 0), [])


def test_one_key_at_once_reserves_once(app: Flask) -> None:
    with app.app_context():
        org = make_org(funds=MILLION)
    work: Callable[[int], str] = lambda number: "replayed" if reserve(org, 10, "h").replayed else "open"  # noqa: E731
    assert at_once(app, 20, work) == {"open": 1, "replayed": 19}
    with app.app_context():
        assert balances(org) == (MILLION, 10)


def test_of_capture_and_release_at_once_one_happens(app: Flask) -> None:
    for number in range(8):
        with app.app_context():
            org = make_org(funds=MILLION)
            hold = reserve(org, 100).hold
            db.session.expunge_all()
        ends = head_on(
            app,
            lambda: capture(org, hold, "c").hold.state,  # noqa: B023
            lambda: release(hold, "r").hold.state,  # noqa: B023
            lambda: capture(org, hold, "c2", 60).hold.state,  # noqa: B023
        )
        with app.app_context():
            charged = {"captured": (100, 60), "released": (0,)}
            (end,) = {state for state in ends if state != "hold_not_open"}
            balance, held = balances(org)
            assert (ends.count("hold_not_open"), held, broken(org)) == (2, 0, []), (number, ends)
            assert MILLION - balance in charged[end], ends


def test_a_members_hold_counts_to_the_member(org: Organization) -> None:
    user = add_member(org, "member")
    hold = reserve(org, 100, spender=Spender(user.id)).hold
    row = db.session.get_one(Transaction, (org.id, capture(org, hold, "c").hold.transaction_id))
    assert row.member_id == user.id
    found = HoldFilters.parse({"member_id": str(user.id), "state": "captured"})
    assert [one.id for one in db.session.scalars(listing.query(org.id, "test", found))] == [hold.id]
    with pytest.raises(NotFound):
        listing.find(org.id, "test", hold.id, only_of=frozenset({org.id}))


def limit_of(org: Organization, amount: int, scope: str = "key") -> LimitId:
    with transaction(org=org.id):
        if scope == "key":
            row = changes.begin(org.id, org.id, Cap(amount, "day"), mode="test")  # type: ignore[arg-type]
        else:
            cap = Cap(amount, "day")  # type: ignore[arg-type]
            row = changes.create(org.id, scope=scope, subject="chat", cap=cap, mode="test", by=SYSTEM)
    return LimitId(org.id, row.id)


def spent(*limits: LimitId) -> list[int]:
    return [spend_limits.usages(limit.org_id, [limit.id])[limit.id].spent for limit in limits]


def test_a_hold_counts_towards_its_limits_until_it_ends_without_a_charge(org: Organization) -> None:
    cap, app, whole = limit_of(org, 1_000), limit_of(org, 5_000, "app"), limit_of(org, 5_000, "org")
    db.session.refresh(org)
    spender = Spender(key=cap)
    first = reserve(org, 600, "h1", spender=spender, app="chat").hold
    with pytest.raises(KeyCapExceeded):
        reserve(org, 401, "h2", spender=spender)
    second = reserve(org, 400, "h2", spender=spender).hold
    assert spent(cap, app, whole) == [1_000, 600, 1_000]
    release(second, "r")
    assert spent(cap, app, whole) == [600, 600, 600]
    capture(org, first, "c", 250)
    assert spent(cap, app, whole) == [250, 250, 250]
    third = reserve(org, 100, "h3", spender=spender).hold
    with pytest.raises(KeyCapExceeded):
        capture(org, third, "c3", 751, above=True)
    assert balances(org)[1] == 100
    capture(org, third, "c3", 750, above=True)
    assert (spent(cap, app, whole), balances(org)) == ([1_000, 250, 1_000], (MILLION - 1_000, 0))


def test_a_limit_set_after_a_hold_counts_what_is_captured_and_refuses_none_of_it(org: Organization) -> None:
    hold, released = reserve(org, 600, "h1").hold, reserve(org, 50, "h2").hold
    limit = limit_of(org, 500, "org")
    db.session.refresh(org)
    release(released, "r")
    assert spent(limit) == [0]
    capture(org, hold, "c")
    assert spent(limit) == [600]
    with pytest.raises(LimitReached):
        reserve(org, 1, "h3")
    assert balances(org) == (MILLION - 600, 0)


def test_the_books_show_a_hold_that_does_not_add_up(org: Organization) -> None:
    hold = reserve(org, 100).hold
    set_wallet(org, held=99)
    assert broken(org) == ["held"]
    set_wallet(org, held=100)
    capture(org, hold, "c", 60)
    with transaction(org=org.id):
        db.session.execute(update(Hold).filter_by(id=hold.id).values(captured=61))
    assert broken(org) == ["captures"]
    assert db.session.scalar(select(func.count()).select_from(HoldStep).filter_by(org_id=org.id)) == 2
    assert wallet_now(org).held == 0
