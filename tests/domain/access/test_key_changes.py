"""Keys after they were made: rotated with a grace, capped, given an operator's scopes."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.core.errors import CofferError, Invalid
from dashboard.core.money import Micros
from dashboard.domain.access import key_changes, keys
from dashboard.domain.access.key_changes import KeyEnded, KeyRotated
from dashboard.domain.access.keys import MadeKey, ScopeTooWide
from dashboard.domain.access.permissions import OPERATOR_SCOPES, SCOPES
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import spend_limits
from dashboard.domain.funds.spend_limits import LimitId, Spender, changes
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.models import ApiKey, AuditEntry, Organization, SpendLimit, User
from tests.factories import make_org, make_user

pytestmark = pytest.mark.usefixtures("app_context")

OWNERS = SCOPES - OPERATOR_SCOPES
DAY = Cap(Micros(100), "day")


@pytest.fixture
def owner(app_context: object) -> User:
    return make_user()


@pytest.fixture
def org(owner: User) -> Organization:
    return make_org(owner=owner)


def make(org: Organization, *scopes: str, **more: object) -> MadeKey:
    with transaction(org.id):
        return keys.make(org, name="Server", scopes=scopes or ["wallet:charge"], mode="test", by=SYSTEM, **more)  # type: ignore[arg-type]


def rotate(key: ApiKey, user: User, grace: str = "24h", grantable: frozenset[str] = OWNERS) -> MadeKey:
    with transaction(key.org_id):
        return key_changes.rotate(key, grace=grace, by=SYSTEM, made_by=user.id, grantable=grantable)


def set_cap(key: ApiKey, cap: Cap | None) -> None:
    with transaction(key.org_id):
        key_changes.set_cap(key, cap, by=SYSTEM)


def actions(org: Organization) -> list[str]:
    found = db.session.scalars(select(AuditEntry).filter_by(org_id=org.id, object_kind="api_key"))
    return [entry.action for entry in sorted(found, key=lambda entry: entry.id)]


@pytest.mark.parametrize("grace", key_changes.GRACES)
def test_the_old_key_works_for_the_grace_and_the_new_one_at_once(org: Organization, owner: User, grace: str) -> None:
    old = make(org, "wallet:charge", "wallet:read", cap=DAY, made_by=owner.id)
    new = rotate(old.row, owner, grace)
    assert keys.authenticate(new.key).id == new.row.id
    length = key_changes.GRACES[grace]
    if length:
        with clock.at(clock.now() + length - timedelta(seconds=5)):
            assert keys.authenticate(old.key).id == old.row.id
    with clock.at(clock.now() + length), pytest.raises(keys.InvalidKey):
        keys.authenticate(old.key)
    with clock.at(clock.now() + timedelta(days=400)):
        assert keys.authenticate(new.key)
    like = ("name", "scopes", "mode", "limit_id")
    assert [getattr(new.row, name) for name in like] == [getattr(old.row, name) for name in like]
    assert (new.row.replaces_id, new.row.created_by, new.row.expires_at) == (old.row.id, owner.id, None)
    assert actions(org) == ["key.made", "key.rotated"]


def test_a_rotated_key_never_ends_later_than_it_would_have(org: Organization, owner: User) -> None:
    soon = clock.now() + timedelta(hours=2)
    old = make(org, expires_at=soon)
    new = rotate(old.row, owner, "7d")
    assert old.row.expires_at == new.row.expires_at == soon


def test_what_has_ended_or_was_rotated_is_not_rotated(org: Organization, owner: User) -> None:
    revoked, rotated = make(org), make(org)
    with transaction(org.id):
        keys.revoke(revoked.row, by=SYSTEM)
    with pytest.raises(KeyEnded):
        rotate(revoked.row, owner)
    rotate(rotated.row, owner)
    with pytest.raises(KeyRotated):
        rotate(rotated.row, owner)
    expired = make(org)
    rotate(expired.row, owner, "now")
    with pytest.raises(KeyEnded):
        rotate(expired.row, owner)
    with pytest.raises(Invalid):
        rotate(make(org).row, owner, "2d")


def test_of_two_who_rotate_at_the_same_instant_one_does(app: Flask, org: Organization, owner: User) -> None:
    old, user_id, key_id, org_id = make(org), owner.id, None, org.id
    key_id = old.row.id

    def one(_: int) -> str:
        with app.app_context():
            key = keys.find(org_id, key_id)
            assert key
            try:
                with transaction(org_id):
                    key_changes.rotate(key, grace="1h", by=SYSTEM, made_by=user_id, grantable=OWNERS)
            except CofferError as refusal:
                return refusal.code
            return "rotated"

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(one, range(8))) == {"rotated": 1, "key_rotated": 7}


def test_rotating_gives_nobody_a_scope_that_they_may_not_give(org: Organization, owner: User) -> None:
    """An operator's program has a key in the organization: its owner sees it, and must not get at what it may do."""
    for scope in ("wallet:deposit", "platform:grant"):
        operators = make(org, scope, made_by=make_user(manager=True).id)
        by_command = make(org, scope)
        for key in (operators, by_command):
            with pytest.raises(ScopeTooWide):
                rotate(key.row, owner)
        assert rotate(operators.row, make_user(manager=True), grantable=SCOPES).row.scopes == [scope]
    own = make(org, "wallet:deposit", "wallet:charge", made_by=owner.id)  # given to a key whose text the owner has
    assert rotate(own.row, owner).row.scopes == own.row.scopes
    with pytest.raises(ScopeTooWide):
        rotate(make(org, "wallet:read").row, owner, grantable=frozenset({"wallet:charge"}))


