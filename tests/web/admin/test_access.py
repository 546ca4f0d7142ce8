"""Platform pages are for platform managers: everyone else is told so, wherever they stand."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard.core import ids
from dashboard.core.db import db
from dashboard.domain.funds import wallets
from dashboard.models import PLATFORM_ORG_ID, User
from tests.each import each
from tests.servers import Servers
from tests.web.people import Person, Team, ready_team

READS = [
    "/admin/", "/admin/live", "/admin/orgs", "/admin/orgs/{org}", "/admin/orgs/{org}/grant", "/admin/orgs/{org}/remove",
    "/admin/users", "/admin/users/{user}", "/admin/users/{user}/grant", "/admin/users/{user}/remove",
    "/admin/webhooks", "/admin/webhooks/{event}", "/admin/webhooks/{event}/live", "/admin/webhooks/{event}/retry",
]  # fmt: skip
WRITES = [
    "/admin/verify", "/admin/orgs/{org}/grant", "/admin/orgs/{org}/remove", "/admin/users/{user}/grant",
    "/admin/users/{user}/remove", "/admin/webhooks/{event}/retry",
]  # fmt: skip


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers, funds=10_000_000)


@pytest.fixture
def places(app: Flask, team: Team) -> dict[str, str]:
    with app.app_context():
        user = db.session.query(User).filter_by(name="Olga Owner").one()
        return {"org": str(team.org_id), "user": str(user.id), "event": str(ids.new())}


@each("role", ["owner", "admin", "member", "viewer", "stranger"])
def test_pages_are_for_platform_managers_alone(team: Team, places: dict[str, str], role: str) -> None:
    person: Person = getattr(team, role)
    assert [person.get(path.format(**places)).status_code for path in READS] == [403] * len(READS)


@each("role", ["owner", "admin", "member", "viewer", "stranger"])
def test_acts_are_for_platform_managers_alone(team: Team, places: dict[str, str], role: str) -> None:
    person: Person = getattr(team, role)
    form = {"amount": "5", "category": "goodwill", "reason": "mine", "confirm": "1"}
    assert [person.post(path.format(**places), form).status_code for path in WRITES] == [403] * len(WRITES)


def test_nobody_signed_in_is_asked_to(client: FlaskClient, places: dict[str, str]) -> None:
    for path in READS:
        answer = client.get(path.format(**places))
        assert (answer.status_code, "/login" in answer.headers["Location"]) == (303, True)
    for path in WRITES:  # without a session there is no token either
        assert client.post(path.format(**places), data={"amount": "5"}).status_code in (303, 403)


def test_a_form_without_its_token_moves_nothing(app: Flask, team: Team, places: dict[str, str]) -> None:
    for path in WRITES:
        form = {"amount": "5", "category": "goodwill", "reason": "x", "confirm": "1"}
        assert team.manager.client.post(path.format(**places), data=form).status_code == 403
    with app.app_context():
        assert wallets.of_organization(team.org_id, "test").balance == 10_000_000


def test_what_is_not_there_is_not_found(team: Team) -> None:
    absent = str(ids.new())
    paths = [path.format(org=absent, user=absent, event=absent) for path in READS if "{" in path]
    paths += [f"/admin/orgs/{PLATFORM_ORG_ID}", f"/admin/orgs/{PLATFORM_ORG_ID}/grant", "/admin/orgs/nonsense"]
    assert [team.manager.get(path).status_code for path in paths] == [404] * len(paths)
