"""Credit grants as they are now, and removals that name one."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.core.errors import Invalid
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import credit_grants, expiry, ledger, seals
from dashboard.domain.funds.credit_grants import CurrentGrant, removal
from dashboard.domain.funds.credit_grants.removal import GrantTooSmall
from dashboard.domain.funds.ledger import NewGrant, Posting, RemovalTooLarge
from dashboard.domain.platform import grants, verify
from dashboard.domain.usage import recording
from dashboard.domain.usage.recording import Usage
from dashboard.models import AuditEntry, CreditGrant, Organization, Transaction, Wallet
from tests.domain.funds.grants import assert_settled
from tests.domain.funds.test_concurrency import at_once, detached
from tests.domain.platform.test_invariants import with_triggers_off
from tests.factories import charge, make_metric, make_org, wallet_of
from tests.servers import Servers

START = datetime(2027, 1, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def wallet(app_context: Flask) -> Wallet:
    """A paid grant of 50, and two promotional ones of 30 until March and of 20 without a date."""
    with clock.at(START):
        wallet = wallet_of(make_org())
        ledger.post(
            wallet, type="deposit", amount=100, origin="test", key="in", by=SYSTEM,
            slices=[
                NewGrant("paid", "deposit", 50),
                NewGrant("promotional", "promotion", 30, expires_at=datetime(2027, 3, 1, tzinfo=UTC)),
                NewGrant("promotional", "goodwill", 20),
            ],
        )  # fmt: skip
    return wallet


def grant_of(wallet: Wallet, category: str) -> UUID:
    return db.session.scalars(select(CreditGrant.id).filter_by(wallet_id=wallet.id, category=category)).one()


def now(wallet: Wallet) -> dict[str, tuple[int, str]]:
    """What is left of each grant and its state, by category."""
    db.session.expire_all()
    rows = credit_grants.page(wallet).rows
    assert {
        state: {one.grant.id for one in credit_grants.page(wallet, state).rows} for state in credit_grants.STATES
    } == {state: {one.grant.id for one in rows if one.state == state} for state in credit_grants.STATES}
    assert [credit_grants.find(wallet, one.grant.id) for one in rows] == rows
    return {one.grant.category: (one.remaining, one.state) for one in rows}


def remove(wallet: Wallet, category: str, amount: int, key: str = "out") -> Posting:
    with transaction(org=wallet.org_id) as session:
        session.refresh(wallet, with_for_update=True)
        grant_id = grant_of(wallet, category)
        return removal.remove(wallet, grant_id, amount=amount, key=key, by=SYSTEM, description="Removal")


def books_hold(wallet: Wallet) -> bool:
    assert_settled(wallet)
    return not [one for one in verify.broken(wallet.org_id) if one.check not in ("unsealed", "lapsed")]


def test_grants_show_what_is_left_before_they_are_settled(wallet: Wallet) -> None:
    with clock.at(START + HOUR):
        charge(wallet, 35)
        assert now(wallet) == {"deposit": (50, "open"), "promotion": (0, "used"), "goodwill": (15, "open")}
        assert [one.grant.category for one in credit_grants.spendable(wallet)] == ["goodwill", "deposit"]
        assert wallet.settled_seq == 0


def test_what_expired_is_told_from_what_was_used(wallet: Wallet) -> None:
    with clock.at(START + HOUR):
        charge(wallet, 10)
    with clock.at(datetime(2027, 3, 1, tzinfo=UTC)):
        assert now(wallet)["promotion"] == (20, "expired")
        expiry.drain(wallet.org_id)
        assert now(wallet) == {"deposit": (50, "open"), "promotion": (0, "expired"), "goodwill": (20, "open")}
        found = credit_grants.find(wallet, grant_of(wallet, "promotion"))
    assert (found.paid, found.expired) == (10, 20)
    assert [row.amount for row in found.expiries] == [-20]


def test_a_wallet_without_credit_has_no_grants(app_context: Flask) -> None:
    wallet = wallet_of(make_org())
    assert (credit_grants.page(wallet).rows, credit_grants.spendable(wallet)) == ([], [])


def test_a_removal_takes_from_the_grant_that_it_names(wallet: Wallet) -> None:
    with clock.at(START + HOUR):
        charge(wallet, 10)
        posted = remove(wallet, "deposit", 45)
        charge(wallet, 25)
        assert now(wallet) == {"deposit": (5, "open"), "promotion": (0, "used"), "goodwill": (15, "open")}
        row = db.session.get_one(Transaction, (wallet.org_id, posted.id))
        assert (row.amount, row.grant_id) == (-45, grant_of(wallet, "deposit"))
        remove(wallet, "goodwill", 15, "more")
        assert now(wallet)["goodwill"] == (0, "used")
        assert books_hold(wallet)


def test_the_same_removal_again_is_the_first_one(wallet: Wallet) -> None:
    first = remove(wallet, "goodwill", 20)
    again = remove(wallet, "goodwill", 20)
    assert (again.id, again.replayed) == (first.id, True)
    assert now(wallet)["goodwill"] == (0, "used")
    assert books_hold(wallet)


def test_a_removal_takes_no_more_than_is_left_of_its_grant(wallet: Wallet) -> None:
    with clock.at(START + HOUR):
        charge(wallet, 35)
        with pytest.raises(GrantTooSmall) as refused:
            remove(wallet, "goodwill", 16)
        assert refused.value.extra["available_micros"] == 15
        assert wallet.seq == 2
        with pytest.raises(GrantTooSmall):
            remove(wallet, "promotion", 1)
    with clock.at(START + HOUR), transaction(org=wallet.org_id) as session:
        session.refresh(wallet, with_for_update=True)
        wallet.held = 60
    with pytest.raises(RemovalTooLarge):
        remove(wallet, "deposit", 6)


def test_a_grant_that_expired_gives_nothing(wallet: Wallet) -> None:
    with clock.at(datetime(2027, 3, 1, tzinfo=UTC)), pytest.raises(GrantTooSmall):
        remove(wallet, "promotion", 1)


def test_a_grant_of_another_wallet_does_not_exist(wallet: Wallet) -> None:
    other = wallet_of(make_org(funds=10))
    for grant_id in (uuid4(), db.session.scalars(select(CreditGrant.id).filter_by(wallet_id=other.id)).one()):
        with transaction(org=wallet.org_id), pytest.raises(Invalid) as refused:
            removal.remove(wallet, grant_id, amount=1, key="out", by=SYSTEM)
        assert refused.value.code == "no_such_grant"


def test_the_seal_covers_the_grant_of_a_removal(wallet: Wallet, servers: Servers) -> None:
    remove(wallet, "goodwill", 5)
    seals.seal(wallet.org_id)
    assert books_hold(wallet)
    other = grant_of(wallet, "deposit")
    with with_triggers_off(servers) as owner:
        owner.execute("UPDATE transactions SET grant_id = %s WHERE grant_id IS NOT NULL", [other])
        assert {one.check for one in verify.broken(wallet.org_id)} == {"seals", "directed"}
        owner.execute("UPDATE transactions SET grant_id = %s WHERE grant_id IS NOT NULL", [wallet.org_id])
    assert {one.check for one in verify.broken(wallet.org_id)} == {"borders", "seals", "directed"}


def test_a_manager_names_the_grant_and_says_why_it_is_paid_credit(wallet: Wallet) -> None:
    org = db.session.get_one(Organization, wallet.org_id)

    def take(**more: object) -> Posting:
        with transaction(org=org.id):
            return grants.remove(
                org, mode=wallet.mode, amount_micros=5, category="correction", reason="Twice", by=SYSTEM,
                **{"key": "k", "grant_id": grant_of(wallet, "deposit")} | more,
            )  # fmt: skip

    with pytest.raises(grants.TakesPaidCredit) as refused:
        take(allow_paid=False)
    assert refused.value.extra["paid_micros"] == 5
    with pytest.raises(Invalid) as negative:
        take(allow_negative=True)
    assert negative.value.field == "allow_negative"
    take(paid_reason="Charged back")
    take(grant_id=grant_of(wallet, "goodwill"), allow_paid=False, key="k2")
    entries = db.session.scalars(select(AuditEntry).filter_by(org_id=org.id, action="credits.removed")).all()
    assert [(entry.after["grant_id"], entry.after.get("paid_micros")) for entry in entries if entry.after] == [
        (str(grant_of(wallet, "deposit")), 5), (str(grant_of(wallet, "goodwill")), None),
    ]  # fmt: skip


def test_the_priority_of_a_grant_orders_those_of_its_kind(wallet: Wallet) -> None:
    org = db.session.get_one(Organization, wallet.org_id)
    for priority, category in ((2, "promotion"), (1, "correction")):
        with transaction(org=org.id):
            grants.grant(
                org, mode=wallet.mode, amount_micros=7, category=category, reason="x", by=SYSTEM, key=category,
                priority=priority,
            )  # fmt: skip
    order: list[CurrentGrant] = credit_grants.spendable(wallet)
    assert [(one.grant.category, one.grant.priority) for one in order] == [
        ("promotion", 0), ("goodwill", 0), ("correction", 1), ("promotion", 2), ("deposit", 0),
    ]  # fmt: skip
    for priority in (-1, 101):
        with transaction(org=org.id), pytest.raises(Invalid) as refused:
            grants.grant(
                org, mode=wallet.mode, amount_micros=7, category="promotion", reason="x", by=SYSTEM, key="odd",
                priority=priority,
            )  # fmt: skip
        assert refused.value.field == "priority"


def test_removals_from_a_grant_and_charges_at_once_never_overlap(app: Flask) -> None:
    with app.app_context():
        wallet = wallet_of(make_org(funds=1_000))
        grant_id = db.session.scalars(select(CreditGrant.id).filter_by(wallet_id=wallet.id)).one()
        wallet = detached(wallet)

    def act(number: int) -> str:
        if number % 2:
            charge(wallet, 40, key=f"c{number}")
            return "charged"
        with transaction(org=wallet.org_id) as session:
            row = session.get_one(Wallet, (wallet.org_id, wallet.id), with_for_update=True)
            removal.remove(row, grant_id, amount=40, key=f"r{number}", by=SYSTEM)
        return "removed"

    counts = at_once(app, 40, act)
    with app.app_context():
        row = db.session.get_one(Wallet, (wallet.org_id, wallet.id))
        assert counts["charged"] + counts["removed"] == 25
        assert row.balance == 0
        assert books_hold(row)


def test_what_expires_first_is_spent_first_and_the_rest_lapses_once(app_context: Flask) -> None:
    lots = {"a": datetime(2027, 4, 1, tzinfo=UTC), "b": datetime(2027, 3, 1, tzinfo=UTC), "c": None}
    with clock.at(START):
        wallet = wallet_of(make_org())
        for key, until in lots.items():
            ledger.post(
                wallet, type="deposit", amount=100_000_000, origin="test", key=key, by=SYSTEM,
                slices=[NewGrant("paid", key, 100_000_000, expires_at=until)],
            )  # fmt: skip
    with clock.at(datetime(2027, 2, 10, 12, tzinfo=UTC)):
        charge(wallet, 130_000_000)
        assert now(wallet) == {"a": (70_000_000, "open"), "b": (0, "used"), "c": (100_000_000, "open")}
    with clock.at(datetime(2027, 4, 1, tzinfo=UTC)):
        for _ in range(3):
            expiry.drain(wallet.org_id)
        db.session.refresh(wallet)
        (row,) = db.session.scalars(select(Transaction).filter_by(wallet_id=wallet.id, type="expiry"))
        assert (row.amount, row.balance_after, wallet.balance) == (-70_000_000, 100_000_000, 100_000_000)
        assert now(wallet) == {"a": (0, "expired"), "b": (0, "used"), "c": (100_000_000, "open")}
        assert books_hold(wallet)


@pytest.mark.parametrize("first", ["drain", "usage"])
def test_late_usage_is_paid_by_what_is_there_when_it_is_posted(app_context: Flask, first: str) -> None:
    """Usage of before the expiry date, sent after it: the expired credit is gone, in either order."""
    make_metric("tokens", amount_micros=10)
    with clock.at(START):
        org = make_org(funds=1_000)
        wallet = wallet_of(org)
        ledger.post(
            wallet, type="admin_grant", amount=500, origin="test", key="g", by=SYSTEM,
            slices=[NewGrant("promotional", "promotion", 500, expires_at=START + 2 * HOUR)],
        )  # fmt: skip
    with clock.at(START + 3 * HOUR):
        if first == "drain":
            expiry.drain(wallet.org_id)
        late = Usage("tokens", 20, "late", b"", occurred_at=START + HOUR)
        recording.record(org, [late], mode=wallet.mode, by=SYSTEM, api_key_id=None)
        expiry.drain(wallet.org_id)
        db.session.refresh(wallet)
        rows = db.session.scalars(select(Transaction).filter_by(wallet_id=wallet.id).order_by(Transaction.seq))
        assert [row.amount for row in rows][2:] == [-500, -200]
        assert now(wallet) == {"goodwill": (800, "open"), "promotion": (0, "expired")}
