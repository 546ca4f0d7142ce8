"""What times, counts and shares look like, in the viewer's zone and across both clock changes."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, g

from dashboard.core import clock
from dashboard.web import formats
from dashboard.web.viewer import Viewer, zone_named
from tests.each import each

NOW = datetime(2026, 11, 20, 8, 42, 5, tzinfo=UTC)


@pytest.fixture
def _request() -> Iterator[None]:
    with Flask("formats").test_request_context(), clock.at(NOW):
        seen_from("UTC")
        yield


def seen_from(zone: str) -> None:
    g.viewer = Viewer(zone=ZoneInfo(zone))


@pytest.mark.usefixtures("_request")
@each(
    ("zone", "moment", "text", "title"),
    [
        ("UTC", NOW, "20 Nov, 08:42", "2026-11-20 08:42:05 +00:00 (08:42:05 UTC)"),
        ("Europe/Stockholm", NOW, "20 Nov, 09:42", "2026-11-20 09:42:05 +01:00 (08:42:05 UTC)"),
        ("America/Los_Angeles", NOW, "20 Nov, 00:42", "2026-11-20 00:42:05 -08:00 (08:42:05 UTC)"),
        ("Asia/Kathmandu", NOW, "20 Nov, 14:27", "2026-11-20 14:27:05 +05:45 (08:42:05 UTC)"),
        # Stockholm's clock goes forward at 01:00 UTC on 29 March and back at 01:00 UTC on 25 October 2026.
        ("Europe/Stockholm", datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "29 Mar, 01:59", "+01:00"),
        ("Europe/Stockholm", datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "29 Mar, 03:00", "+02:00"),
        ("Europe/Stockholm", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "25 Oct, 02:30", "+02:00"),
        ("Europe/Stockholm", datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "25 Oct, 02:30", "+01:00"),
        # The year shows when it is not the viewer's this year.
        ("UTC", datetime(2025, 12, 31, 23, 30, tzinfo=UTC), "31 Dec 2025, 23:30", "2025-12-31"),
        ("Asia/Kathmandu", datetime(2025, 12, 31, 23, 30, tzinfo=UTC), "1 Jan, 05:15", "2026-01-01 05:15:00 +05:45"),
    ],
)
def test_a_moment_shows_in_the_viewers_zone(zone: str, moment: datetime, text: str, title: str) -> None:
    seen_from(zone)
    shown = str(formats.when(moment))
    assert f">{text}</time>" in shown
    assert title in shown


@pytest.mark.usefixtures("_request")
def test_relative_words_stand_for_the_last_hour_only() -> None:
    assert ">just now<" in str(formats.ago(NOW - timedelta(seconds=20)))
    assert ">12 min ago<" in str(formats.ago(NOW - timedelta(minutes=12, seconds=40)))
    assert ">20 Nov, 07:42<" in str(formats.ago(NOW - timedelta(hours=1)))
    assert ">20 Nov, 08:50<" in str(formats.ago(NOW + timedelta(minutes=8)))


@pytest.mark.usefixtures("_request")
def test_resets_show_utc_and_the_viewers_time() -> None:
    reset = datetime(2026, 12, 1, tzinfo=UTC)
    seen_from("Europe/Stockholm")
    assert ">1 Dec 2026, 00:00 UTC (01:00 for you)<" in str(formats.both_zones(reset))
    seen_from("America/Los_Angeles")
    assert ">1 Dec 2026, 00:00 UTC (30 Nov, 16:00 for you)<" in str(formats.both_zones(reset))
    seen_from("UTC")
    assert ">1 Dec 2026, 00:00 UTC<" in str(formats.both_zones(reset))


@pytest.mark.usefixtures("_request")
def test_what_is_missing_is_a_dash() -> None:
    for shown in (formats.when(None), formats.day(None), formats.count(None), formats.short_id(None)):
        assert shown == "–"


@pytest.mark.usefixtures("_request")
def test_steps_within_a_minute_show_seconds_and_none_shows_a_time_twice() -> None:
    first = datetime(2026, 11, 20, 9, 40, 5, tzinfo=UTC)
    shown = [
        re.sub("<[^>]+>", "", str(text)) for text in formats.step_times([first, None, first, first.replace(second=7)])
    ]
    assert shown == ["20 Nov, 09:40:05", "", "", "20 Nov, 09:40:07"]
    apart = formats.step_times([first, first.replace(minute=41)])
    assert [re.sub("<[^>]+>", "", str(text)) for text in apart] == ["20 Nov, 09:40", "20 Nov, 09:41"]


@pytest.mark.usefixtures("_request")
def test_ranges_of_days() -> None:
    assert formats.day_range(date(2026, 10, 22), date(2026, 11, 20)) == "22 Oct to 20 Nov"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (999_999, "999,999"), (1_239_999, "1.23M"), (-5_000_000_000, "-5.00B")]
)
def test_counts(number: int, text: str) -> None:
    shown = str(formats.count(number))
    assert text in shown
    assert f"{number:,}" in shown


@each(
    ("part", "whole", "text"),
    [(0, 10, "0%"), (1, 10_000, "under 0.1%"), (5, 100, "5%"), (99, 1000, "9.9%"), (1, 3, "33%"), (1, 0, "–")],
)
def test_shares(part: int, whole: int, text: str) -> None:
    assert formats.percent(part, whole) == text


def test_an_id_is_shortened_in_the_middle() -> None:
    assert formats.short_id("019a3c1e-2b7d-7c11-9a44-0a51c3d27f2e") == "019a3c…7f2e"


@pytest.mark.parametrize("name", ["", None, "Nowhere/Town", "../etc/passwd"])
def test_an_unknown_zone_is_utc(name: str | None) -> None:
    assert zone_named(name).key == "UTC"
