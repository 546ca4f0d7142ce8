"""Usage is recorded and charged once, in order, at the price in force; what does not fit counts for nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select

from dashboard.core import clock, ids
from dashboard.core.db import db, transaction
from dashboard.core.errors import Invalid
from dashboard.domain.access import key_lookup
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds.spend_limits import LimitId, changes
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.domain.usage import metrics, recording, reports
from dashboard.domain.usage.pricing.formula import Formula
from dashboard.domain.usage.pricing.terms import PriceTerms
from dashboard.models import OTHER_APPS, PLATFORM_ORG_ID, ApiKey, UsageCounter, UsageEvent
from tests.concurrency import at_once, head_on
from tests.domain.usage.books import record, require_sums, usage, words
from tests.each import each
from tests.factories import make_key, make_metric, make_org, make_service_key, wallet_of

pytestmark = pytest.mark.usefixtures("app_context")


def test_an_event_is_charged_once_per_key() -> None:
    make_metric(amount_micros=600)
    org = make_org(funds=1_000_000)
    assert record(org, usage(1, "a")) == [600]
    assert record(org, usage(1, "a"), usage(2, "b")) == [("again", 600), 1_200]
    assert record(org, usage(2, "a")) == ["idempotency_key_reused"]
    assert wallet_of(org).balance == 1_000_000 - 1_800
    require_sums(org)


def test_fractions_of_a_micro_are_never_lost() -> None:
    """$0.15 per million tokens: one token costs 0.15 micros."""
    make_metric(amount_micros=150_000, per_units=1_000_000)
    org = make_org(funds=1_000_000)
    costs = [record(org, usage(1, f"k{number}"))[0] for number in range(20)]
    assert sum(costs) == 3
    assert set(costs) == {0, 1}
    require_sums(org)


def test_a_batch_is_charged_in_order_until_the_first_that_does_not_fit() -> None:
    make_metric(amount_micros=100)
    make_metric("free", amount_micros=0)
    org = make_org(funds=1_000)
    results = record(
        org, usage(4, "a"), usage(5, "b"), usage(2, "c"), usage(1, "d"), usage(1, "e", "free"), usage(1, "f", "none")
    )
    assert results == [400, 500, *["insufficient_funds"] * 3, "unknown_metric"]
    assert wallet_of(org).balance == 100
    require_sums(org)
    assert record(org, usage(1, "d"), usage(9, "e", "free")) == [100, 0]
    require_sums(org)


def test_one_bad_event_leaves_the_others_standing() -> None:
    make_metric(amount_micros=1)
    org = make_org(funds=1_000)
    now = clock.now()
    results = record(
        org, usage(1, "a"), usage(1, "b", at=now + timedelta(hours=1)), usage(1, "c", at=now - timedelta(days=36)),
        usage(1, "d"), usage(1, "d"), usage(2, "d"), usage(10**15 * 2, "huge"),
    )  # fmt: skip
    assert results == [
        1, "outside_window", "outside_window", 1, "repeated_event", "idempotency_key_reused", "insufficient_funds",
    ]  # fmt: skip
    require_sums(org)


def test_a_metric_without_a_price_is_refused_and_never_free() -> None:
    row = make_metric()
    org = make_org(funds=1_000)
    assert record(org, usage(1, "a")) == ["metric_unpriced"]
    with transaction(org=PLATFORM_ORG_ID):
        metrics.set_price(PLATFORM_ORG_ID, row, amount_micros=7, by=SYSTEM)
    assert record(org, usage(1, "a")) == [7]
    require_sums(org)


def test_an_event_costs_the_price_of_its_time_and_positions_go_on() -> None:
    """500 units at $0.02 with 250 free, then a new version in mid-period: it starts at the position reached."""
    begin = datetime(2030, 6, 15, 12, tzinfo=UTC)
    with clock.at(begin - timedelta(days=3)):
        row = make_metric(amount_micros=20_000, free_units=250, period="month")
        org = make_org(funds=100_000_000)
    with clock.at(begin):
        assert record(org, usage(250, "a", at=begin - timedelta(days=2)), usage(1, "b")) == [0, 20_000]
    with clock.at(begin + timedelta(minutes=1)), transaction(org=PLATFORM_ORG_ID):
        metrics.set_price(PLATFORM_ORG_ID, row, amount_micros=30_000, free_units=250, period="month", by=SYSTEM)
    with clock.at(begin + timedelta(minutes=2)):
        assert record(org, usage(1, "c"), usage(1, "late", at=begin)) == [30_000, 20_000]
        require_sums(org)


def test_an_organizations_own_price_takes_the_place_of_the_platforms() -> None:
    row = make_metric(amount_micros=100)
    special, usual = make_org(funds=10_000), make_org(funds=10_000)
    with transaction(org=special.id):
        metrics.set_price(special.id, row, amount_micros=40, by=SYSTEM)
    assert record(special, usage(2, "a")) == [80]
    assert record(usual, usage(2, "a")) == [200]
    require_sums(special)


@each(("batches", "costs"), [
    ([250], [0]), ([251], [20_000]), ([1_000], [15_000_000]), ([250, 1], [0, 20_000]),
])  # fmt: skip
def test_the_unit_on_the_step_costs_what_its_step_says(batches: list[int], costs: list[int]) -> None:
    key = "-".join(["calls", *map(str, batches)])
    make_metric(key, amount_micros=20_000, free_units=250, period="month")
    org = make_org(funds=20_000_000)
    assert [record(org, usage(units, f"e{number}", key)) for number, units in enumerate(batches)] == [
        [cost] for cost in costs
    ]
    require_sums(org)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_a_minimum_and_a_maximum_are_of_each_event(order: list[int]) -> None:
    """2 % of an amount in cents, at least $0.20 and at most $5.00: the estimate is what is booked, in any order."""
    make_metric("fees", kind="per_event", amount_micros=20_000, per_units=100, min_micros=200_000, max_micros=5_000_000)
    cents = {100: 200_000, 10_000: 2_000_000, 100_000: 5_000_000}
    org = make_org(funds=7_200_000)
    events = [list(cents)[number] for number in order]
    formula = Formula.of(metrics.price_at(metrics.prices_of(org, ["fees"])["fees"], clock.now()))
    assert [formula.cost(units) for units in events] == [cents[units] for units in events]
    assert record(org, *[usage(units, f"e{units}", "fees") for units in events]) == [cents[units] for units in events]
    assert wallet_of(org).balance == 0
    require_sums(org)
    explained = [reports.explain(one) for one in db.session.scalars(select(UsageEvent).filter_by(org_id=org.id))]
    assert sorted(one.cost_after - one.cost_before for one in explained) == sorted(cents.values())


@each(
    ("terms", "field"),
    [
        ({"kind": "volume"}, "kind"), ({"kind": "minimum"}, "kind"), ({"min_micros": 1}, "min_micros"),
        ({"kind": "per_event", "min_micros": -1}, "min_micros"),
        ({"kind": "per_event", "max_micros": -1}, "max_micros"),
        ({"kind": "per_event", "min_micros": 2, "max_micros": 1}, "max_micros"),
        ({"kind": "per_event", "free_units": 1}, "free_units"), ({"kind": "per_event", "period": "day"}, "period"),
        ({"amount_micros": -1}, "amount_micros"), ({"per_units": 0}, "per_units"), ({"kind": "graduated"}, "tiers"),
    ],
)  # fmt: skip
def test_terms_that_cannot_be_charged_are_refused(terms: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        PriceTerms(**terms).check()
    assert refused.value.field == field
    assert field != "kind" or "must never fall" in refused.value.detail


@pytest.mark.parametrize("batches", [[3, 1], [1, 1, 1, 1]])
def test_a_limit_stops_at_the_micro(batches: list[int]) -> None:
    """Limit 10.00: 9.999999 are spent, then one micro fits and the next does not, in one call or in several."""
    make_metric(amount_micros=1)
    org = make_org(funds=100_000_000)
    with transaction(org=org.id):
        row = changes.begin(org.id, org.id, Cap(10_000_000, "month"), mode="test")  # type: ignore[arg-type]
        key = LimitId(org.id, row.id)
    usages = [usage(9_999_999, "a"), usage(1, "b"), usage(1, "c"), usage(1, "d")]
    results: list[Any] = []
    for size in batches:
        results += record(org, *usages[len(results) : len(results) + size], key=key)
    assert results == [9_999_999, 1, "key_cap_exceeded", "key_cap_exceeded"]
    require_sums(org)


def test_the_statements_of_a_batch_do_not_grow_with_its_metrics() -> None:
    keys = [f"m{number}" for number in range(12)]
    for key in keys:
        make_metric(key, amount_micros=1)
    org = make_org(funds=1_000)
    seen: list[str] = []
    note = lambda *call: seen.append(call[2])  # noqa: E731
    event.listen(db.engine, "before_cursor_execute", note)
    try:
        counts = []
        for batch in (keys[:2], keys, keys):
            seen.clear()
            recording.record(
                org, [usage(1, str(ids.new()), key) for key in batch], mode="test", by=SYSTEM, api_key_id=None
            )
            counts.append(len(seen))
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    assert len(set(counts)) == 1, counts
    require_sums(org)


def test_names_are_of_the_organizations_own_keys_and_of_service_keys() -> None:
    org, other = make_org(), make_org("Other")
    for text in (make_key(org, "usage:write"), make_key(other, "usage:write"), make_service_key("usage:write")):
        found = key_lookup.find(text)
        assert isinstance(found, ApiKey)
        named = reports.names_of(org.id, [UsageEvent(api_key_id=found.id)])
        assert named == ({} if found.org_id == other.id else {found.id: found.name})
        labels = reports.labels(org.id, reports.KEY, [str(found.id), ""])
        assert labels == {str(key_id): name for key_id, name in named.items()}


def test_metrics_and_prices_that_collide_are_refused(app: Flask) -> None:
    """Also if two are set at the same moment: neither sees the other."""
    tomorrow = clock.now() + timedelta(days=1)

    def metric() -> str:
        return make_metric("push").key

    def price() -> str:
        with transaction(org=PLATFORM_ORG_ID):
            found = metrics.require(PLATFORM_ORG_ID, "push")
            return metrics.set_price(PLATFORM_ORG_ID, found, effective_from=tomorrow, by=SYSTEM).kind

    assert sorted(head_on(app, metric, metric)) == ["metric_exists", "push"]
    assert sorted(head_on(app, price, price)) == ["flat", "price_exists"]


def test_twenty_at_once_on_the_last_credit(app: Flask) -> None:
    make_metric(amount_micros=300_000)
    org = make_org(funds=1_000_000)

    def one(number: int) -> str:
        results, _ = recording.record(org, [usage(1, f"k{number}")], mode="test", by=SYSTEM, api_key_id=None)
        return str(words(results[0]))

    assert at_once(app, 20, one) == {"300000": 3, "insufficient_funds": 17}
    db.session.expire_all()
    assert wallet_of(org).balance == 100_000
    require_sums(org)


def test_one_key_at_once_is_one_event(app: Flask) -> None:
    make_metric(amount_micros=1)
    org = make_org(funds=1_000)

    def one(_: int) -> str:
        results, _balance = recording.record(
            org, [usage(1, "same"), usage(2, "other")], mode="test", by=SYSTEM, api_key_id=None
        )
        return str([words(one) for one in results])

    assert at_once(app, 12, one) == {"[1, 2]": 1, "[('again', 1), ('again', 2)]": 11}
    require_sums(org)


def test_apps_of_a_day_are_bounded() -> None:
    make_metric(amount_micros=1)
    org = make_org(funds=1_000_000)
    apps = [usage(1, f"k{number}", app=f"app-{number}") for number in range(130)]
    record(org, *apps[:70])
    record(org, *apps[70:], usage(1, "again", app="app-3"))
    rows: Sequence[UsageCounter] = db.session.scalars(
        select(UsageCounter).filter_by(org_id=org.id, dimension="app")
    ).all()
    assert len(rows) == 101
    assert {row.value: row.units for row in rows}[OTHER_APPS] == 30
    assert {row.value: row.units for row in rows}["app-3"] == 2
    require_sums(org)
