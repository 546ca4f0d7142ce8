"""The preview of a price: what the counted usage of 30 days makes at the old and at the new one."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard.core import clock
from dashboard.core.db import transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.organizations import organizations
from dashboard.domain.usage import metrics, recording
from dashboard.domain.usage.pricing import versions
from dashboard.domain.usage.pricing.preview import PricePreview, preview
from dashboard.domain.usage.pricing.terms import PriceTerms
from dashboard.domain.usage.recording import Usage
from dashboard.models import PLATFORM_ORG_ID, Organization
from tests.each import each
from tests.factories import make_metric, make_org

pytestmark = pytest.mark.usefixtures("app_context")

TODAY = datetime(2027, 3, 20, 12, tzinfo=UTC)
USED = ((60, 700), (25, 300), (10, 500), (0, 250), (0, 1))
"""Days ago, and units: 1,051 in the last 30 days, of which 751 in March, after 700 earlier."""


def use(org: Organization, used: Sequence[tuple[int, int]] = USED) -> None:
    for number, (days, units) in enumerate(used):
        with clock.at(TODAY - timedelta(days=days)):
            recording.record(
                org, [Usage("calls", units, f"{org.slug} {number}", b"")], mode="test", by=SYSTEM, api_key_id=None
            )  # fmt: skip


def seen(org: Organization, **terms: Any) -> PricePreview:
    now = metrics.price_at(metrics.prices_of(org, ["calls"])["calls"], TODAY)
    with clock.at(TODAY):
        return preview(org, "calls", now, PriceTerms(**terms), mode="test")


def platform() -> Organization:
    org = organizations.by_id(PLATFORM_ORG_ID)
    assert org
    return org


TIERS = [{"up_to": 1_000, "amount_micros": 10, "per_units": 1}, {"up_to": None, "amount_micros": 1, "per_units": 1}]


@each(
    ("terms", "cost"),
    [
        ({"amount_micros": 10}, 10_510),
        ({"amount_micros": 0}, 0),
        ({"amount_micros": 10, "free_units": 1_000}, 7_510),
        ({"amount_micros": 10, "free_units": 250, "period": "month"}, 500 + 5_010),
        ({"amount_micros": 10, "free_units": 250, "period": "day"}, 500 + 2_500 + 10),
        ({"kind": "graduated", "tiers": TIERS}, 3_000 + 751),
        ({"kind": "package", "amount_micros": 100, "per_units": 500, "period": "month"}, 100 + 200),
        ({"kind": "per_event", "amount_micros": 10, "min_micros": 2_000}, 3_000 + 5_000 + 2 * 2_000),
    ],
)  # fmt: skip
def test_the_preview_goes_on_from_what_was_used(terms: dict[str, Any], cost: int) -> None:
    if metrics.find(PLATFORM_ORG_ID, "calls") is None:
        with clock.at(TODAY - timedelta(days=90)):
            make_metric("calls", amount_micros=20)
        use(make_org(funds=1_000_000))
    found = seen(platform(), **terms)
    assert (found.after, found.before, found.charged) == (cost, 21_020, 21_020)
    assert (found.units, found.events, found.wallets) == (1_051, 4, 1)
    assert found.estimated == (terms.get("kind") == "per_event")


def test_the_preview_of_one_price_is_what_was_charged_at_it() -> None:
    """For each kind of price that keeps positions: the price in force, previewed, gives what was booked."""
    for number, terms in enumerate(
        ({"amount_micros": 7, "per_units": 3}, {"kind": "graduated", "tiers": TIERS, "period": "month"},
         {"kind": "package", "amount_micros": 9, "per_units": 400, "free_units": 20, "period": "day"})
    ):  # fmt: skip
        with clock.at(TODAY - timedelta(days=90)):
            if number == 0:
                make_metric("calls", amount_micros=0)
            org = make_org(funds=1_000_000)
            with transaction(org=org.id):
                metrics.set_price(org.id, metrics.require(PLATFORM_ORG_ID, "calls"), by=SYSTEM, **terms)
        use(org)
        found = seen(org, **terms)
        assert found.before == found.after == found.charged, terms


def test_the_platforms_preview_leaves_out_who_pays_another_price() -> None:
    with clock.at(TODAY - timedelta(days=90)):
        row = make_metric("calls", amount_micros=20)
    usual, special, apart = make_org(funds=1_000_000), make_org(funds=1_000_000), make_org(funds=1_000_000)
    with clock.at(TODAY - timedelta(days=90)):
        with transaction(org=special.id):
            metrics.set_price(special.id, row, amount_micros=1, by=SYSTEM)
        with transaction(org=apart.id):
            apart.funding = "own"
            own = metrics.create(apart.id, key="calls", name="Calls", unit="call", by=SYSTEM)
            metrics.set_price(apart.id, own, amount_micros=3, by=SYSTEM)
    for org in (usual, special, apart):
        use(org, [(1, 10)])
    found = seen(platform(), amount_micros=30)
    assert (found.wallets, found.before, found.after) == (1, 200, 300)
    with clock.at(TODAY):
        [one] = versions.overview(platform(), "test")
        assert (one.used.units, one.used.cost, one.used.events) == (20, 210, 2)
        assert [org.id for org, _ in versions.own_prices("calls")] == [special.id]
        assert versions.view(special, row, "test").own
    assert seen(apart, amount_micros=30).after == 300
    assert seen(special, amount_micros=30).before == 10


def test_versions_are_past_in_force_or_scheduled() -> None:
    with clock.at(TODAY - timedelta(days=9)):
        row = make_metric("calls", amount_micros=1)
    with clock.at(TODAY - timedelta(days=9)), transaction(org=PLATFORM_ORG_ID):
        for days in (-5, -1, 3, 6):
            since = TODAY + timedelta(days=days)
            metrics.set_price(PLATFORM_ORG_ID, row, amount_micros=10 + days, effective_from=since, by=SYSTEM)
    with clock.at(TODAY):
        assert [one.state for one in versions.of_metric(platform(), "calls")] == [
            "scheduled", "scheduled", "in_force", "past", "past",
        ]  # fmt: skip
        view = versions.view(platform(), row, "test")
    assert view.price
    assert view.following
    assert (view.price.amount_micros, view.following.amount_micros) == (9, 13)
