"""Usage is read by when it happened: sums from counters or a bounded number of events, and pages of events."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core import clock, lists
from dashboard.core.db import db
from dashboard.core.errors import Invalid
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.usage import counters, recording, reports
from dashboard.domain.usage.reading import event_list
from dashboard.domain.usage.reading.filters import UsageFilters
from dashboard.domain.usage.recording import Usage
from dashboard.models import OTHER_APPS, Organization, UsageEvent, Wallet
from tests.each import each
from tests.factories import make_metric, make_org, make_user, wallet_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ADA, BOB = Actor("user", UUID(int=1), UUID(int=1)), Actor("user", UUID(int=2), UUID(int=2))


@pytest.fixture
def org(app_context: Flask) -> Iterator[Organization]:
    with clock.at(NOON - timedelta(days=200)):
        for key, micros in (("tokens", 2), ("push", 600)):
            make_metric(key, amount_micros=micros)
        org = make_org(funds=10**9)
    with clock.at(NOON):
        yield org


def use(
    org: Organization, hours_ago: int, units: int = 1, metric: str = "tokens", *, app: str = "", by: Actor = SYSTEM,
    **properties: str,
) -> None:  # fmt: skip
    at = NOON - timedelta(hours=hours_ago)
    usage = Usage(metric, units, f"{org.id} {at} {use.count}", b"", occurred_at=at, app=app, properties=properties)
    use.count += 1
    recording.record(org, [usage], mode="test", by=by, api_key_id=None)


use.count = 0


def filters(**values: str) -> UsageFilters:
    return UsageFilters.parse({"from": "2026-11-10", "to": "2026-11-20", **values})


def totals(wallet: Wallet, group: str, **values: str) -> dict[str, tuple[int, int]]:
    """Units and cost by key."""
    return {one.key: (one.units, one.cost) for one in reports.totals(reports.cells(wallet, filters(**values), group))}


def keys_of(wallet: Wallet, asked: UsageFilters, limit: int, window: int = lists.WINDOW) -> list[str]:
    """All pages, and that each event comes once, newest first."""
    rows: list[UsageEvent] = []
    cursor, pages = None, 0
    while pages < 100:
        page = event_list.page(wallet, asked, cursor, limit, window=window)
        rows, pages, cursor = rows + page.rows, pages + 1, page.next_cursor
        if cursor is None:
            break
    places = [(row.occurred_at, row.id) for row in rows]
    assert places == sorted(set(places), reverse=True)
    return [row.app for row in rows]


def test_groups_add_up_to_the_whole_and_name_what_they_can(org: Organization) -> None:
    use(org, 1, 10, app="chat", by=ADA, team="red")
    use(org, 2, 20, app="search", by=BOB, team="blue")
    use(org, 30, 3, "push", by=ADA)
    wallet = wallet_of(org)
    assert totals(wallet, "metric") == {"push": (3, 1_800), "tokens": (30, 60)}
    assert totals(wallet, "app") == {"": (3, 1_800), "search": (20, 40), "chat": (10, 20)}
    assert totals(wallet, "member") == {str(ADA.user_id): (13, 1_820), str(BOB.user_id): (20, 40)}
    assert totals(wallet, "tag:team") == {"": (3, 1_800), "blue": (20, 40), "red": (10, 20)}
    assert totals(wallet, "app", metric="tokens") == {"search": (20, 40), "chat": (10, 20)}
    assert totals(wallet, "metric", app="chat") == {"tokens": (10, 20)}
    assert totals(wallet, "app", member=str(ADA.user_id)) == {"": (3, 1_800), "chat": (10, 20)}
    assert reports.tags(wallet, filters()) == ["team"]
    (push, _) = reports.totals(reports.cells(wallet, filters(), "metric"))
    assert (push.metric_key, push.events) == ("push", 1)


def test_days_months_and_hours_are_utc(org: Organization) -> None:
    use(org, 12, 1)
    use(org, 13, 10)
    wallet = wallet_of(org)
    days = reports.by_time(reports.cells(wallet, filters()))
    assert [(one.day, one.units) for one in days] == [(date(2026, 11, 19), 10), (date(2026, 11, 20), 1)]
    months = reports.by_time(reports.cells(wallet, filters(), "member"), "month")
    assert [(one.day, one.key, one.units) for one in months] == [(date(2026, 11, 1), "", 11)]
    hours = reports.hourly(wallet, filters(**{"from": "2026-11-19"}))
    assert [(one.at.hour, one.units, one.cost, one.events) for one in hours] == [(23, 10, 20, 1), (0, 1, 2, 1)]
    assert reports.hourly(wallet, filters(member=str(UUID(int=9)))) == []


def test_an_app_that_is_counted_with_others_is_added_up_from_its_events(org: Organization) -> None:
    apps = [f"app-{number}" for number in range(counters.MOST_APPS)] + ["late", "later", "late"]
    usages = [Usage("tokens", 1, str(number), b"", app=app) for number, app in enumerate(apps)]
    recording.record(org, usages, mode="test", by=SYSTEM, api_key_id=None)
    wallet = wallet_of(org)
    assert totals(wallet, "app")[OTHER_APPS] == (3, 6)
    assert totals(wallet, "metric", app="late") == {"tokens": (2, 4)}
    assert totals(wallet, "metric", app="app-7") == {"tokens": (1, 2)}
    assert keys_of(wallet, filters(app="late"), 1) == ["late", "late"]


def test_too_many_events_are_left_out_and_it_says_from_when(org: Organization) -> None:
    for hours in (1, 2, 3):
        use(org, hours, team="red")
    wallet = wallet_of(org)
    (red,) = reports.totals(reports.cells(wallet, filters(), "tag:team", window=2))
    assert (red.key, red.units) == ("red", 2)
    assert reports.left_out(wallet, filters(), window=2) == NOON - timedelta(hours=3)
    assert reports.left_out(wallet, filters(), window=3) is None


def test_events_come_by_when_they_happened_however_they_are_asked_for(org: Organization) -> None:
    for number in range(12):
        use(org, (number * 37) % 100, app="chat" if number % 3 else "rare", metric="push" if number % 2 else "tokens",
            by=ADA if number % 4 else BOB)  # fmt: skip
    wallet = wallet_of(org)
    cases: list[tuple[dict[str, str], int]] = [
        ({}, 12), ({"app": "rare"}, 4), ({"metric": "push"}, 6), ({"member": str(BOB.user_id)}, 3),
        ({"app": "rare", "member": str(BOB.user_id)}, 1), ({"app": "rare", "metric": "push"}, 2), ({"app": "none"}, 0),
        ({"from": "2026-11-20"}, 3), ({"from": "2026-11-19T12:00:00Z", "to": "2026-11-20T00:00:00Z"}, 1),
    ]  # fmt: skip
    for values, many in cases:
        for limit in (1, 2, 50):
            for window in (lists.WINDOW, 3, 1):
                assert len(keys_of(wallet, filters(**values), limit, window)) == many, (values, limit, window)


def test_an_hour_is_a_part_of_its_day(org: Organization) -> None:
    for hours in (1, 2, 3):
        use(org, hours, app=str(hours))
    wallet = wallet_of(org)
    assert keys_of(wallet, filters().of_hour("2026-11-20T10"), 50) == ["2"]
    assert keys_of(wallet, filters(metric="tokens", app="2").of_hour("2026-11-20T10"), 50) == ["2"]
    for odd in ("2026-11-20", "2026-11-21T10", "x"):
        with pytest.raises(Invalid):
            filters().of_hour(odd)


def test_other_wallets_and_organizations_are_not_seen(org: Organization) -> None:
    other = make_org(owner=make_user(), funds=1_000)
    use(org, 1, app="ours")
    use(other, 1, app="theirs")
    wallet = wallet_of(org)
    assert keys_of(wallet, filters(), 50) == ["ours"]
    assert totals(wallet, "app") == {"ours": (1, 2)}
    assert totals(wallet, "tag:x") == {"": (1, 2)}
    assert len(db.session.scalars(select(UsageEvent)).all()) == 2


@each(
    "values",
    [
        {"from": "2024-01-01"}, {"from": "x"}, {"from": "2026-11-20", "to": "2026-11-19"}, {"member": "me"},
        {"key": "k"}, {"metric": "x" * 201},
    ],
)  # fmt: skip
def test_filters_that_cannot_be_used_are_refused(values: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        filters(**values)
