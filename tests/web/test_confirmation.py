"""Acts on rights and money need a sign-in of the last 30 minutes; who has none gives the password in the same form."""

from datetime import timedelta

import pytest
from flask import Flask

from dashboard.core import clock
from dashboard.core.db import db
from dashboard.domain import rate_limits
from dashboard.domain.access import keys
from dashboard.domain.people import passwords, sessions
from tests.concurrency import taken
from tests.factories import PASSWORD
from tests.servers import Servers
from tests.web.people import Person, Team, ready_team, token_in

KEY = {"name": "Nightly", "scopes": "wallet:read"}


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers)


def names(app: Flask, team: Team) -> list[str]:
    with app.app_context():
        return [key.name for key in keys.of_org(team.org_id)]


def post_later(person: Person, path: str, fields: dict[str, str]) -> tuple[int, str]:
    person.sign_in()
    with clock.at(clock.now() + sessions.REAUTHENTICATED + timedelta(minutes=1)):
        answer = person.post(path, fields)
    return answer.status_code, answer.text


def test_an_old_sign_in_is_asked_again_and_keeps_what_was_typed(app: Flask, team: Team) -> None:
    path = f"/o/{team.slug}/keys"
    status, page = post_later(team.owner, path, KEY)
    assert status == 403
    assert "Confirm that it is you" in page
    assert 'name="name" value="Nightly"' in page
    assert 'name="confirm_password"' in page
    assert names(app, team) == []


def test_a_wrong_password_changes_nothing_and_is_not_shown(app: Flask, team: Team) -> None:
    status, page = post_later(team.owner, f"/o/{team.slug}/keys", KEY | {"confirm_password": "not the right one"})
    assert status == 403
    assert "This is not your password." in page
    assert "not the right one" not in page
    assert names(app, team) == []


def test_the_password_in_the_same_form_lets_the_act_go_on(app: Flask, team: Team) -> None:
    assert post_later(team.owner, f"/o/{team.slug}/keys", KEY | {"confirm_password": PASSWORD})[0] == 303
    assert names(app, team) == ["Nightly"]


def test_guesses_are_limited(app: Flask, team: Team) -> None:
    for _ in range(rate_limits.CONFIRM.most):
        assert post_later(team.owner, f"/o/{team.slug}/keys", KEY | {"confirm_password": "wrong"})[0] == 403
    status, page = post_later(team.owner, f"/o/{team.slug}/keys", KEY | {"confirm_password": PASSWORD})
    assert status == 429
    assert 'name="name" value="Nightly"' in page
    assert "Too many tries" in page
    assert names(app, team) == []


def test_what_was_typed_waits_when_too_many_people_sign_in(app: Flask, team: Team) -> None:
    team.owner.sign_in()
    later, path = clock.at(clock.now() + sessions.REAUTHENTICATED + timedelta(minutes=1)), f"/o/{team.slug}/keys"
    with later, taken(passwords._room, passwords._kept):
        page = team.owner.post(path, KEY | {"confirm_password": PASSWORD})
    assert page.status_code == 403
    assert 'name="name" value="Nightly"' in page.text
    assert "Too many people sign in at once" in page.text
    stranger = app.test_client()
    form = {
        "name": "Zoe",
        "email": "zoe@demo.test",
        "password": PASSWORD,
        "csrf_token": token_in(stranger.get("/signup").text),
    }
    with taken(passwords._room):
        page = stranger.post("/signup", data=form)
    assert page.status_code == 503
    assert page.headers["Retry-After"] == "2"
    assert 'value="zoe@demo.test"' in page.text


def test_a_days_guesses_are_limited_too_and_a_new_sign_in_leads_out(app: Flask, team: Team) -> None:
    path, wrong = f"/o/{team.slug}/keys", KEY | {"confirm_password": "wrong"}
    team.owner.sign_in()
    start = clock.now() + sessions.REAUTHENTICATED + timedelta(minutes=1)
    statuses = []
    for n in range(rate_limits.CONFIRM_DAY.most + 5):
        with clock.at(start + timedelta(minutes=4 * n)):
            statuses.append(team.owner.post(path, wrong).status_code)
    assert statuses.count(403) == rate_limits.CONFIRM_DAY.most
    assert Person(app, team.owner.email).post(path, KEY).status_code == 303


def test_granting_credits_asks_too(app: Flask, team: Team) -> None:
    path = f"/admin/orgs/{team.org_id}/grant"
    order = {"amount": "5", "category": "goodwill", "reason": "Sorry", "confirm": "1", "idempotency_key": "k1"}
    assert post_later(team.manager, path, order)[0] == 403
    assert post_later(team.manager, path, order | {"confirm_password": PASSWORD})[0] == 303
    with app.app_context():
        assert db.session.scalar(db.text("SELECT count(*) FROM transactions WHERE type = 'admin_grant'")) >= 1
