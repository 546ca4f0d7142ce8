"""The bars add up to what they stand for, whatever the amounts."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.web.charts import BASE, Chart, Day, Series, stacked

SERIES = (Series("Charges", "s1"), Series("Renewals", "s2"))


def chart(*days: tuple[int, int]) -> Chart:
    first = date(2026, 11, 1)
    return stacked([Day(first + timedelta(days=i), values) for i, values in enumerate(days)], SERIES)


def pixels(text: str) -> int:
    return round(float(text) * 100)


@given(st.lists(st.tuples(st.integers(-(10**12), 10**15), st.integers(0, 10**15)), min_size=1, max_size=90))
def test_bars_stay_inside_the_frame(days: list[tuple[int, int]]) -> None:
    made = chart(*days)
    assert 2 <= len(made.ticks) <= 5
    assert made.ticks[-1].label == "$0"
    for bar in made.bars:
        assert len(bar.segments) == sum(value > 0 for value in bar.day.values)
        for part in bar.segments:
            assert 0 <= pixels(part.y) <= BASE * 100
            assert pixels(part.height) >= 50


def test_the_axis_has_round_steps() -> None:
    assert [tick.label for tick in chart((3_100_000, 900_000)).ticks] == ["$4", "$3", "$2", "$1", "$0"]
    assert [tick.label for tick in chart((700, 0)).ticks] == ["$0.0008", "$0.0006", "$0.0004", "$0.0002", "$0"]
    assert [tick.label for tick in chart((0, 0)).ticks] == ["$1", "$0"]


def test_every_day_and_series_can_be_read() -> None:
    made = chart((3_100_000, 0), (0, 0))
    assert [bar.parts for bar in made.bars] == ["Charges $3.10", "no cost"]
    assert made.total == 3_100_000
    assert made.busiest is made.days[0]
    assert chart((0, 0)).busiest is None


def test_today_always_has_its_date() -> None:
    for many in (1, 7, 30, 31, 90):
        made = chart(*[(1, 1)] * many)
        assert made.marks[0].text == f"{made.days[-1].day.day} {made.days[-1].day:%b}"
        assert len(made.marks) <= 8


def test_more_than_five_series_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 5"):
        stacked([Day(date(2026, 11, 1), (1,) * 6)], [Series("x", "s1")] * 6)
