"""Charges count to the user whose key made them, and are found among any number of others' rows."""

from itertools import pairwise
from uuid import UUID

import pytest
from flask import Flask

from dashboard.core import ids
from dashboard.core.db import db, transaction
from dashboard.domain.access import keys
from dashboard.domain.access.permissions import of_key
from dashboard.domain.audit import Actor
from dashboard.domain.funds import ledger, transactions
from dashboard.domain.funds.reports import costs
from dashboard.domain.funds.transactions import TransactionFilters
from dashboard.domain.organizations import memberships
from dashboard.models import ApiKey, Organization, Transaction, User
from tests.domain.funds.crowd import OWN_EVERY, ROWS, Crowd, make_crowd, rows_read
from tests.factories import add_member, grant, make_org, make_user, wallet_of
from tests.servers import Servers


@pytest.fixture
def org(app_context: Flask) -> Organization:
    return make_org(owner=make_user(name="Olga Owner"), funds=1_000_000)


def user_of(org: Organization, kind: str = "member") -> User:
    return add_member(org, kind, user=make_user())


def key_of(org: Organization, user: User) -> ApiKey:
    with transaction(org=org.id):
        by = Actor("user", user.id)
        return keys.make(org, name="Prod", scopes=["wallet:charge"], mode="test", by=by, made_by=user.id).row


def charge_with(org: Organization, key: ApiKey, micros: int = 10) -> UUID:
    by = of_key(db.session.get_one(ApiKey, (org.id, key.id), populate_existing=True)).actor
    return ledger.post(wallet_of(org), type="charge", amount=-micros, origin="api", key=str(ids.new()), by=by).id


def rows_of(org: Organization, user: User) -> set[UUID]:
    return {row.id for row in transactions.page(wallet_of(org), TransactionFilters(only_of=user.id)).rows}


def test_a_key_that_passes_on_takes_no_earlier_row_along(org: Organization) -> None:
    maker, heir = user_of(org), user_of(org, "admin")
    key = key_of(org, maker)
    earlier = charge_with(org, key)
    with transaction(org=org.id):
        member = memberships.of_person(org.id, maker.id)
        assert member
        memberships.remove(member, by=Actor("user", heir.id))
    later = charge_with(org, key)
    assert rows_of(org, maker) == {earlier}
    assert db.session.get_one(Transaction, (org.id, later)).member_id == heir.id


def test_a_key_of_the_platform_counts_to_nobody(org: Organization) -> None:
    manager = make_user(manager=True)
    with transaction(org=org.id):
        by = Actor("manager", manager.id)
        key = keys.make(org, name="Till", scopes=["wallet:charge"], mode="test", by=by, made_by=manager.id).row
    assert db.session.get_one(Transaction, (org.id, charge_with(org, key))).member_id is None


def test_the_parts_of_all_users_add_up_to_the_whole(org: Organization) -> None:
    users, wallet = [user_of(org) for _ in range(3)], wallet_of(org)
    for number, user in enumerate(users, start=1):
        key = key_of(org, user)
        for _ in range(number):
            charge_with(org, key, 7)
    grant(wallet, 5)
    week = costs.preset("7")
    parts = [costs.of_user(wallet, user.id) for user in users]
    assert [costs.spent(part, week).micros for part in parts] == [7, 14, 21]
    assert costs.spent(wallet, week).micros == 42
    assert all(part.complete for part in parts)
    assert costs.daily(parts[2], week.first, week.last).micros == 21
    assert [(share.micros, share.count) for share in costs.by_group(parts[1], week, "app")] == [(14, 2)]


@pytest.fixture
def crowd(org: Organization, servers: Servers) -> Crowd:
    return make_crowd(org, servers)


def test_own_rows_cost_what_they_are_and_not_what_the_wallet_holds(crowd: Crowd) -> None:
    wallet, user_id = crowd
    own = ROWS // OWN_EVERY
    only, searched = TransactionFilters(only_of=user_id), TransactionFilters(only_of=user_id, q="no such words")
    assert rows_read(lambda: transactions.page(wallet, only, limit=10)) <= 10 * 4
    assert rows_read(lambda: transactions.page(wallet, searched)) <= own * 4
    assert rows_read(lambda: costs.of_user(wallet, user_id)) <= own * 4
    found = costs.of_user(wallet, user_id)
    assert costs.spent(found, costs.preset("7")).micros == own


def test_the_pages_of_own_rows_hold_each_once_in_both_directions(crowd: Crowd) -> None:
    wallet, user_id = crowd
    for filters in (TransactionFilters(only_of=user_id), TransactionFilters(member_id=user_id, type="charge")):
        page = transactions.page(wallet, filters, limit=9, window=30)
        found, cursors = [row.seq for row in page.rows], [""]
        while page.next_cursor:
            cursors.append(page.next_cursor)
            page = transactions.page(wallet, filters, page.next_cursor, limit=9, window=30)
            found += [row.seq for row in page.rows]
        assert len(found) == ROWS // OWN_EVERY
        assert all(above - below == OWN_EVERY for above, below in pairwise(found))
        back: list[int] = [row.seq for row in page.rows]
        while page.newer_cursor:
            page = transactions.page(wallet, filters, page.newer_cursor, limit=9, window=30)
            back = [row.seq for row in page.rows] + back
        assert sorted(set(back), reverse=True) == found
