"""A void gives back what the event's units cost at the position of now, once; what is charged stays the price of the
units that count."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import count
from uuid import UUID, uuid4

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.core.errors import CofferError
from dashboard.core.money import Micros
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import ledger, wallets
from dashboard.domain.funds.ledger import NewGrant
from dashboard.domain.funds.spend_limits import changes
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.domain.usage import metrics, recording
from dashboard.domain.usage.charging import voids
from dashboard.domain.usage.pricing.formula import Formula
from dashboard.domain.usage.recording import Recorded
from dashboard.models import (
    PLATFORM_ORG_ID,
    AuditEntry,
    CreditGrant,
    Metric,
    Organization,
    Transaction,
    UsageCounter,
    UsageEvent,
    UsagePosition,
)
from tests.concurrency import at_once
from tests.domain.usage.books import record, require_sums, usage
from tests.factories import make_metric, make_org, wallet_of

pytestmark = pytest.mark.usefixtures("app_context")

_numbers = count(1)
START = datetime(2030, 6, 15, 12, tzinfo=UTC)


def event(org: Organization, key: str) -> UsageEvent:
    return db.session.scalars(select(UsageEvent).filter_by(org_id=org.id, key=key)).one()


def void(org: Organization, key: str, reason: str = "Sent twice") -> int:
    """What the void of this event gives back."""
    result = voids.void(org, event(org, key).id, mode="test", reason=reason, by=SYSTEM)
    db.session.expire_all()
    credited = event(org, key).credited
    assert credited is not None
    assert result.wallet.balance == wallet_of(org).balance
    return credited


def test_a_void_gives_back_once_and_is_explained() -> None:
    make_metric(amount_micros=600)
    org = make_org(funds=1_000_000)
    record(org, usage(5, "a", app="mailer"), usage(2, "b"))
    assert void(org, "a") == 3_000
    assert void(org, "a", "Another reason") == 3_000
    assert wallet_of(org).balance == 1_000_000 - 1_200
    row = db.session.get_one(Transaction, (org.id, event(org, "a").void_transaction_id))
    assert (row.type, row.amount, row.reason, row.app) == ("reversal", 3_000, "Sent twice", "mailer")
    assert event(org, "a").void_reason == "Sent twice"
    entries = db.session.scalars(select(AuditEntry).filter_by(org_id=org.id, action="usage.voided")).all()
    assert [(entry.reason, entry.after) for entry in entries] == [
        ("Sent twice", {"amount": 3_000, "balance": wallet_of(org).balance})
    ]
    app = db.session.scalars(select(UsageCounter).filter_by(org_id=org.id, dimension="app")).one()
    assert (app.units, app.cost, app.events) == (0, 0, 0)
    assert record(org, usage(5, "a", app="mailer")) == [("again", 3_000)]
    require_sums(org)


def test_a_free_event_can_give_back_what_later_ones_cost() -> None:
    """250 are free: with the first 250 voided, the 251st is free."""
    make_metric(amount_micros=20_000, free_units=250)
    org = make_org(funds=1_000_000)
    assert record(org, usage(250, "free"), usage(1, "paid")) == [0, 20_000]
    assert void(org, "free") == 20_000
    assert void(org, "paid") == 0
    assert event(org, "paid").void_transaction_id is None
    assert wallet_of(org).balance == 1_000_000
    require_sums(org)


def test_an_event_that_cost_nothing_is_voided_without_a_transaction() -> None:
    make_metric(amount_micros=0)
    org = make_org(funds=1_000)
    record(org, usage(7, "a"))
    rows = db.session.query(Transaction).filter_by(org_id=org.id).count()
    assert void(org, "a") == 0
    assert db.session.query(Transaction).filter_by(org_id=org.id).count() == rows
    require_sums(org)


def test_a_version_in_mid_period_is_voided_at_its_own_price() -> None:
    with clock.at(START):
        row = make_metric(amount_micros=100, period="month")
        org = make_org(funds=1_000_000)
        record(org, usage(10, "old"))
    with clock.at(START + timedelta(minutes=1)), transaction(org=PLATFORM_ORG_ID):
        metrics.set_price(PLATFORM_ORG_ID, row, amount_micros=7, period="month", by=SYSTEM)
    with clock.at(START + timedelta(minutes=2)):
        assert record(org, usage(10, "new")) == [70]
        assert (void(org, "old"), void(org, "new")) == (1_000, 70)
        assert wallet_of(org).balance == 1_000_000
        assert record(org, usage(3, "again")) == [21]
        require_sums(org)


def test_given_back_credit_is_like_that_which_paid() -> None:
    make_metric(amount_micros=1)
    with clock.at(START):
        org = make_org()
        wallet, soon, late = wallet_of(org), START + timedelta(days=3), START + timedelta(days=300)
        for key, part in {
            "gift": NewGrant("promotional", "goodwill", 100, 5, soon),
            "bought": NewGrant("paid", "purchase", 900, 1, late),
        }.items():
            ledger.post(
                wallet, type="deposit", amount=part.amount, origin="test", key=key, by=SYSTEM, slices=[part]
            )  # fmt: skip
        record(org, usage(60, "first"), usage(70, "both"), usage(80, "last"))
        assert [void(org, key) for key in ("first", "both", "last")] == [60, 70, 80]
        query = select(CreditGrant).filter_by(org_id=org.id, category="void").order_by(CreditGrant.id)
        month = START + timedelta(days=30)
        assert [(row.kind, row.amount, row.priority, row.expires_at) for row in db.session.scalars(query)] == [
            ("promotional", 60, 5, month), ("paid", 70, 1, late), ("paid", 80, 1, late),
        ]  # fmt: skip
        require_sums(org)


def test_a_debt_is_given_back_too() -> None:
    make_metric(amount_micros=10)
    org = make_org(funds=100)
    with transaction(org=org.id):
        wallets.set_overdraft(wallet_of(org), limit_micros=1_000, reason="Test", by=SYSTEM)
    record(org, usage(50, "a"))
    assert wallet_of(org).balance == -400
    assert void(org, "a") == 500
    assert wallet_of(org).balance == 100
    require_sums(org)


def test_a_void_needs_a_reason_and_an_event_of_the_organization_and_mode() -> None:
    make_metric(amount_micros=10)
    org, other = make_org(funds=100), make_org(funds=100)
    record(org, usage(1, "a"))
    for where, what, mode, reason, wrong in (
        (org, event(org, "a").id, "test", " ", "invalid"), (org, event(org, "a").id, "test", "x" * 501, "invalid"),
        (other, event(org, "a").id, "test", "x", "not_found"), (org, uuid4(), "test", "x", "not_found"),
        (org, event(org, "a").id, "live", "x", "not_found"),
    ):  # fmt: skip
        with pytest.raises(CofferError) as refusal:
            voids.void(where, what, mode=mode, reason=reason, by=SYSTEM)
        assert refusal.value.code == wrong
    require_sums(org)


def test_a_void_frees_the_limits_in_the_window_of_its_charge() -> None:
    make_metric(amount_micros=100)
    org = make_org(funds=1_000_000)
    with transaction(org=org.id):
        changes.create(org.id, scope="org", subject="", cap=Cap(Micros(1_000), "month"), mode="test", by=SYSTEM)
    db.session.refresh(org)
    assert record(org, usage(6, "a"), usage(4, "b"), usage(1, "c")) == [600, 400, "limit_reached"]
    void(org, "b")
    assert record(org, usage(5, "d"), usage(4, "e"), usage(1, "f")) == ["limit_reached"] * 3
    assert record(org, usage(4, "g"), usage(1, "h")) == [400, "limit_reached"]
    require_sums(org)


def test_twelve_voids_at_once_are_one(app: Flask) -> None:
    make_metric(amount_micros=300)
    org = make_org(funds=1_000)
    record(org, usage(1, "a"), usage(1, "b"))
    event_id: UUID = event(org, "a").id

    def one(_: int) -> str:
        return str(voids.void(org, event_id, mode="test", reason="Race", by=SYSTEM).replayed)

    assert at_once(app, 12, one) == {"False": 1, "True": 11}
    db.session.expire_all()
    assert wallet_of(org).balance == 700
    require_sums(org)


def exact(formula: Formula, units: int) -> Fraction:
    return sum((step.micros for step in formula.steps(units)), Fraction())


PRICES = st.one_of(
    st.builds(
        lambda amount, per, free: {"amount_micros": amount, "per_units": per, "free_units": free},
        st.integers(0, 10**6), st.integers(1, 10**4), st.integers(0, 300),
    ),
    st.builds(
        lambda amount, per: {"kind": "package", "amount_micros": amount, "per_units": per},
        st.integers(0, 10**5), st.integers(1, 500),
    ),
    st.builds(
        lambda end, first, rest, per: {"kind": "graduated", "tiers": [
            {"up_to": end, "amount_micros": first, "per_units": 1},
            {"up_to": None, "amount_micros": rest, "per_units": per},
        ]},
        st.integers(1, 500), st.integers(0, 10**4), st.integers(0, 10**4), st.integers(1, 10**3),
    ),
)  # fmt: skip
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("use"), st.integers(1, 400)),
        st.tuples(st.just("late"), st.integers(1, 400)),
        st.tuples(st.just("void"), st.integers(0, 20)),
        st.tuples(st.just("price"), PRICES),
    ),
    min_size=2,
    max_size=14,
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(PRICES, STEPS)
def test_any_split_of_events_voids_and_versions_costs_the_price_of_what_counts(
    price: dict[str, object], steps: list[tuple[str, object]]
) -> None:
    """Each version prices its own units from the position at which it began; nothing is lost to rounding."""
    with clock.at(START):
        metric = make_metric(f"m{next(_numbers)}", period="month", **price)
        org = make_org(funds=10**13)
    keys: list[str] = []
    for number, (what, value) in enumerate(steps, 1):
        with clock.at(START + timedelta(minutes=number)):
            _step(org, metric, what, value, keys, late=number > 1)
    require_sums(org)
    formulas = {row.id: Formula.of(row) for row in metrics.prices_of(org, [metric.key])[metric.key]}
    positions = db.session.scalars(select(UsagePosition).filter_by(org_id=org.id)).all()
    for one in positions:
        formula, end = formulas[one.price_id], one.start + one.units
        assert one.cost == formula.between(one.start, end)
        assert abs(one.cost - (exact(formula, end) - exact(formula, one.start))) <= 1
    assert wallet_of(org).balance == 10**13 - sum(one.cost for one in positions)


def _step(
    org: Organization, metric: Metric, what: str, value: object, keys: list[str], *, late: bool
) -> None:  # fmt: skip
    if what == "price":
        with transaction(org=PLATFORM_ORG_ID):
            metrics.set_price(PLATFORM_ORG_ID, metric, period="month", by=SYSTEM, **value)  # type: ignore[arg-type]
    elif what == "void" and keys:
        void(org, keys[int(str(value)) % len(keys)])
    elif what in ("use", "late"):
        at = START + timedelta(seconds=1) if what == "late" and late else None
        keys.append(f"k{len(keys)}")
        one = usage(int(str(value)), keys[-1], metric.key, at=at)
        (result,), _ = recording.record(org, [one], mode="test", by=SYSTEM, api_key_id=None)
        assert isinstance(result, Recorded)
