"""Suspending, closing, reopening and overdrafts by platform managers, on the page and by program."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core import clock, ids
from dashboard.core.db import db
from dashboard.domain.people import sessions
from dashboard.models import AuditEntry, Organization
from tests import factories
from tests.each import each
from tests.servers import Servers
from tests.web.people import Team, ready_team


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers, funds=2_000_000)


def org_of(app: Flask, team: Team) -> Organization:
    with app.app_context():
        return db.session.get_one(Organization, team.org_id)


def act(team: Team, name: str, reason: str = "Ticket 4821") -> Any:
    return team.manager.post(f"/admin/orgs/{team.org_id}/{name}", {"reason": reason})


def test_a_suspension_is_told_where_its_people_are(app: Flask, team: Team) -> None:
    dialog = team.manager.get(f"/admin/orgs/{team.org_id}/suspend", htmx=True).text
    assert "403 org_suspended" in dialog
    assert "<html" not in dialog
    with clock.at(clock.now() + sessions.REAUTHENTICATED + timedelta(minutes=1)):
        assert act(team, "suspend").status_code == 403
    answer = act(team, "suspend")
    assert answer.location == f"/admin/orgs/{team.org_id}"
    assert "Acme is suspended." in team.manager.get(answer.location).text
    assert "Lift suspension" in team.manager.get(answer.location).text
    for person in (team.owner, team.viewer):
        assert "This organization is suspended" in person.get(f"/o/{team.slug}/").text
    assert "Ticket 4821" in team.owner.get(f"/o/{team.slug}/audit").text
    act(team, "unsuspend")
    assert "This organization is suspended" not in team.owner.get(f"/o/{team.slug}/").text


def test_closing_hides_it_and_reopening_brings_it_back(app: Flask, team: Team) -> None:
    assert "$2.00" in team.manager.get(f"/admin/orgs/{team.org_id}/close").text
    act(team, "close")
    assert team.owner.get(f"/o/{team.slug}/").status_code == 404
    page = team.manager.get(f"/admin/orgs/{team.org_id}").text
    assert "Closed" in page
    assert "Reopen" in page
    assert "/suspend" not in page
    act(team, "reopen")
    assert team.owner.get(f"/o/{team.slug}/").status_code == 200


@each("name", ["suspend", "close"])
@each("reason", ["", " ", "x" * 501])
def test_each_takes_a_reason(app: Flask, team: Team, name: str, reason: str) -> None:
    answer = act(team, name, reason)
    assert answer.status_code == 422
    assert "Give a reason" in answer.text
    assert (org_of(app, team).suspended_at, org_of(app, team).closed_at) == (None, None)


def test_managers_alone_stop_an_organization(app: Flask, team: Team) -> None:
    for person in (team.owner, team.admin, team.stranger):
        for name in ("suspend", "close", "overdraft"):
            assert person.post(f"/admin/orgs/{team.org_id}/{name}", {"reason": "x", "amount": "5"}).status_code == 403
    assert (org_of(app, team).suspended_at, org_of(app, team).closed_at) == (None, None)


def test_an_overdraft_is_set_with_a_reason(app: Flask, team: Team) -> None:
    path = f"/admin/orgs/{team.org_id}/overdraft"
    for amount in ("", "-1", "1e3", "x"):
        assert team.manager.post(path, {"amount": amount, "reason": "Contract"}).status_code == 422
    assert team.manager.post(path, {"amount": "25", "reason": ""}).status_code == 422
    assert team.manager.post(path, {"amount": "25", "reason": "Contract"}).status_code == 303
    assert "down to −$25.00" in team.owner.get(f"/o/{team.slug}/settings").text
    assert team.manager.post(path, {"amount": "0", "reason": "Over"}).status_code == 303
    with app.app_context():
        assert factories.wallet_of(org_of(app, team)).overdraft_limit == 0


def test_programs_of_the_operator_set_terms(app: Flask, team: Team) -> None:
    with app.app_context():
        token = factories.make_token(factories.make_user(manager=True), "platform:read", "platform:grant")
        reader = factories.make_token(factories.make_user(manager=True), "platform:read")
        fresh = factories.make_org("Fresh")

    def call(method: str, org_id: Any, body: Any = None, bearer: str = token) -> Any:
        headers = {"Authorization": f"Bearer {bearer}"}
        return app.test_client().open(f"/admin/api/v1/orgs/{org_id}", method=method, json=body, headers=headers)

    told = call("PATCH", team.org_id, {"suspended": True, "overdraft_limit_micros": 5, "reason": "Ticket 7"}).get_json()
    assert told["suspended_at"]
    assert told["overdraft_limit_micros"] == 5
    assert call("GET", team.org_id, bearer=reader).get_json() == told
    because = {"reason": "Ticket 8"}
    for body in ({"suspended": False}, {"overdraft_limit_micros": 0}, {"funding": "own"}):
        assert call("PATCH", fresh.id, body).get_json()["errors"][0]["field"] == "reason"
    assert call("PATCH", team.org_id, {"suspended": False} | because).get_json()["suspended_at"] is None
    assert call("PATCH", fresh.id, {"funding": "own"} | because).get_json()["funding"] == "own"
    moved = call("PATCH", team.org_id, {"funding": "own", "suspended": True} | because)
    assert (moved.status_code, moved.get_json()["code"]) == (409, "funds_moved")
    assert call("GET", team.org_id).get_json()["suspended_at"] is None  # all of it or nothing
    for body in ({"overdraft_limit_micros": -1}, {"suspended": "yes"}, {"funding": "x"}, {"suspended": None}, {"x": 1}):
        assert call("PATCH", team.org_id, body | because).status_code == 422
    assert call("PATCH", team.org_id, {"suspended": True} | because, reader).status_code == 403
    assert call("GET", ids.new()).status_code == 404
    with app.app_context():
        rows = db.session.scalars(select(AuditEntry).filter_by(org_id=team.org_id, actor_kind="manager"))
        assert {(row.action, row.reason) for row in rows} >= {
            ("organization.suspended", "Ticket 7"), ("overdraft.changed", "Ticket 7"),
            ("organization.unsuspended", "Ticket 8"), ("organization.visited", None),
        }  # fmt: skip
