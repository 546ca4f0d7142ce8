"""Usage that is recorded first and charged later: once, in order, at the price of its time; parked usage at its first
price. Until then its cost is unknown, which is not zero."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.core.errors import CofferError
from dashboard.core.money import Micros
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds.spend_limits import changes
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.domain.platform import overview
from dashboard.domain.usage import metrics
from dashboard.domain.usage.charging import voids, waiting
from dashboard.domain.usage.recording import Recorded, Usage
from dashboard.jobs import usage as jobs
from dashboard.models import PLATFORM_ORG_ID, Organization, UsageCounter, UsageEvent
from tests.concurrency import at_once
from tests.domain.usage.books import record, require_sums, usage
from tests.factories import grant, make_metric, make_org, wallet_of

pytestmark = pytest.mark.usefixtures("app_context")

START = datetime(2030, 6, 15, 12, tzinfo=UTC)


def later(units: int, key: str, *, at: datetime | None = None) -> Usage:
    return Usage("tokens", units, key, f"later {units}".encode(), occurred_at=at, charge=False)


def ids_of(org: Organization, *keys: str) -> list[UUID]:
    rows = {row.key: row.id for row in db.session.scalars(select(UsageEvent).filter_by(org_id=org.id))}
    return [rows[key] for key in keys]


def charge(org: Organization, event_ids: list[UUID]) -> list[object]:
    results, balance = waiting.charge(org, event_ids, mode="test", by=SYSTEM)
    db.session.expire_all()
    assert balance == wallet_of(org).balance
    return [
        one.code if isinstance(one, CofferError) else ("again" if one.duplicate else "now", one.event.cost)
        for one in results
    ]


def counted(org: Organization) -> tuple[int, int]:
    row = db.session.scalars(select(UsageCounter).filter_by(org_id=org.id, dimension="all")).one()
    return row.units, row.cost


def test_units_count_at_once_and_the_cost_when_it_is_charged() -> None:
    make_metric(amount_micros=100)
    org = make_org(funds=1_000)
    assert record(org, later(3, "a"), later(4, "b"), usage(2, "c")) == [None, None, 200]
    assert counted(org) == (9, 200)
    require_sums(org)
    first, second = ids_of(org, "a", "b")
    assert charge(org, [second, first, second]) == [("now", 400), ("now", 300), "repeated_event"]
    assert charge(org, [first, second, uuid4()]) == [("again", 300), ("again", 400), "not_found"]
    assert (counted(org), wallet_of(org).balance) == ((9, 900), 100)
    assert record(org, later(3, "a")) == [("again", 300)]
    require_sums(org)


def test_what_does_not_fit_stays_recorded_and_can_be_charged_again() -> None:
    make_metric(amount_micros=100)
    org = make_org(funds=500)
    record(org, later(4, "a"), later(2, "b"), later(1, "c"))
    events = ids_of(org, "a", "b", "c")
    assert charge(org, events) == [("now", 400), "insufficient_funds", "insufficient_funds"]
    require_sums(org)
    grant(wallet_of(org), 1_000)
    assert charge(org, events) == [("again", 400), ("now", 200), ("now", 100)]
    require_sums(org)


def test_it_costs_the_price_of_its_time_and_counts_towards_the_limits() -> None:
    with clock.at(START):
        row = make_metric(amount_micros=100)
        org = make_org(funds=10_000)
        record(org, later(1, "a"), later(9, "b"))
        with transaction(org=org.id):
            changes.create(org.id, scope="org", subject="", cap=Cap(Micros(500), "month"), mode="test", by=SYSTEM)
        db.session.refresh(org)
    with clock.at(START + timedelta(minutes=1)), transaction(org=PLATFORM_ORG_ID):
        metrics.set_price(PLATFORM_ORG_ID, row, amount_micros=7, by=SYSTEM)
    with clock.at(START + timedelta(minutes=2)):
        assert charge(org, ids_of(org, "a", "b")) == [("now", 100), "limit_reached"]
        require_sums(org)


def test_a_voided_event_is_not_charged_and_an_uncharged_one_is_voided_without_credit() -> None:
    make_metric(amount_micros=100)
    org = make_org(funds=1_000)
    record(org, later(3, "a"))
    (event_id,) = ids_of(org, "a")
    assert voids.void(org, event_id, mode="test", reason="Sent twice", by=SYSTEM).event.credited == 0
    assert charge(org, [event_id]) == ["event_voided"]
    assert (counted(org), wallet_of(org).balance) == ((0, 0), 1_000)
    require_sums(org)


def test_another_organization_s_and_another_user_s_events_are_not_found() -> None:
    make_metric(amount_micros=100)
    org, other = make_org(funds=1_000), make_org(funds=1_000)
    record(org, later(3, "a"))
    assert charge(other, ids_of(org, "a")) == ["not_found"]
    (only,), _ = waiting.charge(org, ids_of(org, "a"), mode="test", by=SYSTEM, only_of=uuid4())
    assert isinstance(only, CofferError)
    assert only.code == "not_found"
    assert wallet_of(org).balance == 1_000


def test_twelve_calls_at_once_charge_once(app: Flask) -> None:
    make_metric(amount_micros=100)
    org = make_org(funds=1_000)
    record(org, later(3, "a"))
    events = ids_of(org, "a")

    def one(_: int) -> str:
        ((result,), _balance) = waiting.charge(org, events, mode="test", by=SYSTEM)
        assert isinstance(result, Recorded)
        return str(result.duplicate)

    assert at_once(app, 12, one) == {"False": 1, "True": 11}
    db.session.expire_all()
    assert wallet_of(org).balance == 700
    require_sums(org)


def test_parked_usage_is_charged_at_the_first_price() -> None:
    with clock.at(START):
        row = make_metric(when_unpriced="park")
        org, empty = make_org(funds=1_000), make_org()
        assert record(org, usage(3, "a"), usage(2, "b")) == [None, None]
        assert record(empty, usage(1, "c")) == [None]
        assert {item.kind: item.count for item in overview.work_list("test")}["usage_parked"] == 3
        assert list(waiting.due()) == []
        assert charge(org, ids_of(org, "a")) == ["metric_unpriced"]
    with clock.at(START + timedelta(days=1)):
        with transaction(org=PLATFORM_ORG_ID):
            metrics.set_price(PLATFORM_ORG_ID, row, amount_micros=100, by=SYSTEM)
        assert set(waiting.due()) == {org.id, empty.id}
        for org_id in (org.id, empty.id, org.id):
            jobs.charge_parked(str(org_id))
        db.session.expire_all()
        assert (wallet_of(org).balance, wallet_of(empty).balance) == (500, 0)
        assert list(waiting.due()) == [empty.id]
        require_sums(org)
        grant(wallet_of(empty), 100)
        jobs.charge_parked(str(empty.id))
        assert list(waiting.due()) == []
        require_sums(empty)
