"""Owners who act on each other at the same instant: one who can sign in is always left, and nothing happens twice."""

from collections import Counter
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, update

from dashboard.core import clock, ids
from dashboard.core.db import db, transaction
from dashboard.domain.audit import Actor
from dashboard.domain.organizations import memberships, ownership
from dashboard.domain.people import users
from dashboard.domain.platform import verify
from dashboard.models import Membership, User
from tests.concurrency import head_on
from tests.factories import make_org, make_user


class Arena:
    """One organization whose members are set again for each round."""

    def __init__(self, app: Flask, times: int) -> None:
        self.app, self.times = app, times
        with app.app_context():
            self.people = [make_user() for _ in range(3)]
            self.org_id = make_org(owner=self.people[0]).id
            self.ids = [person.id for person in self.people]

    def rounds(self, *roles: str) -> Iterator[int]:
        for number in range(self.times):
            with self.app.app_context(), transaction(org=self.org_id) as session:
                session.execute(update(Membership).filter_by(org_id=self.org_id).values(removed_at=clock.now()))
                session.execute(update(User).values(disabled_at=None))
                for user_id, role in zip(self.ids, roles, strict=True):
                    session.add(Membership(org_id=self.org_id, id=ids.new(), user_id=user_id, role=role))
            yield number
            with self.app.app_context():
                assert verify.broken(self.org_id) == []

    def roles(self) -> list[str | None]:
        with self.app.app_context():
            return [memberships.role_of(user_id, self.org_id) for user_id in self.ids]

    def _member(self, who: int) -> Membership:
        return db.session.scalars(
            select(Membership).filter_by(org_id=self.org_id, user_id=self.ids[who], removed_at=None)
        ).one()

    def act(self, do: Callable[[Membership, Actor], object], by: int, on: int) -> Callable[[], str]:
        def work() -> str:
            member = self._found[on]
            with transaction(org=self.org_id):
                do(member, Actor("user", self.ids[by]))
            return "done"

        return work

    def look(self) -> None:
        """What both saw on their pages before either acted."""
        with self.app.app_context():
            self._found = [self._member(who) for who in range(len(self.ids))]
            for row in self._found:
                db.session.expunge(row)


@pytest.fixture(params=[15, pytest.param(200, marks=pytest.mark.soak)], ids=["short", "soak"])
def arena(app: Flask, request: pytest.FixtureRequest) -> Arena:
    return Arena(app, request.param)


def remove(member: Membership, by: Actor) -> None:
    memberships.remove(member, by=by)


def demote(member: Membership, by: Actor) -> None:
    memberships.change_role(member, role="member", by=by)


def transfer(member: Membership, by: Actor) -> None:
    ownership.transfer(member, by=by)


@pytest.mark.parametrize("act", [remove, demote])
def test_two_owners_who_act_on_each_other_leave_one(arena: Arena, act: Callable[[Membership, Actor], None]) -> None:
    for _ in arena.rounds("owner", "owner", "viewer"):
        arena.look()
        said = head_on(arena.app, arena.act(act, 0, 1), arena.act(act, 1, 0))
        assert said.count("done") == 1, said
        assert arena.roles()[:2].count("owner") == 1


def test_two_owners_who_leave_at_once_leave_one(arena: Arena) -> None:
    for _ in arena.rounds("owner", "owner", "viewer"):
        arena.look()
        assert sorted(head_on(arena.app, arena.act(remove, 0, 0), arena.act(remove, 1, 1))) == ["done", "last_owner"]


def test_of_two_transfers_at_once_one_happens(arena: Arena) -> None:
    outcomes: Counter[str] = Counter()
    for _ in arena.rounds("owner", "admin", "member"):
        arena.look()
        said = head_on(arena.app, arena.act(transfer, 0, 1), arena.act(transfer, 0, 2))
        outcomes.update(said)
        assert sorted(said) == ["done", "forbidden"]
        assert arena.roles().count("owner") == 1
        assert arena.roles()[0] == "admin"
    assert outcomes == {"done": arena.times, "forbidden": arena.times}


def test_a_transfer_to_somebody_who_leaves(arena: Arena) -> None:
    for _ in arena.rounds("owner", "admin", "member"):
        arena.look()
        handed, left = head_on(arena.app, arena.act(transfer, 0, 1), arena.act(remove, 1, 1))
        assert (handed, left) in {("done", "last_owner"), ("not_found", "done")}
        assert arena.roles().count("owner") == 1


def test_a_transfer_to_somebody_who_is_disabled(arena: Arena) -> None:
    def disable(user_id: UUID) -> Callable[[], str]:
        def work() -> str:
            user = users.by_id(user_id)
            assert user is not None
            with transaction():
                memberships.require_other_owners(user)
                db.session.execute(update(User).where(User.id == user_id).values(disabled_at=clock.now()))
            return "done"

        return work

    for _ in arena.rounds("owner", "admin", "member"):
        arena.look()
        said = head_on(arena.app, arena.act(transfer, 0, 1), disable(arena.ids[1]))
        assert tuple(said) in {("done", "last_owner"), ("cannot_own", "done")}


def test_owners_who_go_and_accounts_that_end(arena: Arena) -> None:
    """One owner leaves while the other's account is disabled."""

    def disable() -> str:
        user = users.by_id(arena.ids[1])
        assert user is not None
        with transaction():
            memberships.require_other_owners(user)
            db.session.execute(update(User).where(User.id == user.id).values(disabled_at=clock.now()))
        return "done"

    for _ in arena.rounds("owner", "owner", "member"):
        arena.look()
        assert sorted(head_on(arena.app, arena.act(remove, 0, 0), disable)) == ["done", "last_owner"]
