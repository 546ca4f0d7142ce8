"""Each state of the run-out forecast, its range and its dates."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, update

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import ledger
from dashboard.domain.funds.reports import forecast
from dashboard.domain.funds.reports.forecast import Forecast
from dashboard.models import Wallet
from tests.domain.funds.test_expiry import dated
from tests.domain.funds.test_settlement import settle
from tests.factories import charge, grant, make_org, wallet_of

TODAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_under_three_full_days_there_is_no_forecast() -> None:
    for days in range(3):
        found = forecast.project(1_000, [10] * days, TODAY)
        assert (found.state, found.days, found.runs_out_on) == ("needs_data", None, None)
    assert forecast.project(1_000, [10] * 3, TODAY).state == "runs_out"


def test_steady_use_runs_out_on_the_first_day_at_zero_or_less() -> None:
    found = forecast.project(100, [10] * 28, TODAY)
    assert (found.state, found.pace_micros, found.days) == ("runs_out", 10, 10)
    assert found.runs_out_on == found.earliest == found.latest == TODAY + timedelta(days=10)
    assert forecast.project(101, [10] * 28, TODAY).days == 11


def test_the_pace_is_the_mean_of_the_last_seven_full_days() -> None:
    found = forecast.project(1_000, [70, 0, 0, 0, 0, 0, 0, 999], TODAY)
    assert (found.pace_micros, found.days) == (10, 100)


def test_where_use_is_younger_than_seven_days_the_pace_counts_those() -> None:
    assert forecast.project(1_000, [10, 10, 10, 10], TODAY).pace_micros == 10


def test_the_pace_is_rounded_up_and_never_hides_use() -> None:
    assert forecast.project(1, [1, 0, 0, 0, 0, 0, 0], TODAY).pace_micros == 1


def test_the_range_is_that_of_the_20th_and_80th_percentile_of_28_days() -> None:
    days = [10] * 7 + [5] * 7 + [20] * 7 + [10] * 7
    found = forecast.project(100, days, TODAY)
    assert found.runs_out_on == TODAY + timedelta(days=10)
    assert found.earliest == TODAY + timedelta(days=5)
    assert found.latest == TODAY + timedelta(days=20)


def test_a_range_without_use_on_most_days_is_open_at_its_end() -> None:
    found = forecast.project(100, [70, 0, 0, 0, 0, 0, 0], TODAY)
    assert found.earliest == found.runs_out_on == TODAY + timedelta(days=10)
    assert found.latest is None


def test_without_debits_in_seven_days_there_is_no_pace() -> None:
    assert forecast.project(100, [0] * 7 + [50], TODAY).state == "no_usage"


def test_beyond_a_year_no_date_is_told() -> None:
    found = forecast.project(10**18, [1] * 28, TODAY)
    assert (found.state, found.days, found.runs_out_on, found.pace_micros) == ("over_a_year", None, None, 1)
    assert forecast.project(365 * 10, [10] * 28, TODAY).state == "runs_out"
    assert forecast.project(365 * 10 + 1, [10] * 28, TODAY).state == "over_a_year"


@pytest.mark.parametrize("balance", [0, -5])
def test_at_or_under_zero_it_is_out_of_credits_whatever_the_use(balance: int) -> None:
    assert forecast.project(balance, [10] * 28, TODAY).state == "out_of_credits"
    assert forecast.project(balance, [], TODAY).state == "out_of_credits"


def test_more_credit_lasts_longer() -> None:
    found = forecast.project(0, [10] * 28, TODAY).after(250)
    assert (found.state, found.balance_micros, found.days) == ("runs_out", 250, 25)
    assert found.after(-250).state == "out_of_credits"


def test_what_lapses_is_gone_on_the_day_after_its_last() -> None:
    last_day = TODAY + timedelta(days=2)
    found = forecast.project(100, [10] * 28, TODAY, ((60, last_day), (40, None)))
    assert (found.days, found.next_lapse) == (7, (60, last_day))  # 30 spent, 30 lapse, 40 last four days
    assert forecast.project(100, [30] * 28, TODAY, ((60, last_day), (40, None))).days == 4


def test_credit_that_only_lapses_runs_out_on_that_day() -> None:
    last_day = TODAY + timedelta(days=9)
    found = forecast.project(100, [0] * 28, TODAY, ((100, last_day),))
    assert (found.state, found.pace_micros, found.days) == ("runs_out", 0, 10)
    assert forecast.project(100, [0] * 28, TODAY, ((90, last_day), (10, None))).state == "no_usage"
    assert forecast.project(10**6, [1] * 28, TODAY, ((90, last_day), (10**6 - 90, None))).state == "over_a_year"


def test_a_preview_knows_what_lapses() -> None:
    last_day = TODAY + timedelta(days=2)
    found = forecast.project(50, [10] * 28, TODAY)
    assert found.after(100, last_day).days == 8  # of the 100 three days are used
    assert found.after(100, TODAY + timedelta(days=60)).days == 15
    dated = forecast.project(100, [10] * 28, TODAY, ((60, last_day), (40, None)))
    assert (dated.after(50).days, dated.after(-50).days) == (12, 5)
    assert forecast.project(-50, [10] * 28, TODAY).after(70, last_day).days == 2


@given(st.integers(1, 10**6), st.lists(st.integers(0, 10**4), min_size=3, max_size=28))
def test_dates_that_never_come_change_nothing(balance: int, debits: list[int]) -> None:
    plain = forecast.project(balance, debits, TODAY)
    parts = ((balance // 2, TODAY + timedelta(days=999)), (balance - balance // 2, None))
    dated = forecast.project(balance, debits, TODAY, parts)
    assert (dated.state, dated.days, dated.earliest, dated.latest) == (
        plain.state, plain.days, plain.earliest, plain.latest,
    )  # fmt: skip


@given(st.integers(1, 10**15), st.lists(st.integers(0, 10**12), min_size=3, max_size=28))
def test_the_date_lies_inside_its_range(balance: int, debits: list[int]) -> None:
    found = forecast.project(balance, debits, TODAY)
    if found.state == "runs_out":
        assert found.earliest is not None
        assert found.runs_out_on is not None
        assert TODAY < found.earliest <= found.runs_out_on
        assert found.latest is None or found.runs_out_on <= found.latest


def spend_daily(wallet: Wallet, *micros: int) -> None:
    """Charge `micros` on each of the last full days, newest first."""
    for back in range(len(micros), 0, -1):
        if micros[back - 1]:
            with clock.at(NOON - timedelta(days=back)):
                charge(wallet, micros[back - 1])


def test_only_charges_of_full_days_make_the_pace(app_context: Flask) -> None:
    with clock.at(NOON - timedelta(days=40)):
        wallet = wallet_of(make_org(funds=1_000))
    spend_daily(wallet, 10, 10, 10, 10, 10, 10, 10)
    with clock.at(NOON - timedelta(days=1)):
        grant(wallet, 500)
        ledger.post(wallet, type="admin_removal", amount=-100, origin="test", key="r", by=SYSTEM)
        ledger.post(wallet, type="refund", amount=-30, origin="test", key="f", by=SYSTEM)
    with clock.at(NOON):
        charge(wallet, 300)
        db.session.refresh(wallet)
        found = forecast.of(wallet)
    assert (found.state, found.pace_micros, found.balance_micros) == ("runs_out", 10, 1_000)
    assert found.debits == (10,) * 7
    assert found.runs_out_on == TODAY + timedelta(days=100)


def test_use_before_the_28_days_makes_quiet_days_count(app_context: Flask) -> None:
    with clock.at(NOON - timedelta(days=60)):
        wallet = wallet_of(make_org(funds=1_000))
        charge(wallet, 1)
    spend_daily(wallet, 7)
    with clock.at(NOON):
        db.session.refresh(wallet)
        found = forecast.of(wallet)
    assert len(found.debits) == 28
    assert found.pace_micros == 1


def test_it_says_since_when_credits_are_out(app_context: Flask) -> None:
    wallet = wallet_of(make_org())
    with transaction(org=wallet.org_id) as session:
        session.execute(update(Wallet).filter_by(org_id=wallet.org_id, id=wallet.id).values(overdraft_limit=100))
    crossed = NOON - timedelta(days=2)
    with clock.at(crossed - timedelta(hours=1)):
        grant(wallet, 10)
    with clock.at(crossed):
        charge(wallet, 10)
    with clock.at(NOON):
        charge(wallet, 10)
        db.session.refresh(wallet)
        found = forecast.of(wallet)
    assert (found.state, found.since, found.balance_micros) == ("out_of_credits", crossed, -10)


def test_a_wallet_that_never_had_credits_is_out_without_a_date(app_context: Flask) -> None:
    found = forecast.of(wallet_of(make_org()))
    assert (found.state, found.since) == ("out_of_credits", None)


def test_many_wallets_are_forecast_in_one_go(app_context: Flask) -> None:
    with clock.at(NOON - timedelta(days=10)):
        wallets = [wallet_of(make_org(funds=1_000)) for _ in range(3)]
    spend_daily(wallets[0], *[10] * 9)
    spend_daily(wallets[1], 5)
    with clock.at(NOON):
        for wallet in wallets:
            db.session.refresh(wallet)
        found = forecast.of_many(wallets)
        assert forecast.of_many([]) == {}
    assert [found[wallet.id].state for wallet in wallets] == ["runs_out", "needs_data", "needs_data"]


def statements(wallets: Sequence[Wallet]) -> tuple[dict[UUID, Forecast], list[str]]:
    """Their forecasts, and what was asked for them."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        return forecast.of_many(wallets), seen
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def test_many_wallets_with_dated_credit_are_one_read_each_as_good_as_alone(app_context: Flask) -> None:
    with clock.at(NOON - timedelta(days=10)):
        wallets = [wallet_of(make_org(funds=funds)) for funds in (1_000, 0, 70, 500, 300, 0)]
        for number, wallet in enumerate(wallets[:5]):
            dated(wallet, 100, NOON + timedelta(days=2 + number))
    for wallet in (wallets[0], wallets[2]):
        spend_daily(wallet, *[10] * 9)
    with clock.at(NOON - timedelta(hours=3)):
        ledger.post(wallets[3], type="refund", amount=-700, origin="test", key="r", by=SYSTEM)
        settle(wallets[0])
        charge(wallets[0], 5)
        dated(wallets[0], 40, NOON + timedelta(days=1), "more")
        dated(wallets[3], 110, NOON + timedelta(days=1), "more")
        charge(wallets[4], 100)
    with clock.at(NOON):
        for wallet in wallets:
            db.session.refresh(wallet)
        found, asked = statements(wallets)
        assert len(asked) == len(statements(wallets[:1])[1])
        assert found == {wallet.id: replace(forecast.of(wallet), since=None) for wallet in wallets}
    assert [sum(micros for micros, _ in found[wallet.id].parts) for wallet in wallets] == [1_045, 100, 80, 10, 300, 0]
    assert [len(found[wallet.id].parts) for wallet in wallets] == [3, 1, 2, 1, 1, 0]
