"""Keys of those who lose their role: none outlives it, and nobody makes so many that ending them stops everything."""

import sys
from datetime import timedelta
from functools import partial
from itertools import count
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import insert, select

from dashboard.core import clock, crypto, ids
from dashboard.core.db import db, transaction
from dashboard.core.errors import NotFound, TooManyRequests
from dashboard.core.money import Micros
from dashboard.domain import rate_limits
from dashboard.domain.access import key_changes, keys
from dashboard.domain.access.keys import MadeKey, ScopeTooWide, TooManyKeys
from dashboard.domain.access.permissions import PERSONAL_SCOPES, SCOPES, given_by
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.domain.org_status import OrgSuspended
from dashboard.domain.organizations import lifecycle, memberships
from dashboard.domain.platform import user_administration
from dashboard.models import PLATFORM_ORG_ID, ApiKey, Membership, Organization, User
from tests.concurrency import head_on
from tests.factories import add_member, make_org, make_user

ADMINS = given_by("admin")
"""What an admin's request took along from the page's start."""


def make(org: Organization, person: User, *scopes: str) -> MadeKey:
    with transaction(org.id):
        return keys.make(
            org, name="Server", scopes=scopes, mode="test", by=Actor("user", person.id),
            grantable=ADMINS, made_by=person.id,
        )  # fmt: skip


def rotate(key: ApiKey, person: User) -> MadeKey:
    with transaction(key.org_id):
        return key_changes.rotate(
            key, grace="7d", by=Actor("user", person.id), made_by=person.id, grantable=ADMINS
        )  # fmt: skip


def shared_key(org: Organization, *scopes: str) -> ApiKey:
    """An owner's key, which admins may rotate."""
    owner = db.session.scalars(select(User).join(Membership).filter_by(org_id=org.id, role="owner")).first()
    assert owner
    return make(org, owner, *scopes).row


def member(org_id: UUID, user_id: UUID) -> Membership:
    return db.session.scalars(select(Membership).filter_by(org_id=org_id, user_id=user_id, removed_at=None)).one()


def old_keys(org: Organization, person: User, many: int, *, ends_in: timedelta, chained: bool = False) -> list[UUID]:
    """Rows as `many` rotations leave them behind."""
    made, end = [ids.new() for _ in range(many)], clock.now() + ends_in
    rows = [
        {
            "org_id": org.id, "id": key_id, "created_at": clock.now(), "name": "Old", "prefix": "cof_test_…",
            "secret_hash": crypto.digest(str(key_id)), "scopes": ["wallet:charge"], "mode": "test",
            "created_by": person.id, "expires_at": end, "replaces_id": before if chained else None,
        }
        for key_id, before in zip(made, [None, *made], strict=False)
    ]  # fmt: skip
    with transaction(org.id) as session:
        session.execute(insert(ApiKey), rows)
    return made


@pytest.mark.usefixtures("app_context")
def test_who_was_removed_meanwhile_makes_and_rotates_nothing() -> None:
    org = make_org()
    admin, shared = add_member(org, "admin"), shared_key(org, "members:write")
    with transaction(org.id):
        memberships.remove(member(org.id, admin.id), by=SYSTEM)
    with pytest.raises(NotFound):
        make(org, admin, "wallet:charge")
    with pytest.raises(NotFound):
        rotate(shared, admin)


@pytest.mark.usefixtures("app_context")
def test_who_was_demoted_meanwhile_gives_what_the_new_role_may_give() -> None:
    org = make_org()
    admin, shared = add_member(org, "admin"), shared_key(org, "members:write")
    with transaction(org.id):
        memberships.change_role(member(org.id, admin.id), role="member", by=SYSTEM)
    for act in (lambda: make(org, admin, "members:write"), lambda: rotate(shared, admin)):
        with pytest.raises(ScopeTooWide):
            act()
    assert make(org, admin, "wallet:charge").row.scopes == ["wallet:charge"]


@pytest.mark.usefixtures("app_context")
def test_a_manager_who_is_none_any_more_gives_no_operator_scope_in_an_own_organization() -> None:
    boss, other = make_user(manager=True), make_user(manager=True)
    org = make_org(owner=other)
    took_along = SCOPES - PERSONAL_SCOPES  # what the page allowed when it began

    def attempt() -> MadeKey:
        with transaction(org.id):
            return keys.make(
                org, name="x", scopes=["wallet:deposit"], mode="test", by=Actor("user", other.id),
                grantable=took_along, made_by=other.id,
            )  # fmt: skip

    assert attempt().row.scopes == ["wallet:deposit"]
    with transaction(PLATFORM_ORG_ID):
        user_administration.take_role(other, reason="Left", by=Actor("manager", boss.id))
    with pytest.raises(ScopeTooWide):
        attempt()


