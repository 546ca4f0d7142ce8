"""Members on pages: who sees what, roles and removals with a step between, leaving, and handing over."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, update

from dashboard.core import clock, ids
from dashboard.core.db import db, transaction
from dashboard.domain.access import keys
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.funds import ledger
from dashboard.domain.organizations import memberships, user_organizations
from dashboard.models import ApiKey, Membership, Organization, User, UserSession
from tests.factories import add_member, make_user, wallet_of
from tests.servers import Servers
from tests.web.people import HTMX, Person, Team, ready_team


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers, funds=50_000_000)


def member(app: Flask, team: Team, role: str) -> Membership:
    with app.app_context():
        query = select(Membership).filter_by(org_id=team.org_id, role=role, removed_at=None)
        return db.session.scalars(query.order_by(Membership.id)).first()  # type: ignore[return-value]


def path(team: Team, row: Membership, act: str) -> str:
    return f"/o/{team.slug}/members/{row.id}/{act}"


def role_of(app: Flask, team: Team, user_id: UUID) -> str | None:
    with app.app_context():
        return memberships.role_of(user_id, team.org_id)


def spend(app: Flask, team: Team, user_id: UUID | None, micros: int) -> ApiKey:
    with app.app_context():
        org = db.session.get_one(Organization, team.org_id)
        with transaction(org=org.id):
            key = keys.make(org, name="Prod", scopes=["wallet:charge"], mode="test", by=SYSTEM, made_by=user_id).row
        ledger.post(wallet_of(org), type="charge", amount=-micros, origin="api", key=str(ids.new()),
                    by=Actor("key", key.id))  # fmt: skip
        return key


def make_stale(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        session.execute(update(UserSession).values(reauthenticated_at=clock.now() - timedelta(hours=1)))


def test_the_list_tells_everybody_who_is_there(app: Flask, team: Team) -> None:
    for person in (team.owner, team.admin, team.member, team.viewer, team.manager):
        page = person.get(f"/o/{team.slug}/members").text
        for name in ("Olga Owner", "Admin Person", "Member Person", "Viewer Person"):
            assert name in page
        assert ("Change role" in page) == (person in (team.owner, team.admin))
        assert ("Second factor" in page) == (person in (team.owner, team.admin))
        assert ("Leave organization" in page) == (person is not team.manager)
    assert team.stranger.get(f"/o/{team.slug}/members").status_code == 404


def test_an_admin_is_offered_nothing_that_would_be_refused(app: Flask, team: Team) -> None:
    page = team.admin.get(f"/o/{team.slug}/members").text
    owner = member(app, team, "owner")
    assert path(team, owner, "role") not in page
    assert "The only owner can't leave" in page
    for act in ("role", "remove"):
        assert team.admin.get(path(team, owner, act)).status_code == 403
        assert team.admin.post(path(team, owner, act), {"role": "member"}).status_code == 403
    dialog = team.admin.get(path(team, member(app, team, "viewer"), "role"), htmx=True).text
    assert 'value="admin"' in dialog
    assert 'value="owner"' not in dialog
    assert "<html" not in dialog


def test_cost_is_that_of_the_keys_maker(app: Flask, team: Team) -> None:
    admin, viewer = member(app, team, "admin").user_id, member(app, team, "member").user_id
    spend(app, team, admin, 1_500_000)
    spend(app, team, admin, 250_000)
    spend(app, team, viewer, 330_000)
    spend(app, team, None, 9_000_000)
    page = team.owner.get(f"/o/{team.slug}/members").text
    assert "$1.75" in page
    assert "$0.33" in page
    assert "$9.00" not in page
    own = team.member.get(f"/o/{team.slug}/members").text
    assert "$0.33" in own
    assert "$1.75" not in own


def test_last_seen_is_noted_once_a_minute_and_not_by_polls(app: Flask, team: Team) -> None:
    def seen() -> Any:
        with app.app_context():
            return db.session.scalar(
                select(Membership.last_seen_at).filter_by(org_id=team.org_id, role="viewer", removed_at=None)
            )

    before = clock.now()
    with clock.at(before):
        team.viewer.get(f"/o/{team.slug}/live")
        assert seen() is None
        team.viewer.get(f"/o/{team.slug}/")
        assert seen() == before
    with clock.at(before + timedelta(seconds=59)):
        team.viewer.get(f"/o/{team.slug}/")
        assert seen() == before
    with clock.at(before + timedelta(seconds=61)):
        team.manager.get(f"/o/{team.slug}/")
        assert seen() == before
        team.viewer.get(f"/o/{team.slug}/members")
        assert seen() == before + timedelta(seconds=61)


def test_a_role_is_changed_and_says_so(app: Flask, team: Team) -> None:
    row = member(app, team, "viewer")
    answer = team.admin.post(path(team, row, "role"), {"role": "admin"})
    assert answer.status_code == 303
    assert role_of(app, team, row.user_id) == "admin"
    assert "Viewer Person is an admin now." in team.admin.get(answer.location).text


def test_odd_roles_and_the_owners_role_are_refused_in_the_form(app: Flask, team: Team) -> None:
    row = member(app, team, "viewer")
    for person, role, status in (
        (team.owner, "emperor", 422), (team.owner, "", 422), (team.admin, "owner", 403), (team.member, "admin", 403),
        (team.stranger, "admin", 404), (team.manager, "admin", 403),
    ):  # fmt: skip
        assert person.post(path(team, row, "role"), {"role": role}).status_code == status
    assert role_of(app, team, row.user_id) == "viewer"
    own = member(app, team, "owner")
    answer = team.owner.post(path(team, own, "role"), {"role": "admin"})
    assert answer.status_code == 409
    assert "last active owner" in answer.text


def test_a_lower_role_names_the_keys_that_change_hands(app: Flask, team: Team) -> None:
    row = member(app, team, "admin")
    with app.app_context():
        org = db.session.get_one(Organization, team.org_id)
        with transaction(org=org.id):
            keys.make(org, name="Nightly report", scopes=["wallet:read"], mode="test", by=SYSTEM, made_by=row.user_id)
    page = team.owner.get(path(team, row, "role")).text
    assert "1 API key (Nightly report) with more rights than this role: handed over to you." in page
    answer = team.owner.post(path(team, row, "role"), {"role": "member"})
    assert "1 API key passed to you." in team.owner.get(answer.location).text


@pytest.mark.parametrize("act", ["role", "transfer"])
def test_rights_are_changed_after_a_recent_sign_in_only(app: Flask, team: Team, act: str) -> None:
    row = member(app, team, "member")
    team.owner.sign_in()
    make_stale(app)
    answer = team.owner.post(path(team, row, act), {"role": "viewer"})
    assert answer.status_code == 403
    assert "Confirm that it is you" in answer.text
    assert role_of(app, team, row.user_id) == "member"


@pytest.mark.parametrize("end_all", [False, True])
def test_a_removed_member_is_a_stranger_from_the_next_click(app: Flask, team: Team, end_all: bool) -> None:
    row = member(app, team, "member")
    key = spend(app, team, row.user_id, 1)
    page = team.admin.get(path(team, row, "remove")).text
    assert "Prod" in page
    assert "passes to you" in page
    assert "End all of them instead" in page
    answer = team.admin.post(path(team, row, "remove"), {"end_keys": "1"} if end_all else {})
    assert answer.status_code == 303
    told = "1 API key ended" if end_all else "1 API key passed to you"
    assert f"is no longer a member. {told}." in team.admin.get(answer.location).text
    assert team.member.get(f"/o/{team.slug}/").status_code == 404
    with app.app_context():
        assert (db.session.get_one(ApiKey, (team.org_id, key.id)).revoked_at is not None) == end_all
    assert team.admin.post(path(team, row, "remove")).status_code == 404


@pytest.mark.parametrize("name", ["member", "viewer", "stranger", "manager"])
def test_others_remove_nobody(app: Flask, team: Team, name: str) -> None:
    row = member(app, team, "viewer")
    person: Person = getattr(team, name)
    assert person.post(path(team, row, "remove")).status_code == (404 if name == "stranger" else 403)
    assert role_of(app, team, row.user_id) == "viewer"


def test_leaving_is_a_step_of_its_own(app: Flask, team: Team) -> None:
    page = team.viewer.get(f"/o/{team.slug}/leave").text
    assert "You lose your role (viewer) at once" in page
    answer = team.viewer.post(f"/o/{team.slug}/leave")
    assert answer.location == "/orgs"
    assert "You left Acme." in team.viewer.get("/orgs").text
    assert team.viewer.get(f"/o/{team.slug}/").status_code == 404


def test_the_only_owner_is_told_what_to_do_first(app: Flask, team: Team) -> None:
    page = team.owner.get(f"/o/{team.slug}/leave").text
    assert "an organization always has one" in page
    assert f"/o/{team.slug}/settings/transfer" in page
    assert team.owner.post(f"/o/{team.slug}/leave").status_code == 409
    assert team.owner.get(f"/o/{team.slug}/").status_code == 200


def test_ownership_moves_after_a_review(app: Flask, team: Team) -> None:
    row = member(app, team, "viewer")
    choices = team.owner.get(f"/o/{team.slug}/settings/transfer").text
    assert path(team, row, "transfer") in choices
    page = team.owner.get(path(team, row, "transfer")).text
    assert "you keep everything but ownership" in page
    answer = team.owner.post(path(team, row, "transfer"))
    assert answer.status_code == 303
    assert role_of(app, team, row.user_id) == "owner"
    assert team.owner.get(f"/o/{team.slug}/settings").status_code == 403
    assert team.viewer.get(f"/o/{team.slug}/settings").status_code == 200
    assert team.owner.post(path(team, row, "transfer")).status_code == 403


def test_only_owners_hand_over_and_only_to_those_who_can_sign_in(app: Flask, team: Team) -> None:
    row = member(app, team, "viewer")
    for name in ("admin", "member", "viewer", "manager"):
        assert getattr(team, name).post(path(team, row, "transfer")).status_code == 403
    assert team.stranger.post(path(team, row, "transfer")).status_code == 404
    with app.app_context(), transaction():
        db.session.get_one(User, row.user_id).disabled_at = clock.now()
    answer = team.owner.post(path(team, row, "transfer"))
    assert answer.status_code == 409
    assert "This account is disabled" in answer.text
    assert path(team, row, "transfer") not in team.owner.get(f"/o/{team.slug}/settings/transfer").text


def test_a_personal_organization_says_whose_it_is(app: Flask, team: Team) -> None:
    with app.app_context():
        user = make_user("solo@example.test")
        slug = user_organizations.listed(user.id)[0].org.slug
    solo = Person(app, "solo@example.test")
    page = solo.get(f"/o/{slug}/members").text
    assert "A personal organization is for one person" in page
    assert "Change role" not in page
    assert "Leave organization" not in page
    assert "cannot be left" in solo.get(f"/o/{slug}/leave").text
    assert solo.post(f"/o/{slug}/leave").status_code == 409
    assert "it is deleted with your account" in solo.get(f"/o/{slug}/settings").text
    assert solo.get(f"/o/{slug}/settings/delete").status_code == 404


def test_names_cannot_become_markup(app: Flask, team: Team) -> None:
    with app.app_context():
        org = db.session.get_one(Organization, team.org_id)
        user = make_user(name="<script>alert(1)</script>")
        add_member(org, "viewer", user=user)
        row = memberships.of_person(org.id, user.id)
    assert row is not None
    for where in ("/members", f"/members/{row.id}/role", f"/members/{row.id}/remove", f"/members/{row.id}/transfer"):
        page = team.owner.client.get(f"/o/{team.slug}{where}", headers=HTMX if "role" in where else {}).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;" in page
