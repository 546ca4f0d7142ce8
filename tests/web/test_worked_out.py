"""A charge for usage shows its event, the price version, each step and the credit grants that paid, on the page and in
the API."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import ledger
from dashboard.domain.funds.credit_grants import settlement, used
from dashboard.domain.funds.ledger import NewGrant
from dashboard.domain.organizations import organizations
from dashboard.domain.usage import recording
from dashboard.domain.usage.charging import voids
from dashboard.domain.usage.recording import Recorded, Usage
from dashboard.models import Organization, Transaction, UsageEvent
from tests.factories import charge, make_key, make_metric, make_org, wallet_of
from tests.servers import Servers
from tests.web.people import Team, ready_team

TIERS = [
    {"up_to": 100, "amount_micros": 20_000, "per_units": 1}, {"up_to": None, "amount_micros": 1_500, "per_units": 10},
]  # fmt: skip


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers, funds=10_000_000)


def org_of(team: Team) -> Organization:
    org = organizations.by_id(team.org_id)
    assert org
    return org


def test_a_charge_shows_its_steps_and_what_paid_for_it(app: Flask, team: Team) -> None:
    with app.app_context():
        make_metric("clips", kind="graduated", tiers=TIERS, free_units=5, period="month")
        made, _ = recording.record(
            org_of(team), [Usage("clips", 60, "a", b""), Usage("clips", 100, "b", b"")], mode="test", by=SYSTEM,
            api_key_id=None,
        )  # fmt: skip
        events = [one.event for one in made if isinstance(one, Recorded)]
        event_id, row_id = events[1].id, events[1].transaction_id
        key = make_key(org_of(team), "wallet:read")
    page = " ".join(team.viewer.get(f"/o/{team.slug}/transactions/{row_id}").text.split())
    for words in (
        f"/usage/{event_id}", "$0.02 per clip up to 100", "60 clips before in that month, 160 after", ">61 to 105<",
        "$0.900000", ">106 to 160<", "$0.008250", "$0.908250", "Paid from", "$10.00 goodwill credit",
    ):  # fmt: skip
        assert words in page, words
    answer = app.test_client().get(
        f"/api/v1/orgs/{team.org_id}/transactions/{row_id}", headers={"Authorization": f"Bearer {key}"}
    )
    found: dict[str, Any] = answer.get_json()["explanation"]
    assert found["usage"]["steps"] == [
        {"from": 60, "to": 105, "units": 45, "price_micros": 20_000, "per_units": 1, "micros": 900_000},
        {"from": 105, "to": 160, "units": 55, "price_micros": 1_500, "per_units": 10, "micros": 8_250},
    ]
    assert (found["usage"]["usage_event_id"], found["usage"]["units_before"]) == (str(event_id), 60)
    assert [one["amount_micros"] for one in found["grants_used"]] == [908_250]
    with app.app_context():
        voids.void(org_of(team), event_id, mode="test", reason="Counted twice", by=SYSTEM)
        event = db.session.get(UsageEvent, (team.org_id, event_id))
        assert event
        given_back = event.void_transaction_id
    assert f"/transactions/{given_back}" in team.viewer.get(f"/o/{team.slug}/transactions/{row_id}").text
    back = team.viewer.get(f"/o/{team.slug}/transactions/{given_back}").text
    assert "What the voided usage had cost" in back
    assert f"/transactions/{row_id}" in back
    with app.app_context():
        plain = charge(wallet_of(org_of(team)), 100)
    page = team.owner.get(f"/o/{team.slug}/transactions/{plain.id}").text
    assert "How the amount comes about" not in page
    assert "Paid from" in page


def used_of(org: Organization) -> list[list[tuple[int, int | None]]]:
    """For each debit, the size of each grant that paid, and how much."""
    rows = db.session.scalars(select(Transaction).filter_by(org_id=org.id, type="charge").order_by(Transaction.seq))
    return [[(one.grant.amount, one.amount) for one in used.used_by(row)] for row in rows]


def test_the_grants_that_paid_are_the_same_before_and_after_they_are_settled(app_context: Flask) -> None:
    org = make_org()
    wallet = wallet_of(org)
    for number, (kind, micros) in enumerate((("paid", 100), ("promotional", 50), ("promotional", 70))):
        expires = clock.now() + timedelta(days=30 + number) if number else None
        ledger.post(
            wallet, type="admin_grant", amount=micros, origin="test", key=f"g{number}", by=SYSTEM,
            slices=[NewGrant(kind, "goodwill" if number else "contract", micros, expires_at=expires)],
        )  # fmt: skip
    for micros in (30, 40, 60, 90):
        charge(wallet, micros)
    expected = [[(50, 30)], [(50, 20), (70, 20)], [(70, None), (100, None)], [(100, 90)]]
    before = used_of(org)
    with transaction(org=org.id):
        db.session.refresh(wallet, with_for_update=True)
        settlement.settle(org.id, wallet.id)
    db.session.expire_all()
    assert before == used_of(org)
    assert [[one[0] for one in row] for row in before] == [[one[0] for one in row] for row in expected]
    for row, wanted, cost in zip(before, expected, (30, 40, 60, 90), strict=True):
        for (_, amount), (_, right) in zip(row, wanted, strict=True):
            assert amount in (None, right) or right is None, (row, cost)
        known = [amount for _, amount in row]
        assert None in known or sum(filter(None, known)) == cost


def test_a_debt_is_paid_by_no_grant(app_context: Flask) -> None:
    org = make_org(funds=10)
    wallet = wallet_of(org)
    with transaction(org=org.id):
        wallet.overdraft_limit = 100
    charge(wallet, 4)
    charge(wallet, 16)
    charge(wallet, 5)
    assert used_of(org) == [[(10, 4)], [(10, 6)], []]
