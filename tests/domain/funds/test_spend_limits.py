"""Every limit that applies holds, to the micro, over wallets, routes, processes and the turn of its window."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core import clock, ids
from dashboard.core.db import db, transaction
from dashboard.core.errors import Conflict, Invalid, NotFound
from dashboard.core.money import LARGEST, Micros
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.funds import charging, spend_limits, wallets
from dashboard.domain.funds.spend_limits import LimitId, LimitReached, Spender, changes
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.domain.funds.wallets import Holder
from dashboard.domain.organizations import memberships
from dashboard.domain.platform import verify
from dashboard.domain.usage import recording
from dashboard.domain.usage.recording import Usage
from dashboard.models import LimitAlert, LimitWindow, Organization, SpendLimit, User
from tests.concurrency import at_once, statements
from tests.each import each
from tests.factories import add_member, grant, make_metric, make_org, make_user, wallet_of
from tests.factories import make_limit as limit

pytestmark = pytest.mark.usefixtures("app_context")

USD = 1_000_000


@pytest.fixture
def org(app_context: Flask) -> Organization:
    return make_org(funds=1_000 * USD)


def cap_of_key(org: Organization, amount: int, window: str = "month") -> LimitId:
    with transaction(org=org.id):
        return LimitId(org.id, changes.begin(org.id, ids.new(), Cap(Micros(amount), window), mode="test").id)


def charge(org: Organization, amount: int, name: str, **spender: Any) -> Any:
    """What became of it: the amount, or the scope, spent and amount of the limit that refused it."""
    app = spender.pop("app", "")
    try:
        charging.charge(
            wallet_of(org), org=org, amount=amount, origin="api", key=name, by=SYSTEM, spender=Spender(**spender),
            app=app,
        )  # fmt: skip
    except LimitReached as refusal:
        return refusal.extra["scope"], refusal.extra["spent_micros"], refusal.extra["limit_micros"]
    return amount


def spent(row: SpendLimit | LimitId) -> int:
    at = clock.now()
    found = db.session.get(SpendLimit, (row.org_id, row.id))
    assert found
    start = spend_limits.start_of(found.window, at)
    place = (row.org_id, row.id, start)
    window = db.session.get(LimitWindow, place, populate_existing=True)
    return window.spent if window else 0


def usage(cost: int, key: str, app: str = "") -> Usage:
    """One event of a metric that costs 1 micro a unit."""
    return Usage("tokens", cost, key, f"{cost} {app}".encode(), app=app)


def verdicts(org: Organization, usages: Sequence[Usage], spender: Spender) -> list[Any]:
    results, _ = recording.record(org, usages, mode="test", by=SYSTEM, api_key_id=None, spender=spender)
    return [getattr(one, "code", None) or one.event.cost for one in results]  # type: ignore[union-attr]


def test_every_limit_that_applies_is_tested_by_every_route(org: Organization) -> None:
    """Monthly: organization 100, member 10, key 50. The member used 9.50 over two keys."""
    make_metric(amount_micros=1)
    member, other = add_member(org, "member"), add_member(org, "member")
    limit(org, 100 * USD)
    limit(org, 10 * USD, scope="member", subject=member.id)
    one, two = cap_of_key(org, 50 * USD), cap_of_key(org, 50 * USD)
    steps = [
        (9_000_000, Spender(member.id, one)), (500_000, Spender(member.id, two)), (400_000, Spender(member.id, one)),
        (200_000, Spender(member.id, one)), (200_000, Spender(other.id, one)),
    ]  # fmt: skip
    said = [
        charge(org, amount, f"c{number}", member_id=who.member_id, key=who.key)
        for number, (amount, who) in enumerate(steps)
    ]
    assert said == [9_000_000, 500_000, 400_000, ("member", 9_900_000, 10 * USD), 200_000]
    with clock.at(datetime.now(UTC) + timedelta(days=40)):
        answers = [verdicts(org, [usage(amount, f"u{n}")], who) for n, (amount, who) in enumerate(steps)]
    assert answers == [[9_000_000], [500_000], [400_000], ["limit_reached"], [200_000]]
    with clock.at(datetime.now(UTC) + timedelta(days=80)):
        begin = [usage(9_500_000, "b0"), usage(400_000, "b1"), usage(200_000, "b2"), usage(1, "b3")]
        assert verdicts(org, begin, Spender(member.id, one)) == [9_500_000, 400_000, "limit_reached", "limit_reached"]
        assert verdicts(org, [usage(200_000, "b4")], Spender(other.id, one)) == [200_000]
    assert verify.broken() == []


def test_exactly_at_the_limit(org: Organization) -> None:
    limit(org, 10 * USD)
    assert [charge(org, amount, f"k{n}") for n, amount in enumerate((9_999_999, 1, 1))] == [
        9_999_999, 1, ("org", 10 * USD, 10 * USD),
    ]  # fmt: skip
    feature = make_org(funds=100 * USD)
    limit(feature, USD, scope="app", subject="draw")
    calls = [charge(feature, 125_000, f"k{number}", app="draw") for number in range(9)]
    assert calls == [125_000] * 8 + [("app", USD, USD)]
    assert charge(feature, 125_000, "other", app="write") == 125_000


@each(
    "window, last, next_",
    [
        ("day", datetime(2027, 3, 31, 23, 59, 59, tzinfo=UTC), datetime(2027, 4, 1, tzinfo=UTC)),
        ("week", datetime(2027, 1, 3, 23, 59, 59, tzinfo=UTC), datetime(2027, 1, 4, tzinfo=UTC)),  # a Monday
        ("month", datetime(2027, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_window_turns_over_in_utc(app_context: Flask, window: str, last: datetime, next_: datetime) -> None:
    with clock.at(last):
        org = make_org(funds=1_000 * USD)
        row = limit(org, 50 * USD, window)
        assert charge(org, 50 * USD, "a") == 50 * USD
        grant(wallet_of(org), USD)  # more credit changes nothing
        with pytest.raises(LimitReached, match="It starts again on") as refusal:
            charging.charge(wallet_of(org), org=org, amount=1, origin="api", key="b", by=SYSTEM)
        said = refusal.value.extra
        assert (said["limit_id"], said["spent_micros"]) == (str(row.id), 50 * USD)
        assert said["resets_at"] == f"{next_:%Y-%m-%dT%H:%M:%SZ}"
        assert "owner or admin can raise it" in refusal.value.detail
        with transaction(org=org.id):
            changes.change(row, amount=Micros(60 * USD), hard=True, by=SYSTEM)
        assert [charge(org, 10 * USD, "c"), charge(org, 1, "d")] == [10 * USD, ("org", 60 * USD, 60 * USD)]
    with clock.at(next_):
        assert spent(row) == 0
        assert charge(org, 60 * USD, "e") == 60 * USD


def test_a_soft_limit_counts_and_alerts_once_in_a_window(org: Organization) -> None:
    row = limit(org, 10 * USD, hard=False)
    limit(org, 100 * USD, "day")  # both apply
    assert [charge(org, 6 * USD, key) for key in "abc"] == [6 * USD] * 3
    alerts = db.session.scalars(select(LimitAlert).filter_by(org_id=org.id)).all()
    assert [(one.limit_id, one.amount, one.spent) for one in alerts] == [(row.id, 10 * USD, 12 * USD)]
    with transaction(org=org.id):
        limits = spend_limits.applicable(org, Spender(), mode="test")
        spend_limits.give_back(limits, amount=12 * USD, at=clock.now())
    assert (spent(row), charge(org, 6 * USD, "d")) == (6 * USD, 6 * USD)
    with clock.at(datetime.now(UTC) + timedelta(days=31)):
        assert charge(org, 11 * USD, "e") == 11 * USD
    assert len(db.session.scalars(select(LimitAlert).filter_by(org_id=org.id)).all()) == 2


def test_a_soft_limit_that_is_set_below_what_is_spent_alerts_at_once(org: Organization) -> None:
    charge(org, 6 * USD, "a")
    first = limit(org, 5 * USD, hard=False)
    second = limit(org, 10 * USD, "day", hard=False)
    with transaction(org=org.id):
        changes.change(second, amount=Micros(5 * USD), hard=False, by=SYSTEM)
    alerts = db.session.scalars(select(LimitAlert).filter_by(org_id=org.id)).all()
    assert {one.limit_id for one in alerts} == {first.id, second.id}


def test_a_new_limit_counts_what_was_spent_before(org: Organization) -> None:
    member = add_member(org, "member")
    at = datetime(2027, 5, 20, 12, tzinfo=UTC)
    for moment, amount, app in (
        (at - timedelta(days=30), 64, "chat"), (at - timedelta(days=4), 1, "chat"),
        (at - timedelta(days=2), 2, ""), (at, 4, "chat"),
    ):  # fmt: skip
        for by in (Actor("user", member.id), SYSTEM):
            with clock.at(moment):
                charging.charge(
                    wallet_of(org), org=org, amount=amount, origin="api", key=f"{amount}{by.kind}", by=by, app=app
                )
    with clock.at(at):
        grant(wallet_of(org), 1_000)
        rows = [
            limit(org, 1_000), limit(org, 1_000, "week"), limit(org, 1_000, "day", "app", "chat"),
            limit(org, 1_000, "month", "app", "chat"), limit(org, 1_000, "month", "member", member.id),
            limit(org, 1_000, "day", "member", member.id), limit(org, 1_000, "day", mode="live"),
        ]  # fmt: skip
        assert [spent(row) for row in rows] == [14, 12, 8, 10, 7, 4, 0]


def test_without_limits_a_charge_looks_for_none(org: Organization) -> None:
    """And with limits it is one query more, and one statement more in a transaction of its own."""
    wallet = wallet_of(org)

    def sent(key: str) -> list[str]:
        with statements() as found:
            charging.charge(wallet, org=org, amount=5, origin="api", key=key, by=SYSTEM)
        return [one.split()[0] for one in found]

    assert sent("a") == ["WITH"]
    rows = [limit(org, USD), limit(org, USD, "day")]
    assert sent("b") == ["SELECT", "WITH", "INSERT"]
    for row in rows:
        with transaction(org=org.id):
            changes.remove(row, by=SYSTEM)
    assert sent("c") == ["WITH"]


def test_a_batch_counts_each_limit_once_and_not_each_event(org: Organization) -> None:
    make_metric(amount_micros=1)
    member = add_member(org, "member")
    rows = [limit(org, 5_000), limit(org, 4_000, scope="member", subject=member.id)]
    rows += [limit(org, 100, scope="app", subject=f"app{number}") for number in range(3)]
    counts = []
    for size in (10, 1_000):
        usages = [usage(1, f"{size}:{number}", f"app{number % 20}") for number in range(size)]
        with statements() as sent:
            said = verdicts(org, usages, Spender(member.id))
        counts.append(len(sent))
        assert said == [1] * size
    assert counts[1] <= counts[0] + 1, counts
    assert [spent(row) for row in rows] == [1_010, 1_010, 51, 51, 51]
    said = verdicts(org, [usage(20, f"more{number}", "app1") for number in range(5)], Spender(member.id))
    assert said == [20, 20, *["limit_reached"] * 3]
    assert [spent(row) for row in rows] == [1_050, 1_050, 51, 91, 51]


def test_singles_and_batches_have_the_same_verdicts(app_context: Flask) -> None:
    make_metric(amount_micros=1)
    for seed in range(12):
        chance = random.Random(seed)
        funds, amounts = chance.randint(50, 150), [chance.randint(1, 25) for _ in range(15)]
        apps = [chance.choice(["", "a", "b"]) for _ in amounts]
        whole, app_limit, overdrawn = chance.randint(40, 160), chance.randint(5, 60), chance.random() < 0.3
        answers, sums = [], []
        for batch in (False, True):
            org = make_org(funds=funds)
            rows = [limit(org, whole), limit(org, app_limit, "day", "app", "a"), limit(org, 30, "week", hard=False)]
            if overdrawn:
                with transaction(org=org.id):
                    wallets.set_overdraft(wallet_of(org), limit_micros=10, reason="Test", by=SYSTEM)
            usages = [usage(amount, f"k{n}", app) for n, (amount, app) in enumerate(zip(amounts, apps, strict=True))]
            if batch:
                said = verdicts(org, usages, Spender())
            else:
                said = []
                for one in usages:  # a batch stops at the first that does not fit
                    refused = next((word for word in said if isinstance(word, str)), None)
                    said += [refused] if refused else verdicts(org, [one], Spender())
            answers.append(said)
            sums.append([spent(row) for row in rows] + [wallet_of(org).balance])
        assert answers[0] == answers[1], (seed, answers)
        assert sums[0] == sums[1], (seed, sums)


def test_two_hundred_at_once_over_many_wallets_cannot_pass_a_limit(app: Flask, org: Organization) -> None:
    users = [add_member(org, "member") for _ in range(4)]
    holders = [memberships.of_org(org.id)[number] for number in range(5)]
    with transaction(org=org.id):
        those = [wallets.open_wallet(org.id, mode="test", holder=Holder(one.id)).id for one in holders]
    for number, wallet_id in enumerate(those):
        grant(_wallet(org.id, wallet_id), 1_000, f"g{number}")
    whole, mine = limit(org, 100), limit(org, 31, "week", "member", users[0].id)

    def one(number: int) -> str:
        fresh = db.session.get_one(Organization, org.id)
        charging.charge(
            _wallet(org.id, those[number % 5]), org=fresh, amount=3, origin="api", key=f"k{number}",
            by=Actor("user", users[number % 4].id),
        )  # fmt: skip
        return "charged"

    counts = at_once(app, 200, one, workers=16)
    assert counts == {"charged": 33, "limit_reached": 167}
    assert spent(whole) == 99
    assert spent(mine) <= 30
    assert verify.broken() == []


def _wallet(org_id: UUID, wallet_id: UUID) -> Any:
    wallet = wallets.find(org_id, wallet_id)
    assert wallet
    return wallet


def test_what_is_given_back_goes_to_the_window_that_it_was_counted_in(org: Organization) -> None:
    row, key = limit(org, 100), cap_of_key(org, 100)
    taken = clock.now()
    assert charge(org, 70, "a", key=key) == 70
    assert charge(org, 40, "b", key=key) == ("key", 70, 100)
    with transaction(org=org.id):
        limits = spend_limits.applicable(org, Spender(key=key), mode="test")
        spend_limits.give_back(limits, amount=30, at=taken)
    assert (spent(row), spent(key)) == (40, 40)
    with clock.at(taken + timedelta(days=31)), transaction(org=org.id):
        spend_limits.give_back(limits, amount=30, at=taken)
        spend_limits.give_back(limits, amount=30, at=taken - timedelta(days=62))  # nothing was counted then
    assert (spent(row), spent(key)) == (10, 10)


def test_only_dollars_of_the_same_mode_count(org: Organization) -> None:
    row = limit(org, 10)
    limit(org, 1, mode="live")
    with transaction(org=org.id):
        hours = wallets.open_wallet(org.id, mode="test", unit="mentorship_hours")
    grant(hours, 50)
    charging.charge(hours, org=org, amount=50, origin="api", key="h", by=SYSTEM)
    assert [charge(org, 10, "a"), spent(row)] == [10, 10]


@pytest.fixture
def stranger(app_context: Flask) -> User:
    return make_user()


def test_what_is_no_limit_is_refused(org: Organization, stranger: User) -> None:
    left = add_member(org, "member")
    with transaction(org=org.id):
        membership = next(one for one in memberships.of_org(org.id) if one.user_id == left.id)
        memberships.remove(membership, by=SYSTEM)
    cases: list[tuple[Any, ...]] = [
        (0, "day", "org", ""), (-1, "day", "org", ""), (LARGEST + 1, "day", "org", ""), (2**63, "day", "org", ""),
        (1, "hour", "org", ""), (1, "", "org", ""), (1, "day", "team", ""), (1, "day", "member", stranger.id),
        (1, "day", "member", "x"), (1, "day", "member", left.id), (1, "day", "app", ""), (1, "day", "app", "x" * 201),
        (1, "day", "app", "a\x01b"), (1, "day", "key", org.id),
    ]  # fmt: skip
    for amount, window, scope, subject in cases:
        try:
            limit(org, amount, window, scope, subject)
        except Invalid:
            continue
        pytest.fail(f"taken: {amount} {window} {scope} {subject}")
    assert not org.has_limits
    row = limit(org, 5)
    for amount in (0, -1, LARGEST + 1):
        with pytest.raises(Invalid), transaction(org=org.id):
            changes.change(row, amount=Micros(amount), hard=True, by=SYSTEM)
    with pytest.raises(Conflict):
        limit(org, 6)
    soft = limit(org, 6, hard=False)
    with pytest.raises(Conflict), transaction(org=org.id):
        changes.change(soft, amount=Micros(6), hard=True, by=SYSTEM)
    with transaction(org=org.id):
        changes.remove(row, by=SYSTEM)
    with pytest.raises(NotFound), transaction(org=org.id):
        changes.remove(row, by=SYSTEM)
    assert db.session.get_one(Organization, org.id).has_limits
    assert limit(org, 6).amount == 6


def test_changing_a_limit_never_resets_its_count(org: Organization) -> None:
    row = limit(org, 10)
    assert charge(org, 8, "a") == 8
    for amount, hard in ((20, True), (5, False), (9, True)):
        with transaction(org=org.id):
            changes.change(row, amount=Micros(amount), hard=hard, by=SYSTEM)
        assert spent(row) == 8
    assert [charge(org, 2, "b"), charge(org, 1, "c")] == [("org", 8, 9), 1]