def limit_of(key: ApiKey) -> tuple[int, str] | None:
    row = changes.find(key.org_id, key.limit_id)
    return (row.amount, row.window) if row else None


def spend(org: Organization, limit_id: UUID | None, amount: int) -> None:
    assert limit_id
    with transaction(org.id):
        limits = spend_limits.applicable(org, Spender(key=LimitId(org.id, limit_id)), mode="test")
        spend_limits.take(limits, amount=amount, at=clock.now())


def test_a_cap_is_changed_and_goes_on_counting_in_the_same_window(org: Organization) -> None:
    key = make(org, cap=DAY).row
    spend(org, key.limit_id, 60)
    set_cap(key, Cap(Micros(70), "day"))
    assert limit_of(key) == (70, "day")
    with pytest.raises(spend_limits.KeyCapExceeded) as refusal:
        spend(org, key.limit_id, 11)
    assert refusal.value.extra["available_micros"] == 10
    set_cap(key, Cap(Micros(70), "month"))
    spend(org, key.limit_id, 70)
    set_cap(key, None)
    assert key.limit_id is None
    set_cap(key, None)
    rows = db.session.scalars(select(SpendLimit).filter_by(org_id=org.id)).all()
    assert all(row.ended_at for row in rows)
    set_cap(key, DAY)
    assert limit_of(key) == (100, "day")
    assert actions(org) == ["key.made"] + ["key.cap_changed"] * 4


def test_a_cap_holds_for_a_key_and_the_one_in_its_place_together(org: Organization, owner: User) -> None:
    first = make(org).row
    second = rotate(first, owner, "7d").row
    third = rotate(second, owner, "now").row
    other = make(org).row
    set_cap(third, DAY)
    for key in (first, second, third, other):
        db.session.refresh(key)
    assert first.limit_id == third.limit_id is not None
    assert other.limit_id is None
    spend(org, first.limit_id, 60)
    with pytest.raises(spend_limits.KeyCapExceeded):
        spend(org, third.limit_id, 41)
    set_cap(first, Cap(Micros(500), "month"))
    db.session.refresh(third)
    assert limit_of(third) == (500, "month")


def test_what_has_ended_is_not_capped(org: Organization) -> None:
    key = make(org).row
    with transaction(org.id):
        keys.revoke(key, by=SYSTEM)
    with pytest.raises(KeyEnded):
        set_cap(key, DAY)


def test_an_operator_gives_and_takes_operator_scopes_and_no_others(org: Organization) -> None:
    key = make(org, "wallet:charge").row

    def give(*scopes: str, reason: str = "Ticket 5: they take money in their shop") -> None:
        with transaction(org.id):
            key_changes.give_operator_scopes(key, scopes, reason=reason, by=SYSTEM)

    give("wallet:deposit")
    assert key.scopes == ["wallet:charge", "wallet:deposit"]
    give("usage:void")
    assert key.scopes == ["usage:void", "wallet:charge"]
    give("usage:void")
    give()
    assert key.scopes == ["wallet:charge"]
    for scopes, reason in ((["wallet:read"], "x"), (["org:admin"], "x"), (["wallet:deposit"], " ")):
        with pytest.raises(Invalid):
            give(*scopes, reason=reason)
    entries = db.session.scalars(select(AuditEntry).filter_by(org_id=org.id, action="key.scopes_changed")).all()
    assert len(entries) == 3
    assert all(entry.reason and entry.before != entry.after for entry in entries)
    only = make(org, "wallet:deposit").row
    with pytest.raises(Invalid), transaction(org.id):
        key_changes.give_operator_scopes(only, [], reason="x", by=SYSTEM)
