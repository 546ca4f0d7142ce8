"""The platform's first page: what needs a person, what moved today, what is owed."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import event, text, update

from dashboard.config import settings
from dashboard.core import clock, ids
from dashboard.core.db import db, transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import ledger
from dashboard.domain.funds.ledger import NewGrant
from dashboard.domain.platform import figures, overview
from dashboard.models import (
    PLATFORM_ORG_ID,
    InboxEvent,
    Lease,
    Organization,
    Payment,
    ProviderAccount,
    ProviderPrice,
)
from tests.factories import charge, grant, make_org, make_pack, make_user, wallet_of

pytestmark = pytest.mark.usefixtures("app_context")


def tick(seconds: int) -> None:
    with transaction() as session:
        session.execute(
            text("INSERT INTO leases VALUES ('tick', 'w', 1, now() + make_interval(secs => :s))"), {"s": seconds}
        )


def inbox(state: str, minutes_ago: int = 0) -> None:
    with transaction(org=PLATFORM_ORG_ID) as session:
        session.add(
            InboxEvent(
                org_id=PLATFORM_ORG_ID, provider="dummy", mode="test", type="x", payload=b"", event_id=str(ids.new()),
                state=state, created_at=clock.now() - timedelta(minutes=minutes_ago),
            )
        )  # fmt: skip


def payment(org_id: UUID, state: str, minutes_ago: int, mode: str = "test") -> None:
    with transaction(org=org_id) as session:
        session.add(
            Payment(
                org_id=org_id, state=state, provider="dummy", mode=mode, key=str(ids.new()), body_hash=b"", quantity=1,
                actor_kind="system", product_id=ids.new(), version_id=ids.new(), name="Pack", currency="usd",
                unit_price_minor=100, amount_minor=100, grant_micros=1, bonus_micros=0, success_url="", cancel_url="",
                changed_at=clock.now() - timedelta(minutes=minutes_ago),
            )
        )  # fmt: skip


def kinds(mode: str = "test") -> dict[str, int]:
    return {item.kind: item.count for item in overview.work_list(mode)}


def test_nothing_needs_attention_where_the_tick_runs() -> None:
    tick(30)
    assert overview.work_list("test") == []


def test_a_tick_that_stopped_comes_first() -> None:
    inbox("parked")
    assert [item.kind for item in overview.work_list("test")] == ["tick_late", "inbox_parked"]
    tick(-90)
    late = overview.work_list("test")[0]
    assert late.kind == "tick_late"
    assert late.oldest is not None


def test_a_lease_that_just_ran_out_is_no_alarm() -> None:
    tick(-10)
    assert kinds() == {}


def test_each_thing_that_waits_is_counted_with_its_oldest() -> None:
    tick(30)
    org = make_org()
    for state, minutes in (("parked", 50), ("parked", 3), ("failed", 2), ("received", 9), ("received", 1)):
        inbox(state, minutes)
    waiting = [
        ("review", 1),
        ("unknown", 9),
        ("unknown", 1),
        ("paid", 9),
        ("paid", 1),
        ("pending", 99),
        ("credited", 0),
    ]
    for state, minutes in waiting:
        if state != "credited":
            payment(org.id, state, minutes)
    wallet = wallet_of(org)
    ledger.post(wallet, type="admin_removal", amount=-5, origin="t", key="r", by=SYSTEM, allow_negative=True)
    found = overview.work_list("test")
    assert [(item.kind, item.count) for item in found] == [
        ("payment_review", 1), ("inbox_parked", 2), ("payment_uncredited", 1), ("payment_unknown", 1),
        ("inbox_failed", 1), ("inbox_waiting", 1), ("overdrawn", 1),
    ]  # fmt: skip
    oldest = found[1].oldest
    assert oldest is not None
    assert timedelta(minutes=49) < clock.now() - oldest < timedelta(minutes=51)


def test_payments_of_the_other_mode_are_not_listed() -> None:
    tick(30)
    payment(make_org().id, "review", 1, mode="live")
    assert kinds("test") == {}
    assert kinds("live") == {"payment_review": 1}


def test_money_today_and_liability_count_the_platforms_money_only() -> None:
    yesterday = clock.now() - timedelta(days=1)
    with clock.at(yesterday):
        owner = make_user()
        wallet = wallet_of(make_org(owner=owner, funds=1_000))
    welcome = settings().credits.initial_micros
    grant(wallet, 50)
    charge(wallet, 30)
    ledger.post(wallet, type="admin_removal", amount=-7, origin="t", key="r", by=SYSTEM)
    ledger.post(
        wallet, type="purchase", amount=400, origin="t", key="p", by=SYSTEM, slices=[NewGrant("paid", "purchase", 400)]
    )
    grant(wallet_of(make_org(owner=owner), "live"), 9)
    own = make_org(owner=owner, funds=77)
    with transaction(org=own.id) as session:
        session.execute(update(Organization).where(Organization.id == own.id).values(funding="own"))
    overdrawn = wallet_of(make_org(owner=owner))
    ledger.post(overdrawn, type="refund", amount=-3, origin="t", key="f", by=SYSTEM)
    found = overview.money_today("test")
    assert (found.bought_micros, found.granted_micros, found.used_micros) == (400, 50, 30)
    assert (found.removed_micros, found.refunded_micros) == (7, 3)
    owed = overview.liability("test")
    assert (owed.total_micros, owed.overdrawn_micros) == (welcome + 1_410, -3)
    assert overview.liability("live").total_micros == 9


def test_the_lease_it_watches_is_the_ticks() -> None:
    with transaction() as session:
        session.add(Lease(name="another", holder="w", token=1, until=clock.now() + timedelta(hours=1)))
    assert kinds() == {"tick_late": 1}


def test_packs_whose_price_differs_are_counted() -> None:
    pack = make_pack()
    with transaction(org=PLATFORM_ORG_ID) as session:
        session.add(ProviderAccount(org_id=PLATFORM_ORG_ID, provider="stripe", mode="test", account_id="acct"))
        session.flush()
        session.add(
            ProviderPrice(
                org_id=PLATFORM_ORG_ID, version_id=pack.version.id, provider="stripe", mode="test", account_id="acct",
                state="drift", checked_at=clock.now(),
            )
        )  # fmt: skip
    assert ("price_drift", 1) in [(item.kind, item.count) for item in overview.work_list("test")]


def test_the_page_reads_no_wallet_for_its_sums_and_knows_how_old_they_are() -> None:
    wallet = wallet_of(make_org(funds=1_000))
    with transaction():
        figures.count("test")
    statements: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    counted = figures.current("test")
    event.remove(db.engine, "before_cursor_execute", note)
    assert [statement for statement in statements if "platform_figures" not in statement] == []
    assert counted.owed == overview.liability("test")
    charge(wallet, 400)
    assert figures.current("test") == counted
    assert figures.due() == ["live"]
    assert not counted.late
    with clock.at(clock.now() + figures.LATE + timedelta(seconds=1)):
        assert figures.current("test").late
        assert figures.due() == ["test", "live"]
        with transaction():
            figures.count("test")
        assert figures.current("test").owed.total_micros == counted.owed.total_micros - 400
        assert not figures.current("test").late
