"""Costs by day, type and app, and the comparison with the period before."""

from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask

from dashboard.core import clock
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import ledger
from dashboard.domain.funds.reports import costs
from dashboard.models import Wallet
from tests.each import each
from tests.factories import charge, grant, make_org, wallet_of

TODAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def wallet(app_context: Flask) -> Wallet:
    with clock.at(NOON - timedelta(days=200)):
        return wallet_of(make_org(funds=10**9))


def spend(wallet: Wallet, days_ago: int, micros: int, app: str = "", hour: int = 12) -> None:
    with clock.at(NOON.replace(hour=hour) - timedelta(days=days_ago)):
        charge(wallet, micros, app=app)


@each(
    ("key", "first", "last", "before_first", "before_last"),
    [
        ("7", "2026-11-14", "2026-11-20", "2026-11-07", "2026-11-13"),
        ("30", "2026-10-22", "2026-11-20", "2026-09-22", "2026-10-21"),
        ("90", "2026-08-23", "2026-11-20", "2026-05-25", "2026-08-22"),
        ("month", "2026-11-01", "2026-11-20", "2026-10-01", "2026-10-20"),
        ("last-month", "2026-10-01", "2026-10-31", "2026-09-01", "2026-09-30"),
    ],
)
def test_each_range_has_its_period_before(key: str, first: str, last: str, before_first: str, before_last: str) -> None:
    found = costs.preset(key, TODAY)
    earlier = costs.before(found)
    assert [day.isoformat() for day in (found.first, found.last)] == [first, last]
    assert [day.isoformat() for day in (earlier.first, earlier.last)] == [before_first, before_last]


def test_a_month_is_compared_with_as_much_of_the_one_before_as_there_is() -> None:
    march = costs.before(costs.preset("month", date(2026, 3, 30)))
    assert (march.first, march.last) == (date(2026, 2, 1), date(2026, 2, 28))
    assert costs.before(costs.preset("month", date(2026, 3, 31))).last == date(2026, 2, 28)
    assert costs.before(costs.preset("month", date(2026, 2, 28))).last == date(2026, 1, 31)


def test_an_unknown_range_is_thirty_days() -> None:
    assert costs.preset("forever", TODAY) == costs.preset(None, TODAY) == costs.preset("30", TODAY)


def test_only_charges_cost(wallet: Wallet) -> None:
    spend(wallet, 1, 30)
    with clock.at(NOON):
        grant(wallet, 500)
        ledger.post(wallet, type="consumption", amount=-5, origin="run", key="r", by=SYSTEM)
        ledger.post(wallet, type="admin_removal", amount=-100, origin="test", key="r", by=SYSTEM)
        found = costs.spent(wallet, costs.preset("7"))
    assert (found.micros, found.before_micros) == (35, 0)


def test_spending_is_split_at_utc_midnight(wallet: Wallet) -> None:
    with clock.at(datetime(2026, 11, 13, 23, 59, 59, tzinfo=UTC)):
        charge(wallet, 1)
    with clock.at(datetime(2026, 11, 14, 0, 0, 0, tzinfo=UTC)):
        charge(wallet, 10)
    with clock.at(NOON):
        found = costs.spent(wallet, costs.preset("7"))
    assert (found.micros, found.before_micros) == (10, 1)


def test_days_have_no_gaps_and_today_is_not_over(wallet: Wallet) -> None:
    spend(wallet, 2, 10, "a")
    spend(wallet, 0, 5, "b")
    with clock.at(NOON):
        found = costs.daily(wallet, TODAY - timedelta(days=6), TODAY, "app")
    assert [day.day for day in found.days] == [TODAY - timedelta(days=6 - n) for n in range(7)]
    assert [series.key for series in found.series] == ["a", "b"]
    assert [day.values for day in found.days] == [(0, 0)] * 4 + [(10, 0), (0, 0), (0, 5)]
    assert [day.partial for day in found.days] == [False] * 6 + [True]
    assert found.micros == 15
    assert found.busiest is not None
    assert found.busiest.day == TODAY - timedelta(days=2)


def test_at_most_five_series_the_largest_by_name(wallet: Wallet) -> None:
    for number in range(7):
        spend(wallet, 1, 10 + number, f"app{number}")
    with clock.at(NOON):
        found = costs.daily(wallet, TODAY - timedelta(days=6), TODAY, "app")
    assert [(series.key, series.micros) for series in found.series] == [
        ("app6", 16), ("app5", 15), ("app4", 14), ("app3", 13), (None, 33),
    ]  # fmt: skip
    assert [series.colour for series in found.series] == [1, 2, 3, 4, 5]
    assert found.micros == sum(range(10, 17))


def test_a_key_keeps_its_colour_when_the_range_changes(wallet: Wallet) -> None:
    spend(wallet, 20, 100, "large")
    spend(wallet, 20, 50, "middle")
    spend(wallet, 1, 10, "small")
    spend(wallet, 1, 1, "large")
    with clock.at(NOON):
        month = costs.daily(wallet, TODAY - timedelta(days=29), TODAY, "app")
        week = costs.daily(wallet, TODAY - timedelta(days=6), TODAY, "app")
    assert [(series.key, series.colour) for series in month.series] == [("large", 1), ("middle", 2), ("small", 3)]
    assert [(series.key, series.colour) for series in week.series] == [("small", 3), ("large", 1)]


def test_shares_add_up_and_know_the_period_before(wallet: Wallet) -> None:
    spend(wallet, 8, 20, "a")
    spend(wallet, 3, 10)
    spend(wallet, 2, 30)
    spend(wallet, 1, 60, "a")
    with clock.at(NOON):
        shares = costs.by_group(wallet, costs.preset("7"), "app")
    assert [(one.key, one.micros, one.of_micros, one.count, one.before_micros) for one in shares] == [
        ("a", 60, 100, 1, 20),
        ("", 40, 100, 2, 0),
    ]


def test_by_type_the_two_kinds_of_cost_are_apart(wallet: Wallet) -> None:
    spend(wallet, 1, 60, "a")
    with clock.at(NOON):
        ledger.post(wallet, type="consumption", amount=-5, origin="run", key="r", by=SYSTEM)
        shares = costs.by_group(wallet, costs.preset("7"))
    assert [(one.key, one.micros) for one in shares] == [("charge", 60), ("consumption", 5)]


def test_without_costs_there_are_no_series_but_all_days(wallet: Wallet) -> None:
    with clock.at(NOON):
        found = costs.daily(wallet, TODAY - timedelta(days=6), TODAY)
        assert costs.by_group(wallet, costs.preset("7")) == []
    assert (found.series, len(found.days), found.micros, found.busiest) == ((), 7, 0, None)


def test_a_range_of_years_is_cut_to_its_newest_days(wallet: Wallet) -> None:
    with clock.at(NOON):
        assert len(costs.daily(wallet, date(1990, 1, 1), TODAY).days) == costs.LONGEST_RANGE
