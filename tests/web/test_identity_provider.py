"""The page on which owners say who vouches for their end users."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from dashboard.core import clock
from dashboard.domain.access import identity_providers
from dashboard.domain.people import sessions
from dashboard.models import IdentityProvider
from tests.factories import PASSWORD
from tests.identity_provider import ISSUER, SECRET, Signer, serving
from tests.servers import Servers
from tests.web.people import Team, make_team, ready_team


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers)


def page(team: Team, more: str = "") -> str:
    return f"/o/{team.slug}/settings/identity{more}"


def form(signer: Signer, **changes: str) -> dict[str, str]:
    shared = signer.algorithm == "HS256"
    keys = {"secret": SECRET} if shared else {"jwks": json.dumps({"keys": [signer.public]})}
    return {"issuer": ISSUER, "algorithm": signer.algorithm, "jwks_url": "", "jwks": "", "secret": ""} | keys | changes


def found(app: Flask, team: Team) -> IdentityProvider | None:
    with app.app_context():
        return identity_providers.find(team.org_id, "test")


def call(app: Flask, token: str) -> int:
    return app.test_client().get("/api/v1/me", headers={"Authorization": f"Bearer {token}"}).status_code


@pytest.mark.parametrize("algorithm", ["RS256", "HS256"])
def test_three_steps_then_a_provider_whose_tokens_work(app: Flask, team: Team, algorithm: str) -> None:
    empty = team.owner.get(page(team)).text
    audience = f"coffer:{team.org_id}:test"
    for words in ("Three steps", "Not set up", audience):
        assert words in empty
    assert "Identity provider" in team.owner.get(f"/o/{team.slug}/settings").text
    signer = Signer(algorithm)
    assert team.owner.post(page(team), form(signer)).status_code == 303
    shown = team.owner.get(page(team)).text
    assert "Three steps" not in shown
    assert "Working" in shown
    assert SECRET not in shown
    assert f'value="{ISSUER}"' in shown
    assert call(app, signer.token(audience)) == 200


def test_a_secret_is_kept_when_it_is_left_empty_and_never_shown(app: Flask, team: Team) -> None:
    signer = Signer("HS256")
    team.owner.post(page(team), form(signer))
    changed = form(signer, secret="", issuer="https://new.example.test")
    assert team.owner.post(page(team), changed).status_code == 303
    assert call(app, signer.token(f"coffer:{team.org_id}:test", iss="https://new.example.test")) == 200
    refused = team.owner.post(page(team), form(signer, secret=SECRET, issuer=" "))
    assert (refused.status_code, SECRET in refused.text) == (422, False)


def test_odd_entries_are_refused_at_their_field_and_kept_but_for_private_keys(app: Flask, team: Team) -> None:
    signer = Signer("ES256")
    private = signer.key.as_dict(private=True)
    odd: list[tuple[dict[str, str], str]] = [
        (form(signer, issuer=""), "Enter the issuer"), (form(signer, algorithm="none"), "Choose one of"),
        (form(signer, jwks="{"), "This is not JSON"), (form(signer, jwks=""), "Give either"),
        (form(signer, jwks_url="https://example.com/keys"), "Give either"), (form(signer, secret=SECRET), "leave the"),
        (form(signer, jwks="", jwks_url="http://example.com/"), "begins with https://"),
        (form(signer, jwks="", jwks_url="https://10.0.0.1/"), "private network"),
        (form(Signer("HS256"), secret="short"), "at least 32 characters"),
        (form(signer, jwks=json.dumps({"keys": [private]})), "One of these is a private key"),
    ]  # fmt: skip
    for fields, words in odd:
        answer = team.owner.post(page(team), fields)
        assert (answer.status_code, words in answer.text) == (422, True), words
        assert str(private["d"]) not in answer.text
    assert 'value="http://example.com/"' in team.owner.post(page(team), odd[6][0]).text
    assert found(app, team) is None


def test_what_came_of_fetching_is_shown(configured: Callable[..., Flask], tmp_path: Path) -> None:
    signer = Signer("ES256")
    with serving(tmp_path, signer) as server:
        app = configured(outgoing=server.settings)
        team = make_team(app)
        server.status = 503
        fields = form(signer, jwks="", jwks_url=server.url)
        assert team.owner.post(page(team), fields).status_code == 303
        shown = team.owner.get(page(team)).text
        assert "No keys yet" in shown
        assert "It answered with status 503" in shown
        server.status = 200
        team.owner.post(page(team, "/fetch"))
        assert "Try again in a minute" in team.owner.get(page(team)).text
        with clock.at(clock.now() + timedelta(seconds=61)):
            team.owner.post(page(team, "/fetch"))
            shown = team.owner.get(page(team)).text
        assert "Working" in shown
        assert "EC <code>k1</code>" in shown
        assert server.asked == 2


def test_saving_and_removing_ask_for_a_recent_sign_in_and_hide_the_secret(app: Flask, team: Team) -> None:
    signer = Signer("HS256")
    team.owner.sign_in()
    with clock.at(clock.now() + sessions.REAUTHENTICATED + timedelta(minutes=1)):
        answer = team.owner.post(page(team), form(signer))
        assert (answer.status_code, "Confirm that it is you" in answer.text) == (403, True)
        assert SECRET not in answer.text
        assert 'name="secret" type="password"' in answer.text
        assert team.owner.post(page(team), form(signer, confirm_password=PASSWORD)).status_code == 303
    with clock.at(clock.now() + 2 * sessions.REAUTHENTICATED + timedelta(minutes=5)):
        assert team.owner.post(page(team, "/remove")).status_code == 403
    assert found(app, team)


def test_removing_asks_first_and_ends_its_tokens(app: Flask, team: Team) -> None:
    signer = Signer()
    team.owner.post(page(team), form(signer))
    token = signer.token(f"coffer:{team.org_id}:test")
    assert call(app, token) == 200
    assert "refused at once" in team.owner.get(page(team, "/remove")).text
    assert team.owner.post(page(team, "/remove")).status_code == 303
    assert (found(app, team), call(app, token)) == (None, 401)


def test_it_is_for_owners_alone(app: Flask, team: Team) -> None:
    signer = Signer()
    team.owner.post(page(team), form(signer))
    people: dict[str, Any] = {"stranger": 404, "viewer": 403, "member": 403, "admin": 403, "manager": 403}
    for name, status in people.items():
        person = getattr(team, name)
        for more in ("", "/remove"):
            assert person.get(page(team, more)).status_code == status
        for more in ("", "/fetch", "/remove"):
            assert person.post(page(team, more), form(Signer("RS256"))).status_code == status
    row = found(app, team)
    assert row
    assert row.algorithm == "ES256"
