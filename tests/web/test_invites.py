"""Invites on pages: sent by those who lead, one or many at once, with nothing typed lost."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.domain import rate_limits
from dashboard.domain.people import sessions
from dashboard.models import AuditEntry, Invite, Organization, User
from tests.factories import PASSWORD
from tests.invites import GRACE, token_of
from tests.servers import Servers
from tests.web.people import HTMX, Person, Team, make_team, ready_team, token_in


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers)


def send(person: Person, team: Team, emails: str = GRACE, role: str = "member", **more: str) -> Any:
    return person.post(f"/o/{team.slug}/invites", {"emails": emails, "role": role, **more})


def rows(app: Flask) -> list[Invite]:
    with app.app_context():
        return list(db.session.scalars(select(Invite).order_by(Invite.id)))


def token(app: Flask) -> str:
    with app.test_request_context(base_url="http://localhost"):
        return token_of(db.session.scalars(select(Invite).order_by(Invite.id.desc())).first())


def test_an_invite_is_sent_and_listed(app: Flask, team: Team) -> None:
    assert "No open invites" in team.owner.get(f"/o/{team.slug}/members").text
    answer = send(team.owner, team)
    assert answer.status_code == 303
    page = team.owner.get(answer.headers["Location"]).text
    for words in (GRACE, "Member", "You", "Pending", "grace@example.test is invited."):
        assert words in page
    assert "Olga Owner" in team.admin.get(f"/o/{team.slug}/members").text
    assert token(app) not in page
    assert f"/o/{team.slug}/invites/new" in page


def test_each_address_of_many_has_its_answer_and_wrong_ones_stay_in_the_form(app: Flask, team: Team) -> None:
    send(team.owner, team)
    answer = send(team.owner, team, f"ada@example.test {GRACE}\nnot-one", "viewer")
    assert answer.status_code == 422
    assert "1 of 3 sent" in answer.text
    for words in ("ada@example.test", "Sent", "Already invited", ">Resend<", "Not an email address"):
        assert words in answer.text
    kept = re.search(r"<textarea[^>]*>([^<]*)</textarea>", answer.text)
    assert kept
    assert kept[1].split() == ["not-one"]
    assert re.search(r'value="viewer" checked', answer.text)
    assert [row.email for row in rows(app)] == [GRACE, "ada@example.test"]
    assert send(team.owner, team, "a@x.test, b@x.test").status_code == 303


@pytest.mark.parametrize(
    ("emails", "role", "words"),
    [
        ("", "member", "Enter at least one"),
        (GRACE, "", "Choose a role."),
        (GRACE, "king", "Choose a role."),
        (" ".join(f"p{n}@x.test" for n in range(101)), "member", "these are 101"),
    ],
)
def test_what_cannot_be_used_is_said_at_its_field(app: Flask, team: Team, emails: str, role: str, words: str) -> None:
    answer = send(team.owner, team, emails, role)
    assert answer.status_code == 422
    assert words in answer.text
    assert emails[:20] in answer.text
    assert rows(app) == []


def test_each_role_says_what_it_may_do_and_owners_alone_make_owners(app: Flask, team: Team) -> None:
    new = f"/o/{team.slug}/invites/new"
    assert 'value="owner"' in team.owner.get(new).text
    page = team.admin.get(new).text
    assert 'value="owner"' not in page
    for words in ("change or spend anything", "manage API keys", "own API keys"):
        assert words in page
    answer = send(team.admin, team, role="owner")
    assert answer.status_code == 403
    assert "Only owners" in answer.text
    assert GRACE in answer.text
    assert rows(app) == []


def test_strangers_and_wrong_roles_invite_nobody(app: Flask, team: Team) -> None:
    for person, status in ((team.member, 403), (team.viewer, 403), (team.manager, 403), (team.stranger, 404)):
        assert send(person, team).status_code == status
    send(team.owner, team)
    row = rows(app)[0]
    for act in ("resend", "withdraw"):
        path = f"/o/{team.slug}/invites/{row.id}/{act}"
        for person, status in ((team.member, 403), (team.viewer, 403), (team.manager, 403), (team.stranger, 404)):
            assert person.post(path).status_code == status
    assert team.member.get(f"/o/{team.slug}/invites").status_code == 403
    assert GRACE not in team.member.get(f"/o/{team.slug}/members").text
    assert team.viewer.get(f"/o/{team.slug}/invites").headers["Location"] == f"/o/{team.slug}/members#invites"
    page = team.viewer.get(f"/o/{team.slug}/members").text
    assert GRACE in page
    assert "Resend" not in page
    assert "Invite people" not in page
    assert [(one.id, one.state, one.token_hash) for one in rows(app)] == [(row.id, "pending", row.token_hash)]


def test_sending_again_makes_a_new_link(app: Flask, team: Team) -> None:
    send(team.owner, team)
    old, row = token(app), rows(app)[0]
    answer = team.admin.post(f"/o/{team.slug}/invites/{row.id}/resend")
    assert answer.status_code == 303
    assert "A new link is on its way" in team.admin.get(answer.headers["Location"]).text
    assert app.test_client().get(f"/invite/{old}").status_code == 404
    assert app.test_client().get(f"/invite/{token(app)}").status_code == 200
    assert len(rows(app)) == 1


def test_withdrawing_has_a_step_between(app: Flask, team: Team) -> None:
    send(team.owner, team)
    row = rows(app)[0]
    path = f"/o/{team.slug}/invites/{row.id}/withdraw"
    page = team.owner.get(path)
    assert GRACE in page.text
    assert "stops working at once" in page.text
    assert "<main" not in team.owner.client.get(path, headers=HTMX).text
    assert rows(app)[0].state == "pending"
    assert team.owner.post(path).status_code == 303
    assert rows(app)[0].state == "revoked"
    assert team.owner.post(f"/o/{team.slug}/invites/{row.id}/resend").status_code == 409
    assert app.test_client().get(f"/invite/{token(app)}").status_code == 410
    assert "No open invites" in team.owner.get(f"/o/{team.slug}/members").text


def test_rights_are_given_after_a_recent_sign_in_only(app: Flask, team: Team) -> None:
    team.owner.sign_in()
    with clock.at(clock.now() + sessions.REAUTHENTICATED + timedelta(minutes=1)):
        answer = send(team.owner, team, f"{GRACE}\nada@example.test")
        assert answer.status_code == 403
        assert "Confirm that it is you" in answer.text
        assert GRACE in answer.text
        assert rows(app) == []
        assert send(team.owner, team, confirm_password=PASSWORD).status_code == 303
    assert len(rows(app)) == 1


def test_who_does_not_confirm_goes_back_to_the_list(app: Flask, team: Team) -> None:
    send(team.owner, team)
    path, here = f"/o/{team.slug}/invites/{rows(app)[0].id}/resend", f"/o/{team.slug}/members"
    with clock.at(clock.now() + sessions.REAUTHENTICATED + timedelta(minutes=1)):
        token = token_in(team.owner.get(here).text)
        for referrer, back in ((f"http://localhost{here}", here), (f"http://localhost{path}", "/"), ("http://x[", "/")):
            answer = team.owner.client.post(path, data={"csrf_token": token}, headers={"Referer": referrer})
            assert answer.status_code == 403
            assert f'<a class="btn" href="{back}"' in answer.text


def test_too_many_mails_are_refused_with_the_time_to_wait(app: Flask, team: Team) -> None:
    send(team.owner, team)
    path = f"/o/{team.slug}/invites/{rows(app)[0].id}/resend"
    for _ in range(rate_limits.INVITE_ADDRESS.most - 1):
        assert team.owner.post(path).status_code == 303
    answer = team.owner.post(path)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    team.owner.post(path.replace("resend", "withdraw"))
    page = send(team.owner, team)
    assert page.status_code == 422
    assert "Too many invites were sent" in page.text
    assert "Not sent" in page.text


def change(app: Flask, kind: type, row_id: UUID, *, org: UUID | None = None, **values: Any) -> None:
    with app.app_context(), transaction(org=org):
        row = db.session.scalars(select(kind).filter_by(id=row_id)).one()
        for name, value in values.items():
            setattr(row, name, value)


def test_the_list_says_how_each_stands(app: Flask, team: Team) -> None:
    for name in ("late", "gone", "no"):
        send(team.admin if name == "gone" else team.owner, team, f"{name}@example.test")
    late, gone, no = rows(app)
    change(app, Invite, late.id, org=team.org_id, expires_at=clock.now() - timedelta(hours=1))
    change(app, Invite, no.id, org=team.org_id, state="declined", ended_at=clock.now())
    change(app, User, gone.invited_by, disabled_at=clock.now())
    page = team.owner.get(f"/o/{team.slug}/members").text
    for words in ("Expired", "Stopped", "Declined", "Resend it to make it yours"):
        assert words in page
    assert page.count(">Resend</button>") == 2
    assert page.count(">Remove</button>") == 1
    assert team.owner.post(f"/o/{team.slug}/invites/{no.id}/withdraw").status_code == 303
    assert "The invite for no@example.test is removed." in team.owner.get(f"/o/{team.slug}/members").text
    assert "Declined" not in team.owner.get(f"/o/{team.slug}/members").text


def test_a_suspended_organization_invites_nobody(app: Flask, team: Team) -> None:
    send(team.owner, team)
    change(app, Organization, team.org_id, org=team.org_id, suspended_at=clock.now())
    assert send(team.owner, team, "x@example.test").status_code == 403
    assert team.owner.get(f"/o/{team.slug}/invites/new").status_code == 403
    page = team.owner.get(f"/o/{team.slug}/members").text
    assert GRACE in page
    assert "Resend" not in page


def test_a_personal_organization_says_that_it_is_ones_own(app: Flask, team: Team) -> None:
    with app.app_context():
        slug = db.session.scalars(select(Organization.slug).filter_by(kind="personal", name="Olga Owner")).one()
    assert "Invite people" not in team.owner.get(f"/o/{slug}/members").text
    answer = team.owner.post(f"/o/{slug}/invites", {"emails": GRACE, "role": "member"})
    assert answer.status_code == 409
    assert "belongs to only one person" in answer.text


def test_the_trail_names_the_acts_and_no_address(app: Flask, team: Team) -> None:
    send(team.owner, team)
    row = rows(app)[0]
    team.owner.post(f"/o/{team.slug}/invites/{row.id}/resend")
    team.owner.post(f"/o/{team.slug}/invites/{row.id}/withdraw")
    with app.app_context():
        entries = db.session.scalars(select(AuditEntry).filter_by(object_kind="invite").order_by(AuditEntry.id)).all()
        assert [entry.action for entry in entries] == ["invite.sent", "invite.resent", "invite.revoked"]
        assert {entry.object_id for entry in entries} == {str(row.id)}
        assert "grace" not in str([(entry.before, entry.after, entry.reason) for entry in entries])


def test_an_invite_of_another_organization_is_not_there(app: Flask, team: Team) -> None:
    send(team.owner, team)
    row = rows(app)[0]
    other = make_team(app)
    for act in ("resend", "withdraw"):
        assert other.owner.post(f"/o/{other.slug}/invites/{row.id}/{act}").status_code == 404
