"""The link in an invite's mail: seen by everyone who has it, answered by its address alone, also by new people."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.domain import rate_limits
from dashboard.domain.funds import wallets
from dashboard.domain.organizations import memberships, organizations
from dashboard.domain.people import users
from dashboard.models import (
    AuditEntry,
    Invite,
    Membership,
    Organization,
    OutboxEmail,
    Transaction,
    User,
    UserSession,
)
from tests import invites as invitations
from tests.factories import PASSWORD, add_member, make_user
from tests.invites import GRACE, token_of
from tests.servers import Servers
from tests.web.people import Person, Team, ready_team, token_in


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers)


@pytest.fixture
def link(app: Flask, team: Team) -> str:
    return invited(app, team)


def invited(app: Flask, team: Team, role: str = "member") -> str:
    with app.test_request_context(base_url="http://localhost"):
        org = organizations.by_id(team.org_id)
        owner = db.session.scalars(select(User).filter_by(name="Olga Owner")).one()
        return f"/invite/{token_of(invitations.send(org, owner, role=role))}"


@pytest.fixture
def grace(app: Flask) -> Person:
    with app.app_context():
        make_user(GRACE, name="Grace")
    return Person(app, GRACE)


def post(client: FlaskClient, path: str, **fields: str) -> Any:
    token = token_in(client.get("/styleguide").text)
    return client.post(path, data={**fields, "csrf_token": token})


def change(app: Flask, kind: type, *, org: UUID | None = None, **values: Any) -> None:
    with app.app_context(), transaction(org=org):
        row = db.session.scalars(select(kind).filter_by(**({"id": org} if kind is Organization else {}))).first()
        for name, value in values.items():
            setattr(row, name, value)


def role(app: Flask, team: Team, email: str = GRACE) -> str | None:
    with app.app_context():
        user = users.by_email(email)
        return memberships.role_of(user.id, team.org_id) if user else None


def test_everyone_with_the_link_sees_what_it_is(app: Flask, link: str) -> None:
    page = app.test_client().get(link)
    assert page.status_code == 200
    for words in ("Olga Owner", "Acme", "Member", "own API keys", "UTC", GRACE, "Create account and join"):
        assert words in page.text
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert page.headers["Cache-Control"] == "no-store"
    assert "http" not in page.text.replace("http-equiv", "").replace('"http://localhost', "").partition("<body")[2]


def test_looking_changes_nothing(app: Flask, team: Team, link: str, grace: Person) -> None:
    for client in (app.test_client(), grace.client, team.owner.client):
        for _ in range(2):
            client.get(link)
            client.head(link)
    with app.app_context():
        assert db.session.scalars(select(Invite.state)).one() == "pending"
    assert role(app, team) is None


def test_an_account_accepts_after_signing_in(app: Flask, team: Team, link: str, grace: Person) -> None:
    client = app.test_client()
    page = client.get(link).text
    assert f"Sign in as {GRACE}" in page
    assert "Create account" not in page
    assert f"/login?next={link}" in page
    assert post(client, f"{link}/accept").headers["Location"] == f"/login?next={link}"
    assert role(app, team) is None
    answer = post(client, "/login", email=GRACE, password=PASSWORD, next=link)
    assert answer.headers["Location"] == link
    assert "Accept invite" in client.get(link).text
    answer = post(client, f"{link}/accept")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/o/{team.slug}/")
    page = client.get(answer.headers["Location"])
    assert page.status_code == 200
    assert "You joined Acme as member." in page.text
    assert role(app, team) == "member"


def test_a_new_person_signs_up_in_the_same_flow(app: Flask, team: Team) -> None:
    link, client = invited(app, team, "admin"), app.test_client()
    typed = {"name": "Grace Hopper", "password": PASSWORD, "timezone": "Europe/Stockholm"}
    answer = post(client, f"{link}/signup", **typed, email="mallory@example.test")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/o/{team.slug}/")
    assert "You joined Acme" in client.get(answer.headers["Location"]).text
    with app.app_context():
        user = users.by_email(GRACE)
        assert user
        assert user.email_verified_at
        assert user.timezone == "Europe/Stockholm"
        assert users.by_email("mallory@example.test") is None
        assert memberships.role_of(user.id, team.org_id) == "admin"
        own = users.personal_organization(user.id)
        assert own
        assert wallets.of_organization(own.id, "test").balance == 10_000_000
        assert wallets.of_organization(team.org_id, "test").balance == 0, "joining brings the organization nothing"
        actions = db.session.scalars(select(AuditEntry.action).filter_by(org_id=team.org_id, actor_id=user.id)).all()
        assert {"invite.accepted", "member.joined"} <= set(actions)


def test_in_production_the_link_brings_the_initial_credits(
    make_app: Callable[..., Flask], team: Team, link: str
) -> None:
    stripe = {"api_key": "sk_test_1", "webhook_secret": "whsec_1"}
    made = make_app(
        environment="production", password_hashing="standard", base_url="https://coffer.test",
        payment={"provider": "stripe", "stripe": stripe},
    )  # fmt: skip
    client = made.test_client()
    secure = {"base_url": "https://coffer.test", "headers": {"Referer": "https://coffer.test/"}}
    token = token_in(client.get(link, **secure).text)
    form = {"name": "Grace", "password": PASSWORD, "csrf_token": token}
    assert client.post(f"{link}/signup", data=form, **secure).status_code == 303
    with made.app_context():
        assert db.session.scalars(select(Transaction.amount).filter_by(origin="signup")).all()[-1] == 10_000_000


def test_a_form_with_mistakes_comes_back_with_what_was_typed(app: Flask, team: Team, link: str) -> None:
    client = app.test_client()
    answer = post(client, f"{link}/signup", name="Grace <b>", password="short")
    assert answer.status_code == 422
    assert "Use at least" in answer.text
    assert "Grace &lt;b&gt;" in answer.text
    assert 'value="short"' not in answer.text
    assert post(client, f"{link}/signup", name="", password=PASSWORD).status_code == 422
    assert role(app, team) is None
    with app.app_context():
        assert users.by_email(GRACE) is None


def test_an_address_with_an_account_does_not_sign_up_again(app: Flask, link: str, grace: Person) -> None:
    answer = post(app.test_client(), f"{link}/signup", name="Grace", password="another password")
    assert answer.status_code == 422
    assert f"Sign in as {GRACE}" in answer.text


def test_another_account_sees_who_it_is_and_can_switch(app: Flask, team: Team, link: str) -> None:
    with app.app_context():
        email = make_user().email
    other = Person(app, email)
    page = other.get(link)
    assert page.status_code == 200
    assert f"You are signed in as {email}" in page.text
    assert "Accept invite" not in page.text
    for act in ("accept", "decline"):
        answer = other.post(f"{link}/{act}")
        assert answer.status_code == 403
        assert f"This invite is for {GRACE}, and you are signed in as {email}" in answer.text
        assert "Switch account" in answer.text
    assert other.post(f"{link}/signup", {"name": "X", "password": PASSWORD}).headers["Location"] == link
    answer = other.post(f"{link}/switch")
    assert answer.headers["Location"] == f"/login?next={link}"
    assert other.get("/no-organization").status_code == 303
    with app.app_context():
        assert db.session.scalars(select(Invite.state)).one() == "pending"
        users_in = select(UserSession).join(User).where(User.email == email, UserSession.revoked_at.is_(None))
        assert db.session.scalars(users_in).all() == []
    assert role(app, team, email) is None


def test_declining_needs_no_account(app: Flask, team: Team, link: str) -> None:
    client = app.test_client()
    answer = post(client, f"{link}/decline")
    assert (answer.status_code, answer.headers["Location"]) == (303, link)
    page = client.get(link)
    assert page.status_code == 410
    assert "This invite was declined" in page.text
    assert "You declined the invite to Acme." in page.text
    assert "Declined" in team.owner.get(f"/o/{team.slug}/members").text


def test_a_dead_link_says_why_and_who_can_help(app: Flask, team: Team, link: str, grace: Person) -> None:
    def told(status: int, *words: str) -> None:
        for answer in (app.test_client().get(link), grace.post(f"{link}/accept"), grace.post(f"{link}/decline")):
            assert answer.status_code == status
            assert all(one in answer.text for one in words), answer.text
        assert role(app, team) is None

    with clock.at(clock.now() + timedelta(days=8)):
        page = app.test_client().get(link)
        assert page.status_code == 410
        assert "This invite has expired" in page.text
        assert "Ask Olga Owner or another owner or admin of Acme" in page.text
    change(app, Organization, org=team.org_id, suspended_at=clock.now())
    told(403, "Acme is suspended", "An owner of it knows more")
    change(app, Organization, org=team.org_id, suspended_at=None, closed_at=clock.now())
    told(410, "Acme is closed")
    change(app, Organization, org=team.org_id, closed_at=None)
    with app.app_context(), transaction():
        db.session.scalars(select(User).filter_by(name="Olga Owner")).one().disabled_at = clock.now()
    told(410, "Olga Owner may no longer invite people", "Ask an owner or admin of Acme")
    change(app, Invite, org=team.org_id, state="revoked", ended_at=clock.now())
    told(410, "This invite was withdrawn", "Ask an owner or admin of Acme")


def test_used_twice_the_second_is_told_and_led_on(app: Flask, team: Team, link: str, grace: Person) -> None:
    assert grace.post(f"{link}/accept").status_code == 303
    answer = grace.post(f"{link}/accept")
    assert answer.status_code == 410
    assert "accepted already" in answer.text
    assert f'href="/o/{team.slug}/"' in answer.text
    assert f'href="/o/{team.slug}/"' not in app.test_client().get(link).text


def test_who_is_a_member_already_is_told(app: Flask, team: Team, link: str, grace: Person) -> None:
    with app.app_context():
        add_member(organizations.by_id(team.org_id), "viewer", user=users.by_email(GRACE))
    for answer in (grace.get(link), grace.post(f"{link}/accept")):
        assert answer.status_code == 409
        assert "You belong to Acme already" in answer.text
        assert "Open Acme" in answer.text
    assert role(app, team) == "viewer"


ODD = ("x", "a" * 500, "../admin", "%00", "01890000000070008000000000000000_" + "x" * 43, "%C3%BC")


def test_links_that_never_were_answer_alike(app: Flask, link: str) -> None:
    bodies = set()
    for odd in (*ODD[:2], *ODD[3:], link.removeprefix("/invite/")[:-1]):
        answer = app.test_client().get(f"/invite/{odd}")
        assert answer.status_code == 404
        bodies.add(answer.text.partition("<main")[2])
    assert len(bodies) == 1
    assert "does not work" in bodies.pop()


def test_guessing_is_limited(app: Flask, link: str) -> None:
    client = app.test_client()
    for number in range(rate_limits.INVITE_GUESS.most):
        assert client.get(f"/invite/guess{number}").status_code == 404
    for path in ("/invite/guess", link):
        answer = client.get(path)
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) > 0
    elsewhere = app.test_client()
    assert elsewhere.get(link, environ_overrides={"REMOTE_ADDR": "198.51.100.4"}).status_code == 200


def test_no_log_line_holds_the_link(app: Flask, link: str, capsys: pytest.CaptureFixture[str]) -> None:
    client = app.test_client()
    client.get(link)
    client.get(f"{link}x")
    client.post(f"{link}/accept", data={"x": "y"})
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    asked = [line["path"] for line in lines if line["event"] == "request"]
    assert asked[0] == "/invite/***"
    assert link.partition("_")[2] not in str(lines)


def test_fifty_clicks_at_once_make_one_membership(app: Flask, team: Team, link: str, grace: Person) -> None:
    token = token_in(grace.client.get("/styleguide").text)
    cookie = grace.client.get_cookie("coffer")
    assert cookie

    def click(_: int) -> int:
        client = app.test_client()
        client.set_cookie("coffer", cookie.value)
        return client.post(f"{link}/accept", data={"csrf_token": token}).status_code

    with ThreadPoolExecutor(10) as pool:
        statuses = sorted(pool.map(click, range(50)))
    assert statuses == [303] + [410] * 49
    with app.app_context():
        user = users.by_email(GRACE)
        assert user
        assert len(db.session.scalars(select(Membership).filter_by(org_id=team.org_id, user_id=user.id)).all()) == 1


def test_a_lost_mail_is_no_dead_end(app: Flask, team: Team, link: str, grace: Person) -> None:
    page = grace.get("/no-organization").text
    assert "Olga Owner" in page
    assert "Acme" in page
    path = f"/invites/{team.org_id}/{invite_id(app)}"
    assert f"{path}/accept" in page
    assert f"{path}/accept" not in team.owner.get("/no-organization").text
    assert team.owner.post(f"{path}/accept").status_code == 404
    assert grace.post(f"{path}/accept").headers["Location"] == f"/o/{team.slug}/"
    assert role(app, team) == "member"


def test_without_the_link_an_address_must_be_verified(app: Flask, team: Team, link: str, grace: Person) -> None:
    with app.app_context(), transaction():
        db.session.scalars(select(User).filter_by(email=GRACE)).one().email_verified_at = None
    assert "Acme" not in grace.get("/no-organization").text
    path = f"/invites/{team.org_id}/{invite_id(app)}"
    answer = grace.post(f"{path}/accept")
    assert answer.status_code == 403
    assert "Open the link in the mail" in answer.text
    assert grace.post(f"{path}/decline").status_code == 403
    assert grace.post(f"{link}/accept").status_code == 303
    with app.app_context():
        assert db.session.scalars(select(User).filter_by(email=GRACE)).one().email_verified_at
        assert db.session.scalars(select(AuditEntry).filter_by(action="user.verified")).one()


def test_it_can_be_declined_without_the_link(app: Flask, team: Team, link: str, grace: Person) -> None:
    path = f"/invites/{team.org_id}/{invite_id(app)}"
    assert grace.post(f"{path}/decline").status_code == 303
    assert role(app, team) is None
    assert grace.post(f"{path}/accept").status_code == 410


def invite_id(app: Flask) -> UUID:
    with app.app_context():
        return db.session.scalars(select(Invite.id)).one()


def test_in_development_the_mail_leads_to_the_invite(app: Flask, team: Team, link: str) -> None:
    with app.app_context():
        mail_id = db.session.scalars(select(OutboxEmail.id).filter_by(org_id=team.org_id, event="invite")).one()
    page = app.test_client().get(f"/dev/mail/{team.org_id}/{mail_id}").text
    assert f'<a href="{link}">' in page
