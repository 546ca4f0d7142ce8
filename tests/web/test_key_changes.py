"""Keys on pages after they were made: rotated, capped, given an operator's scopes; and the form that is sent twice."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core import clock, ids
from dashboard.core.db import db, transaction
from dashboard.domain.access import key_changes, keys
from dashboard.domain.people import sessions
from dashboard.models import ApiKey, AuditEntry, Organization, User
from dashboard.web.keys import edit
from tests.factories import make_key
from tests.servers import Servers
from tests.web.people import Person, Team, hidden, make_team, ready_team
from tests.web.test_keys import KEY, all_keys, create, made


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers, funds=1_000_000_000)


def call(app: Flask, team: Team, key: str, micros: int = 0) -> int:
    """What a program with this key gets: reading, or charging `micros`."""
    path, headers = f"/api/v1/orgs/{team.org_id}/wallet", {"Authorization": f"Bearer {key}"}
    client = app.test_client()
    if not micros:
        return client.get(path, headers=headers).status_code
    return client.post(path, headers=headers, json={"operation": "charge", "amount_micros": micros}).status_code


def test_rotating_shows_a_new_key_once_and_the_old_one_ends_later(app: Flask, team: Team) -> None:
    where, old = made(team.owner, team)
    asked = team.owner.get(f"{where}/rotate")
    assert "In 24 hours" in asked.text
    answer = team.owner.post(f"{where}/rotate", {"grace": "1h"})
    there = answer.headers["Location"]
    assert (answer.status_code, there != where) == (303, True)
    shown = KEY.search(team.owner.get(there).text)
    assert shown
    assert shown[0] != old
    assert not KEY.search(team.owner.get(there).text)
    assert [call(app, team, key) for key in (old, shown[0])] == [200, 200]
    page = team.owner.get(where).text
    assert "Replaced" in page
    assert "Rotate key" not in page
    assert "Revoke key" in page
    with clock.at(clock.now() + timedelta(hours=1)):
        assert [call(app, team, key) for key in (old, shown[0])] == [401, 200]
    assert "rotated already" in team.owner.post(f"{where}/rotate", {"grace": "1h"}).text


def test_rotating_is_for_those_who_may_know_the_key(app: Flask, team: Team) -> None:
    owners, _ = made(team.owner, team, scopes=["wallet:charge"])
    members, _ = made(team.member, team, scopes=["wallet:charge"])
    operators, _ = made(team.manager, team, scopes=["wallet:deposit"])
    form = {"grace": "now"}
    for person in (team.stranger, team.viewer):
        assert person.post(f"{owners}/rotate", form).status_code == 404
    assert team.member.post(f"{owners}/rotate", form).status_code == 404
    assert team.manager.get(f"{owners}/rotate").status_code == 403
    assert team.manager.post(f"{owners}/rotate", form).status_code == 403
    refused = team.owner.post(f"{operators}/rotate", form)
    assert (refused.status_code, "made by the platform" in refused.text) == (403, True)
    assert "Rotate key" not in team.owner.get(operators).text
    assert "Rotate key" not in team.manager.get(owners).text
    assert len(all_keys(app)) == 3
    assert team.member.post(f"{members}/rotate", form).status_code == 303
    assert team.admin.post(f"{owners}/rotate", form).status_code == 303
    assert team.manager.post(f"{operators}/rotate", form).status_code == 303


@pytest.mark.parametrize("act", ["rotate", "cap", "operator-scopes", "call-limit"])
def test_what_changes_a_key_asks_for_a_recent_sign_in(app: Flask, team: Team, act: str) -> None:
    where, _ = made(team.owner, team)
    person = (team.manager if act in ("operator-scopes", "call-limit") else team.owner).sign_in()
    form = {"grace": "now", "cap": "5", "cap_window": "day", "reason": "x", "scopes": "wallet:deposit"}
    with clock.at(clock.now() + sessions.REAUTHENTICATED + timedelta(minutes=1)):
        answer = person.post(f"{where}/{act}", form)
        assert answer.status_code == 403
        assert "Confirm that it is you" in answer.text
        assert team.owner.post(f"{where}/revoke").status_code == 403
    [key] = all_keys(app)
    assert (key.limit_id, key.scopes) == (None, ["wallet:read"])


def test_a_cap_is_set_with_the_key_shown_and_kept(app: Flask, team: Team) -> None:
    with clock.at(datetime(2026, 11, 20, 12, tzinfo=UTC)):
        team = make_team(app, funds=1_000_000_000)
        with app.app_context(), transaction():
            for user in db.session.scalars(select(User)):
                user.timezone = "Europe/Berlin"
        where, key = made(team.owner, team, scopes=["wallet:charge"], cap="2.50", cap_window="month")
        assert call(app, team, key, 2_000_000) == 201
        assert call(app, team, key, 500_001) == 402
        page = team.owner.get(where).text
        assert re.search(r'title="\$2.000000">\$2.00</span> of \$2.50 spent this month', page)
        assert "1 Dec 2026, 00:00 UTC (01:00 for you)" in page
        listed = team.owner.get(f"/o/{team.slug}/keys").text
        assert "$2.00</span> of $2.50" in listed
        assert 'value="2.5"' in team.owner.get(f"{where}/cap").text
        assert team.owner.post(f"{where}/cap", {"cap": "3", "cap_window": "month"}).status_code == 303
        assert call(app, team, key, 1_000_000) == 201
        assert "Cap reached" in team.owner.get(where).text
        assert team.admin.post(f"{where}/cap", {"cap": "", "cap_window": "month"}).status_code == 303
        assert call(app, team, key, 1_000_000) == 201
        assert "it can spend the whole balance" in team.owner.get(where).text


def test_caps_are_changed_by_owner_and_admin_alone(app: Flask, team: Team) -> None:
    where, _ = made(team.member, team, scopes=["wallet:charge"], cap="1", cap_window="day")
    form = {"cap": "100", "cap_window": "day"}
    for person, status in ((team.stranger, 404), (team.viewer, 404), (team.member, 403), (team.manager, 403)):
        assert person.get(f"{where}/cap").status_code == status
        assert person.post(f"{where}/cap", form).status_code == status
    assert "Change cap" not in team.member.get(where).text
    assert "Change cap" in team.admin.get(where).text
    with app.app_context():
        actions = list(db.session.scalars(select(AuditEntry.action).filter_by(object_kind="api_key")))
    assert actions == ["key.made"]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"cap": "-1", "cap_window": "day"}, "amount"),
        ({"cap": "much", "cap_window": "day"}, "amount"),
        ({"cap": "1", "cap_window": "year"}, "Choose day, week or month"),
    ],
)
def test_odd_caps_are_refused_in_place(app: Flask, team: Team, form: dict[str, str], words: str) -> None:
    where, _ = made(team.owner, team)
    answer = team.owner.post(f"{where}/cap", form, htmx=True)
    assert answer.status_code == 422
    assert words in answer.text
    assert f'value="{form["cap"]}"' in answer.text
    answer = create(team.owner, team, **form)
    assert (answer.status_code, words in answer.text) == (422, True)
    assert [key.limit_id for key in all_keys(app)] == [None]


def test_operator_scopes_are_given_by_a_manager_and_told_to_the_organization(app: Flask, team: Team) -> None:
    where, _ = made(team.owner, team, scopes=["wallet:charge"])
    form = {"scopes": "wallet:deposit", "reason": "Ticket 12: their shop takes money"}
    for person in (team.owner, team.admin):
        assert person.get(f"{where}/operator-scopes").status_code == 403
        assert person.post(f"{where}/operator-scopes", form).status_code == 403
    for person in (team.stranger, team.member, team.viewer):
        assert person.post(f"{where}/operator-scopes", form).status_code == 404
    assert "Operator scopes" not in team.owner.get(where).text
    assert "Operator scopes" in team.manager.get(where).text
    assert team.manager.post(f"{where}/operator-scopes", form | {"reason": ""}).status_code == 422
    assert team.manager.post(f"{where}/operator-scopes", form | {"scopes": "wallet:read"}).status_code == 422
    assert team.manager.post(f"{where}/operator-scopes", form).status_code == 303
    assert all_keys(app)[0].scopes == ["wallet:charge", "wallet:deposit"]
    with app.app_context():
        entry = db.session.scalars(select(AuditEntry).filter_by(action="key.scopes_changed")).one()
    assert (entry.org_id, entry.actor_kind, entry.reason) == (team.org_id, "manager", form["reason"])
    assert team.owner.post(f"{where}/rotate", {"grace": "now"}).status_code == 303  # whose text the owner knows


def test_a_manager_sets_how_often_a_key_may_call(app: Flask, team: Team) -> None:
    where, _ = made(team.owner, team)
    form = {"call_limit": "1,000", "reason": "Ticket 13: a large shop"}
    assert team.owner.post(f"{where}/call-limit", form).status_code == 403
    assert "Limit of calls" not in team.owner.get(where).text
    for odd in ("0", "-1", "x", "1000001", "9" * 30, "1.5"):
        refused = team.manager.post(f"{where}/call-limit", form | {"call_limit": odd})
        assert refused.status_code == 422, odd
        assert form["reason"] in refused.text
    assert team.manager.post(f"{where}/call-limit", form | {"reason": ""}).status_code == 422
    assert team.manager.post(f"{where}/call-limit", form).status_code == 303
    assert "1,000 in any 2 seconds" in team.owner.get(where).text
    with app.app_context():
        entry = db.session.scalars(select(AuditEntry).filter_by(action="key.call_limit_changed")).one()
    assert (entry.org_id, entry.actor_kind, entry.reason) == (team.org_id, "manager", form["reason"])
    assert (entry.before, entry.after) == ({"call_limit": None}, {"call_limit": 1_000})
    team.owner.post(f"{where}/rotate", {"grace": "7d"})
    assert [one.call_limit for one in all_keys(app)] == [1_000, 1_000]
    assert team.manager.post(f"{where}/call-limit", form | {"call_limit": ""}).status_code == 303
    assert "1,000 in any" not in team.owner.get(where).text


def test_a_form_sent_twice_makes_one_key(app: Flask, team: Team) -> None:
    form = {"idempotency_key": hidden(team.owner.get(f"/o/{team.slug}/keys/new").text, "idempotency_key")}
    first, second = create(team.owner, team, **form), create(team.owner, team, **form)
    assert first.headers["Location"] == second.headers["Location"]
    assert KEY.search(team.owner.get(first.headers["Location"]).text)
    assert len(all_keys(app)) == 1
    # What one person's form chose is nothing to another's, and what no form of ours chose is not taken.
    for person, chosen in ((team.admin, form["idempotency_key"]), (team.owner, "x"), (team.owner, str(_old_id()))):
        assert create(person, team, idempotency_key=chosen).headers["Location"] != first.headers["Location"]
    assert len(all_keys(app)) == 4


def _old_id() -> Any:
    with clock.at(clock.now() - timedelta(days=30)):
        return ids.new()


def test_a_form_sent_twice_at_the_same_instant_makes_one_key(app: Flask, team: Team) -> None:
    form = {"name": "Twice", "scopes": "wallet:read", "idempotency_key": str(ids.new())}

    def send(person: Person) -> str:
        return person.post(f"/o/{team.slug}/keys", form).headers["Location"]

    team.owner.get("/no-organization")  # first views at once would each make the session's token
    with ThreadPoolExecutor(4) as pool:
        places = set(pool.map(send, [team.owner] * 4))
    assert len(places) == len(all_keys(app)) == 1


def test_a_suspended_organization_changes_no_key(app: Flask, team: Team) -> None:
    where, _ = made(team.owner, team)
    with app.app_context():
        org = db.session.get_one(Organization, team.org_id)
        with transaction(org.id):
            org.suspended_at = clock.now()
    for act in ("rotate", "cap"):
        assert team.owner.post(f"{where}/{act}", {"grace": "now"}).status_code == 403
    page = team.owner.get(where).text
    assert "Rotate key" not in page
    assert "Revoke key" in page


def test_who_revoked_a_key_is_told(app: Flask, team: Team) -> None:
    where, _ = made(team.owner, team)
    team.admin.post(f"{where}/revoke")
    assert re.search(r"Revoked</dt><dd>.* by Admin Person", team.owner.get(where).text)
    with app.app_context():
        made_key = make_key(db.session.get_one(Organization, team.org_id), "wallet:read")
        row = keys.authenticate(made_key)
        assert isinstance(row, ApiKey)
        assert row.revoked_by is None


def test_the_form_offers_every_grace_there_is() -> None:
    assert set(edit.GRACES) == set(key_changes.GRACES)
