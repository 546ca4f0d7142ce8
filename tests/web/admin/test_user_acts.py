"""The acts of a platform manager on a person, and of a person on the own account's end."""

from datetime import timedelta

import pytest
from flask import Flask

from dashboard.core import clock
from dashboard.core.db import db
from dashboard.domain.people import sessions, users
from dashboard.models import AuditEntry
from tests.factories import add_member, make_org, make_user
from tests.web.people import Person

WHY = {"reason": "Ticket 4821"}


class World:
    def __init__(self, app: Flask) -> None:
        self.app = app
        with app.app_context():
            self.boss_id = make_user("boss@demo.test", manager=True).id
            ada = make_user("ada@demo.test", name="Ada Lovelace")
            self.ada_id, self.org_id = ada.id, make_org().id
            add_member(db.session.get_one(type(make_org()), self.org_id), "member", user=ada)
        self.boss, self.ada = Person(app, "boss@demo.test"), Person(app, "ada@demo.test")

    def path(self, act: str) -> str:
        return f"/admin/users/{self.ada_id}/{act}"

    def actions(self) -> set[tuple[str, bool]]:
        """What the trail tells, and whether in the person's team."""
        with self.app.app_context():
            return {(one.action, one.org_id == self.org_id) for one in db.session.scalars(db.select(AuditEntry))}


@pytest.fixture
def world(app: Flask) -> World:
    return World(app)


def test_disabling_works_at_once_and_the_team_can_see_it(world: World) -> None:
    assert 'name="reason"' in world.boss.get(world.path("disable")).text
    assert world.boss.post(world.path("disable"), WHY).status_code == 303
    assert world.ada.get("/account").status_code == 303
    page = world.boss.get(f"/admin/users/{world.ada_id}").text
    assert "/enable" in page
    assert "/disable" not in page
    assert {("user.disabled", False), ("member.disabled", True)} <= world.actions()
    assert world.boss.post(world.path("enable"), WHY).status_code == 303
    assert Person(world.app, "ada@demo.test").get("/account").status_code == 200


def test_a_manager_signs_a_person_out_everywhere(world: World) -> None:
    assert world.boss.post(world.path("sessions"), WHY).status_code == 303
    assert world.ada.get("/account").status_code == 303
    assert world.boss.get("/account").status_code == 200
    assert ("user.sessions_ended", False) in world.actions()
    assert Person(world.app, "ada@demo.test").get("/account").status_code == 200


def test_each_act_needs_a_reason_and_a_recent_sign_in(world: World) -> None:
    for act in ("sessions", "factor", "disable", "enable", "promote", "demote", "erase"):
        assert world.boss.post(world.path(act), {"reason": " ", "email": "ada@demo.test"}).status_code == 422, act
    with clock.at(clock.now() + sessions.REAUTHENTICATED + timedelta(minutes=1)):
        assert world.boss.post(world.path("disable"), WHY).status_code == 403
    assert world.ada.get("/account").status_code == 200


def test_a_manager_switches_no_second_factor_of_their_own_off_here(world: World) -> None:
    assert world.boss.post(f"/admin/users/{world.boss_id}/factor", WHY).status_code == 409


def test_others_cannot(world: World) -> None:
    for act in ("sessions", "disable", "promote", "erase"):
        assert world.ada.post(f"/admin/users/{world.boss_id}/{act}", WHY).status_code == 403
    assert world.boss.get("/account").status_code == 200


def test_refusals_are_said_in_the_form(world: World) -> None:
    answer = world.boss.post(f"/admin/users/{world.boss_id}/disable", WHY)
    assert answer.status_code == 409
    assert "This is your own account" in answer.text
    assert "Ticket 4821" in answer.text


def test_the_role_is_given_and_taken(world: World) -> None:
    assert world.boss.post(world.path("promote"), WHY).status_code == 303
    assert Person(world.app, "ada@demo.test").get("/admin/").status_code == 200
    assert world.boss.post(world.path("demote"), WHY).status_code == 303
    assert Person(world.app, "ada@demo.test").get("/admin/").status_code == 403


def test_erasing_takes_the_typed_address(world: World) -> None:
    assert world.boss.post(world.path("erase"), WHY | {"email": "x@demo.test"}).status_code == 422
    assert world.boss.post(world.path("erase"), WHY | {"email": " ADA@demo.test"}).status_code == 303
    page = world.boss.get(f"/admin/users/{world.ada_id}").text
    assert "Erased person" in page
    assert "Lovelace" not in page
    assert world.boss.get(world.path("enable")).status_code == 404
    assert world.ada.get("/account").status_code == 303
    assert world.boss.get("/admin/mail").status_code == 200


def test_people_erase_themselves(world: World) -> None:
    assert "Erase account" in world.ada.get("/account/erase").text
    assert world.ada.post("/account/erase", {"email": "x"}).status_code == 422
    with clock.at(clock.now() + sessions.REAUTHENTICATED + timedelta(minutes=1)):
        assert world.ada.post("/account/erase", {"email": "ada@demo.test"}).status_code == 403
    answer = world.ada.post("/account/erase", {"email": "ada@demo.test"})
    assert answer.location == "/login"
    assert "Your account is erased." in world.ada.get("/login").text
    assert world.ada.get("/account").status_code == 303
    with world.app.app_context():
        found = users.by_id(world.ada_id)
        assert found is not None
        assert found.name == "Erased person"