@pytest.mark.usefixtures("app_context")
def test_who_was_disabled_meanwhile_makes_no_key() -> None:
    org = make_org()
    admin = add_member(org, "admin")
    with transaction(PLATFORM_ORG_ID):
        user_administration.disable(admin, reason="Left", by=SYSTEM)
    with pytest.raises(NotFound):
        make(org, admin, "wallet:charge")


@pytest.mark.usefixtures("app_context")
def test_no_key_is_made_or_rotated_once_the_organization_is_suspended_or_closed() -> None:
    owner = make_user()
    org = make_org(owner=owner)
    shared = shared_key(org, "wallet:read")
    with transaction(org.id):
        lifecycle.suspend(org, reason="Unpaid", by=SYSTEM)
    for act in (lambda: make(org, owner, "wallet:read"), lambda: rotate(shared, owner)):
        with pytest.raises(OrgSuspended):
            act()
    with transaction(org.id):
        lifecycle.close(org, reason="Gone", by=SYSTEM)
    with pytest.raises(NotFound):
        make(org, owner, "wallet:read")


def test_a_removal_and_new_keys_at_once_leave_no_key_behind(app: Flask) -> None:
    with app.app_context():
        org = make_org()
        org_id, people = org.id, [add_member(org, "admin").id for _ in range(15)]
        shared_id = shared_key(org, "wallet:charge").id

    def removal(user_id: UUID) -> str:
        with transaction(org_id):
            memberships.remove(member(org_id, user_id), by=SYSTEM)
        return "removed"

    def making(user_id: UUID) -> str:
        make(db.session.get_one(Organization, org_id), db.session.get_one(User, user_id), "members:write")
        return "made"

    def rotation(user_id: UUID) -> str:
        rotate(db.session.get_one(ApiKey, (org_id, shared_id)), db.session.get_one(User, user_id))
        return "rotated"

    for user_id in people:
        said = head_on(app, *(partial(do, user_id) for do in (removal, making, rotation)))
        assert said[0] == "removed"
        assert said[1] in ("made", "not_found")
    with app.app_context():
        left = db.session.scalars(select(ApiKey).where(ApiKey.created_by.in_(people), keys.living())).all()
        assert left == []


@pytest.mark.usefixtures("app_context")
def test_one_person_has_a_bounded_number_of_working_keys() -> None:
    org = make_org()
    hoarder, other = add_member(org, "admin"), add_member(org, "admin")
    old_keys(org, hoarder, 5, ends_in=timedelta(seconds=-1))
    working = old_keys(org, hoarder, keys.MOST_LIVING - 1, ends_in=timedelta(days=7))
    made = make(org, hoarder, "wallet:charge").row
    with pytest.raises(TooManyKeys):
        make(org, hoarder, "wallet:charge")
    with pytest.raises(TooManyKeys):
        rotate(made, hoarder)
    make(org, other, "wallet:charge")
    with transaction(org.id):
        keys.revoke(made, by=SYSTEM)
    make(org, hoarder, "wallet:charge")
    with transaction(org.id):
        memberships.remove(member(org.id, hoarder.id), by=SYSTEM, end_keys=True)
    revoked = select(ApiKey.id).where(ApiKey.created_by == hoarder.id, ApiKey.revoked_at.is_not(None))
    assert len(db.session.scalars(revoked).all()) == len(working) + 2  # what had expired needs no end


@pytest.mark.usefixtures("app_context")
def test_one_person_makes_a_bounded_number_of_keys_a_day() -> None:
    org = make_org()
    admin, other = add_member(org, "admin"), add_member(org, "admin")
    with transaction(org.id):
        for _ in range(rate_limits.NEW_KEY.most - 2):
            rate_limits.exceeded(rate_limits.NEW_KEY, str(org.id), str(admin.id))
    rotate(make(org, admin, "wallet:charge").row, admin)
    with pytest.raises(TooManyRequests):
        make(org, admin, "wallet:charge")
    make(org, other, "wallet:charge")


@pytest.mark.usefixtures("app_context")
def test_a_cap_of_a_key_that_was_rotated_often_costs_no_more_than_its_chain_is_long() -> None:
    """Looking for the chain once took the square of its length, with the organization locked all the while."""

    def calls(many: int) -> int:
        """How many functions were called for a chain of so many keys."""
        org, seen = make_org(), count()
        made = old_keys(org, add_member(org, "member"), many, ends_in=timedelta(hours=1), chained=True)
        row = db.session.get_one(ApiKey, (org.id, made[many // 2]))
        with transaction(org.id):
            sys.setprofile(lambda *_: next(seen))
            try:
                key_changes.set_cap(row, Cap(Micros(100), "day"), by=SYSTEM)
            finally:
                sys.setprofile(None)
        assert set(db.session.scalars(select(ApiKey.limit_id).filter_by(org_id=org.id))) == {row.limit_id}
        return next(seen)

    calls(10)  # compiles the statements
    assert calls(800) < 5 * calls(200)
