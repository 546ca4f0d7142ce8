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


class Tenants:
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
def tenants(app: Flask) -> Tenants:
    return Tenants(app)


def test_disabling_works_at_once_and_the_team_can_see_it(tenants: Tenants) -> None:
    assert 'name="reason"' in tenants.boss.get(tenants.path("disable")).text
    assert tenants.boss.post(tenants.path("disable"), WHY).status_code == 303
    assert tenants.ada.get("/account").status_code == 303
    page = tenants.boss.get(f"/admin/users/{tenants.ada_id}").text
    assert "/enable" in page
    assert "/disable" not in page
    assert {("user.disabled", False), ("member.disabled", True)} <= tenants.actions()
    assert tenants.boss.post(tenants.path("enable"), WHY).status_code == 303
    assert Person(tenants.app, "ada@demo.test").get("/account").status_code == 200


def test_a_manager_signs_a_person_out_everywhere(tenants: Tenants) -> None:
    assert tenants.boss.post(tenants.path("sessions"), WHY).status_code == 303
    assert tenants.ada.get("/account").status_code == 303
    assert tenants.boss.get("/account").status_code == 200
    assert ("user.sessions_ended", False) in tenants.actions()
    assert Person(tenants.app, "ada@demo.test").get("/account").status_code == 200


def test_each_act_needs_a_reason_and_a_recent_sign_in(tenants: Tenants) -> None:
    for act in ("sessions", "factor", "disable", "enable", "promote", "demote", "erase"):
        assert tenants.boss.post(tenants.path(act), {"reason": " ", "email": "ada@demo.test"}).status_code == 422, act
    with clock.at(clock.now() + sessions.REAUTHENTICATED + timedelta(minutes=1)):
        assert tenants.boss.post(tenants.path("disable"), WHY).status_code == 403
    assert tenants.ada.get("/account").status_code == 200


def test_a_manager_switches_no_second_factor_of_their_own_off_here(tenants: Tenants) -> None:
    assert tenants.boss.post(f"/admin/users/{tenants.boss_id}/factor", WHY).status_code == 409


def test_others_cannot(tenants: Tenants) -> None:
    for act in ("sessions", "disable", "promote", "erase"):
        assert tenants.ada.post(f"/admin/users/{tenants.boss_id}/{act}", WHY).status_code == 403
    assert tenants.boss.get("/account").status_code == 200


def test_refusals_are_said_in_the_form(tenants: Tenants) -> None:
    answer = tenants.boss.post(f"/admin/users/{tenants.boss_id}/disable", WHY)
    assert answer.status_code == 409
    assert "This is your own account" in answer.text
    assert "Ticket 4821" in answer.text


def test_the_role_is_given_and_taken(tenants: Tenants) -> None:
    assert tenants.boss.post(tenants.path("promote"), WHY).status_code == 303
    assert Person(tenants.app, "ada@demo.test").get("/admin/").status_code == 200
    assert tenants.boss.post(tenants.path("demote"), WHY).status_code == 303
    assert Person(tenants.app, "ada@demo.test").get("/admin/").status_code == 403


def test_erasing_takes_the_typed_address(tenants: Tenants) -> None:
    assert tenants.boss.post(tenants.path("erase"), WHY | {"email": "x@demo.test"}).status_code == 422
    assert tenants.boss.post(tenants.path("erase"), WHY | {"email": " ADA@demo.test"}).status_code == 303
    page = tenants.boss.get(f"/admin/users/{tenants.ada_id}").text
    assert "Erased person" in page
    assert "Lovelace" not in page
    assert tenants.boss.get(tenants.path("enable")).status_code == 404
    assert tenants.ada.get("/account").status_code == 303
    assert tenants.boss.get("/admin/mail").status_code == 200


def test_people_erase_themselves(tenants: Tenants) -> None:
    assert "Erase account" in tenants.ada.get("/account/erase").text
    assert tenants.ada.post("/account/erase", {"email": "x"}).status_code == 422
    with clock.at(clock.now() + sessions.REAUTHENTICATED + timedelta(minutes=1)):
        assert tenants.ada.post("/account/erase", {"email": "ada@demo.test"}).status_code == 403
    answer = tenants.ada.post("/account/erase", {"email": "ada@demo.test"})
    assert answer.location == "/login"
    assert "Your account is erased." in tenants.ada.get("/login").text
    assert tenants.ada.get("/account").status_code == 303
    with tenants.app.app_context():
        found = users.by_id(tenants.ada_id)
        assert found is not None
        assert found.name == "Erased person"
