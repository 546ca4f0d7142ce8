"""What came into a wallet, and what its list can be narrowed to."""

from datetime import UTC, date, datetime

import pytest
from flask import Flask

from dashboard.core import clock
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import ledger, transactions
from dashboard.domain.funds.reports import credits
from dashboard.domain.funds.reports.costs import Range
from dashboard.domain.funds.reports.credits import Added
from dashboard.models import Wallet
from tests.factories import add_member, charge, grant, make_key, make_org, wallet_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
WEEK = Range("7", date(2026, 11, 14), date(2026, 11, 20))


@pytest.fixture
def wallet(app_context: Flask) -> Wallet:
    return wallet_of(make_org())


def come_in(wallet: Wallet, type: str, micros: int, day: int) -> None:
    with clock.at(NOON.replace(day=day)):
        ledger.post(
            wallet, type=type, amount=micros, origin="test", key=f"{type}{day}", by=SYSTEM,
            slices=[ledger.NewGrant("paid", "purchase", micros)],
        )  # fmt: skip


def test_what_came_in_is_told_by_where_it_came_from(wallet: Wallet) -> None:
    come_in(wallet, "purchase", 1_000, 13)
    for type, micros in (("purchase", 25), ("recharge", 10), ("deposit", 7), ("admin_grant", 3), ("renewal", 2)):
        come_in(wallet, type, micros, 14)
    come_in(wallet, "purchase", 5, 20)
    charge(wallet, 40)
    found = credits.added(wallet, WEEK)
    assert found == Added(bought=40, granted=5, deposited=7)
    assert found.micros == 52


def test_an_empty_range_added_nothing(wallet: Wallet) -> None:
    assert credits.added(wallet, WEEK) == Added(0, 0, 0)
    assert credits.last_purchase(wallet) is None


def test_the_last_purchase_is_the_newest(wallet: Wallet) -> None:
    come_in(wallet, "purchase", 25, 14)
    come_in(wallet, "purchase", 50, 16)
    come_in(wallet, "deposit", 7, 17)
    last = credits.last_purchase(wallet)
    assert last
    assert last.amount == 50


def test_a_list_narrows_to_what_there_is_in_this_organization_alone(app_context: Flask) -> None:
    org, other = make_org(), make_org()
    person = add_member(org, "viewer")
    make_key(org, "wallet:read")
    make_key(other, "wallet:read")
    wallet = wallet_of(org)
    grant(wallet, 100)
    charge(wallet, 5, app="search")
    charge(wallet, 5)
    found = transactions.choices(wallet)
    assert found.types == ["admin_grant", "charge"]
    assert found.apps == ["search"]
    assert person.id in {key for key, _ in found.people}
    assert len(found.people) == 2
    assert len(found.keys) == 1
    nothing = transactions.choices(wallet_of(other))
    assert (nothing.types, nothing.apps) == ([], [])
