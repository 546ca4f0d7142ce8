"""A person's own access tokens: made, shown once, never of more than their person, ended at once."""

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.domain.people import sessions
from dashboard.models import PLATFORM_ORG_ID, AuditEntry, PersonalToken, User
from tests.each import each
from tests.factories import make_token
from tests.servers import Servers
from tests.web.people import Person, Team, hidden, ready_team

TOKEN = re.compile(r"cofp_[\w-]{43}")


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers, funds=1_000_000)


def create(person: Person, **changes: Any) -> Any:
    return person.post("/account/tokens", {"name": "Laptop", "scopes": ["wallet:read"], "expires_at": ""} | changes)


def made(person: Person, **changes: Any) -> tuple[str, str]:
    answer = create(person, **changes)
    assert answer.status_code == 303, answer.text
    where = answer.headers["Location"]
    found = TOKEN.search(person.get(where).text)
    assert found
    return where, found[0]


def call(app: Flask, team: Team, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return app.test_client().get(f"/api/v1/orgs/{team.org_id}/wallet", headers=headers).status_code


def rows(app: Flask) -> list[PersonalToken]:
    with app.app_context():
        return list(db.session.scalars(select(PersonalToken).order_by(PersonalToken.id)))


def test_a_new_token_works_and_is_shown_once(app: Flask, team: Team) -> None:
    assert "No tokens yet" in team.member.get("/account/tokens").text
    where, token = made(team.member)
    assert call(app, team, token) == 200
    again = team.member.get(where)
    assert not TOKEN.search(again.text)
    assert again.headers["Cache-Control"] == "no-store"
    listed = team.member.get("/account/tokens").text
    for words in ("Laptop", "wallet:read", "just now", "from 127.0.0.1", "Active", f"cofp_…{token[-4:]}"):
        assert words in listed
    with app.app_context():
        entry = db.session.scalars(select(AuditEntry).filter_by(action="token.made")).one()
    assert (entry.org_id, entry.actor_kind) == (PLATFORM_ORG_ID, "user")
    assert token not in str(entry.after)


def test_a_token_acts_in_its_persons_organizations_alone(app: Flask, team: Team) -> None:
    _, strangers = made(team.stranger)
    assert call(app, team, strangers) == 404


def test_the_form_offers_what_the_person_may_ever_do(team: Team) -> None:
    def offered(person: Person) -> set[str]:
        return set(re.findall(r'name="scopes" value="([^"]+)"', person.get("/account/tokens/new").text))

    assert {"wallet:read", "wallet:charge", "org:admin"} <= offered(team.member)
    assert not {"platform:read", "platform:grant", "wallet:deposit"} & offered(team.owner)
    assert {"platform:read", "platform:grant", "org:admin"} <= offered(team.manager)
    assert create(team.owner, scopes=["platform:grant"]).status_code == 403
    assert create(team.manager, scopes=["platform:grant"]).status_code == 303


@pytest.mark.parametrize("scope", ["wallet:read", "org:admin"])
def test_making_one_and_ending_one_ask_for_a_recent_sign_in(app: Flask, team: Team, scope: str) -> None:
    where, token = made(team.owner)
    with clock.at(clock.now() + sessions.REAUTHENTICATED + timedelta(minutes=1)):
        answer = create(team.owner, scopes=[scope])
        assert (answer.status_code, "Confirm that it is you" in answer.text) == (403, True)
        assert team.owner.post(f"{where}/revoke").status_code == 403
    assert len(rows(app)) == 1
    assert call(app, team, token) == 200


def test_revoking_asks_first_and_is_audited_once(app: Flask, team: Team) -> None:
    where, token = made(team.owner)
    assert "cannot be undone" in team.owner.get(f"{where}/revoke").text
    assert call(app, team, token) == 200
    for _ in range(2):
        assert team.owner.post(f"{where}/revoke").headers["Location"] == "/account/tokens"
    assert call(app, team, token) == 401
    assert "Revoked" in team.owner.get("/account/tokens").text
    with app.app_context():
        assert len(db.session.scalars(select(AuditEntry).filter_by(action="token.revoked")).all()) == 1


def test_nobody_sees_or_ends_anothers_token(app: Flask, team: Team) -> None:
    where, token = made(team.member)
    for person in (team.owner, team.manager, team.stranger):
        assert person.get(where).status_code == 404
        assert person.get(f"{where}/revoke").status_code == 404
        assert person.post(f"{where}/revoke").status_code == 404
        assert "Laptop" not in person.get("/account/tokens").text
    assert call(app, team, token) == 200
    assert team.owner.client.post("/account/tokens", data={"name": "x"}).status_code == 403  # without the form's token


def test_a_disabled_persons_tokens_are_worthless(app: Flask, team: Team) -> None:
    with app.app_context():
        user = db.session.scalars(select(User).filter_by(name="Member Person")).one()
        token = make_token(user, "wallet:read")
        with transaction():
            user.disabled_at = clock.now()
    assert call(app, team, token) == 401


@each(
    ("field", "value", "words"),
    [
        ("name", " ", "Enter a name"), ("scopes", [], "Choose at least one scope"),
        ("scopes", ["no:such"], "There is no scope"), ("expires_at", "soon", "Enter a date"),
        ("expires_at", "2001-01-01", "already have expired"),
    ],
)  # fmt: skip
def test_odd_entries_are_refused_in_place(app: Flask, team: Team, field: str, value: Any, words: str) -> None:
    answer = create(team.owner, **{field: value})
    assert (answer.status_code, words in answer.text) == (422, True)
    assert not rows(app)


def test_a_form_sent_twice_makes_one_token(app: Flask, team: Team) -> None:
    form = {"idempotency_key": hidden(team.owner.get("/account/tokens/new").text, "idempotency_key")}
    first, second = create(team.owner, **form), create(team.owner, **form)
    assert first.headers["Location"] == second.headers["Location"]
    assert len(rows(app)) == 1
