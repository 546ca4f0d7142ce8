"""External keys on the platform's pages: set with a reason; those that owners had set are confirmed or cleared."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from dashboard.core import clock
from dashboard.core.db import transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.organizations import organizations
from dashboard.domain.people import sessions
from dashboard.domain.platform import external_keys
from dashboard.models import OrgDirectory
from tests.factories import make_org
from tests.servers import Servers
from tests.web.people import Team, ready_team


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers)


def key_of(app: Flask, team: Team) -> tuple[str | None, bool]:
    with app.app_context():
        org = organizations.by_id(team.org_id)
        assert org
        row = external_keys.of(org)
        return row.external_key, row.external_key_confirmed_at is not None


def set_by_owner(app: Flask, team: Team, key: str) -> None:
    """As it was before only operators could."""
    with app.app_context(), transaction(org=team.org_id) as session:
        session.execute(update(OrgDirectory).filter_by(org_id=team.org_id).values(external_key=key))


def test_a_manager_sets_it_with_a_reason_and_a_fresh_sign_in(app: Flask, team: Team) -> None:
    path = f"/admin/orgs/{team.org_id}/external-key"
    good = {"external_key": "crm-4821", "reason": "Signed today"}
    with app.app_context():
        other = make_org("Other")
        with transaction(org=other.id):
            external_keys.assign(other, "crm-1", reason="x", by=SYSTEM)
    for changed, status, words in (
        ({"reason": ""}, 422, "Give a reason"), ({"external_key": "a b"}, 422, "such as crm-4821"),
        ({"external_key": "crm-1"}, 409, f"The organization {other.id} has this external key"),
    ):  # fmt: skip
        answer = team.manager.post(path, good | changed)
        assert (answer.status_code, words in answer.text) == (status, True)
        assert f'value="{(good | changed)["external_key"]}"' in answer.text
    with clock.at(clock.now() + sessions.REAUTHENTICATED + timedelta(minutes=1)):
        assert team.manager.post(path, good).status_code == 403
    assert key_of(app, team) == (None, False)
    assert team.manager.post(path, good).location == f"/admin/orgs/{team.org_id}"
    assert key_of(app, team) == ("crm-4821", True)
    assert "crm-4821" in team.manager.get(f"/admin/orgs/{team.org_id}").text
    assert "crm-4821" in team.owner.get(f"/o/{team.slug}/settings").text
    assert "Signed today" in team.owner.get(f"/o/{team.slug}/audit").text
    assert "Acme" in team.manager.get("/admin/orgs?q=crm-4821").text


def test_an_owners_form_does_not_set_it(app: Flask, team: Team) -> None:
    assert "external_key" not in team.owner.get(f"/o/{team.slug}/settings").text
    assert team.owner.post(f"/o/{team.slug}/settings", {"external_key": "crm-4821"}).status_code == 303
    assert key_of(app, team) == (None, False)


@pytest.mark.parametrize(("act", "kept"), [("confirm", ("crm-4821", True)), ("clear", (None, False))])
def test_what_owners_had_set_waits_for_a_manager(
    app: Flask, team: Team, act: str, kept: tuple[str | None, bool]
) -> None:
    set_by_owner(app, team, "crm-4821")
    assert "External keys to confirm" in team.manager.get("/admin/").text
    assert "crm-4821" in team.manager.get("/admin/external-keys").text
    assert "Not confirmed" in team.manager.get(f"/admin/orgs/{team.org_id}").text
    assert (
        "Acme" not in team.manager.get("/admin/orgs?q=crm-4821").text
    )  # the person who searches may be about to grant
    path = f"/admin/external-keys/{team.org_id}/{act}"
    for person in (team.owner, team.stranger):
        assert person.post(path, {"external_key": "crm-4821"}).status_code == 403
    answer = team.manager.post(path, {"external_key": "crm-1"})
    assert "another external key now" in team.manager.get(answer.location).text
    assert key_of(app, team) == ("crm-4821", False)
    team.manager.post(path, {"external_key": "crm-4821"})
    assert key_of(app, team) == kept
    assert "crm-4821" not in team.manager.get("/admin/external-keys").text
    assert "External keys to confirm" not in team.manager.get("/admin/").text
    assert "An owner had set this key" in team.owner.get(f"/o/{team.slug}/audit").text
