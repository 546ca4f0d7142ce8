"""Invites by program: sent with the right scope, answered by the person's own token."""

from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.domain import rate_limits
from dashboard.domain.audit import Actor
from dashboard.domain.organizations import invites, memberships
from dashboard.domain.people import users
from dashboard.models import AuditEntry, Invite, Membership, Organization, User
from tests import factories
from tests.api.conftest import Program, problem
from tests.invites import GRACE, token_of


@pytest.fixture
def org(program: Program) -> Organization:
    return program.org()


@pytest.fixture
def owner(program: Program, org: Organization) -> User:
    with program.app.app_context():
        entry = db.session.scalars(select(Membership).filter_by(org_id=org.id, role="owner")).one()
        found = users.by_id(entry.user_id)
        assert found
        return found


@pytest.fixture
def token(program: Program, owner: User) -> str:
    return program.token(owner, "members:write")


@pytest.fixture
def grace(program: Program) -> str:
    """A personal token of the person who is invited."""
    return program.token(program.make(factories.make_user, GRACE), "org:admin")


def base(org: Organization) -> str:
    return f"/api/v1/orgs/{org.id}"


def send(program: Program, org: Organization, key: str, **body: Any) -> Any:
    return program.post(f"{base(org)}/invites", key, json={"email": GRACE, "role": "member"} | body)


def link(app: Flask, email: str = GRACE) -> str:
    with app.test_request_context(base_url="http://localhost"):
        return token_of(db.session.scalars(select(Invite).filter_by(email=email).order_by(Invite.id.desc())).first())


def role(program: Program, org: Organization) -> str | None:
    with program.app.app_context():
        user = users.by_email(GRACE)
        return memberships.role_of(user.id, org.id) if user else None


def test_an_invite_is_sent_listed_and_holds_no_token(
    program: Program, org: Organization, token: str, owner: User
) -> None:
    answer = send(program, org, token)
    assert answer.status_code == 201
    told = answer.get_json()
    assert (told["email"], told["role"], told["state"]) == (GRACE, "member", "pending")
    assert told["invited_by"] == str(owner.id)
    listed = program.get(f"{base(org)}/invites", token)
    assert listed.get_json() == {"data": [told], "next_cursor": None}
    assert link(program.app).partition("_")[2] not in answer.text + listed.text


def test_one_open_invite_per_address(program: Program, org: Organization, token: str) -> None:
    send(program, org, token)
    problem(send(program, org, token, email=GRACE.upper()), 409, "already_invited")
    program.make(factories.add_member, org, "viewer", user=program.make(factories.make_user, "in@example.test"))
    problem(send(program, org, token, email="in@example.test"), 409, "already_member")
    for body in ({"email": "no address"}, {"role": "king"}, {"email": None}, {"emails": ["a@x.test"]}, {"emails": []}):
        assert send(program, org, token, **body).status_code == 422


def test_many_at_once_have_a_result_each(program: Program, org: Organization, token: str) -> None:
    send(program, org, token)
    body = {"emails": ["a@example.test", GRACE, "nothing"], "role": "viewer"}
    answer = program.post(f"{base(org)}/invites", token, json=body)
    assert answer.status_code == 207
    data = answer.get_json()["data"]
    assert [(one["email"], one["code"]) for one in data] == [
        ("a@example.test", "sent"), (GRACE, "already_invited"), ("nothing", "invalid"),
    ]  # fmt: skip
    assert data[0]["invite"]["role"] == "viewer"
    assert "detail" not in data[0]
    assert "Resend" in data[1]["detail"]
    many = {"emails": [f"p{n}@x.test" for n in range(101)], "role": "viewer"}
    assert program.post(f"{base(org)}/invites", token, json=many).status_code == 422


def test_a_key_invites_up_to_admin_on_the_right_of_its_maker(program: Program, org: Organization, owner: User) -> None:
    key = program.key(org, "members:write")
    answer = send(program, org, key, role="admin")
    assert answer.status_code == 201
    assert answer.get_json()["invited_by"] is None
    problem(send(program, org, key, email="o@example.test", role="owner"), 403, "role_too_high")
    of_owner = program.key(org, "members:write", by=Actor("user", owner.id))
    told = send(program, org, of_owner, email="b@example.test").get_json()
    assert told["invited_by"] == str(owner.id)
    problem(send(program, org, program.key(org, "wallet:read")), 403, "forbidden")


def test_an_owner_is_invited_by_owners_who_confirmed(program: Program, org: Organization, owner: User) -> None:
    problem(send(program, org, program.token(owner, "members:write"), role="owner"), 403, "role_too_high")
    full = program.token(owner, "members:write", "org:admin")
    assert send(program, org, full, role="owner").status_code == 201
    admin = program.token(program.make(factories.add_member, org, "admin"), "members:write", "org:admin")
    problem(send(program, org, admin, email="b@example.test", role="owner"), 403, "role_too_high")
    row = program.get(f"{base(org)}/invites", full).get_json()["data"][0]
    problem(program.post(f"{base(org)}/invites/{row['id']}/resend", admin), 403, "role_too_high")
    problem(program.call("DELETE", f"{base(org)}/invites/{row['id']}", admin), 403, "role_too_high")


def test_adding_a_member_is_an_invite(program: Program, org: Organization, token: str) -> None:
    answer = program.post(f"{base(org)}/members", token, json={"email": GRACE, "role": "viewer"})
    assert answer.status_code == 201
    assert answer.get_json()["state"] == "pending"
    assert role(program, org) is None


def test_sending_again_and_withdrawing(program: Program, org: Organization, token: str, grace: str) -> None:
    row = send(program, org, token).get_json()
    old = link(program.app)
    again = program.post(f"{base(org)}/invites/{row['id']}/resend", token)
    assert again.status_code == 200
    assert again.get_json()["expires_at"] > row["expires_at"]
    problem(program.post("/api/v1/invites/accept", grace, json={"token": old}), 404, "not_found")
    new = link(program.app)
    for _ in range(2):
        assert program.call("DELETE", f"{base(org)}/invites/{row['id']}", token).status_code == 204
    problem(program.post("/api/v1/invites/accept", grace, json={"token": new}), 410, "invite_withdrawn")
    problem(program.post(f"{base(org)}/invites/{row['id']}/resend", token), 409, "invite_ended")
    assert program.get(f"{base(org)}/invites", token).get_json()["data"][0]["state"] == "revoked"
    assert role(program, org) is None


def test_the_invited_person_accepts_with_their_own_token(
    program: Program, org: Organization, token: str, grace: str
) -> None:
    send(program, org, token)
    body = {"token": link(program.app)}
    stranger = program.token(program.make(factories.make_user), "org:admin", "members:write")
    problem(program.post("/api/v1/invites/accept", stranger, json=body), 403, "wrong_address")
    problem(program.post("/api/v1/invites/decline", stranger, json=body), 403, "wrong_address")
    problem(program.post("/api/v1/invites/accept", program.key(org, "members:write"), json=body), 403, "forbidden")
    problem(program.post("/api/v1/invites/accept", json=body), 401, "unauthenticated")
    with program.app.app_context():
        invited = users.by_email(GRACE)
    reading = program.token(invited, "wallet:read")
    for answer in ("accept", "decline"):
        problem(program.post(f"/api/v1/invites/{answer}", reading, json=body), 403, "forbidden")
    assert role(program, org) is None
    answer = program.post("/api/v1/invites/accept", grace, json=body)
    assert answer.status_code == 200
    told = answer.get_json()
    assert (told["id"], told["role"]) == (str(org.id), "member")
    assert role(program, org) == "member"
    problem(program.post("/api/v1/invites/accept", grace, json=body), 410, "invite_used")
    with program.app.app_context():
        assert db.session.scalars(select(AuditEntry).filter_by(org_id=org.id, action="invite.accepted")).one()


def test_the_invited_person_declines(program: Program, org: Organization, token: str, grace: str) -> None:
    send(program, org, token)
    body = {"token": link(program.app)}
    answer = program.post("/api/v1/invites/decline", grace, json=body)
    assert answer.get_json()["state"] == "declined"
    problem(program.post("/api/v1/invites/accept", grace, json=body), 410, "invite_declined")
    assert role(program, org) is None


def test_everyone_with_the_link_may_look(program: Program, org: Organization, token: str, owner: User) -> None:
    send(program, org, token)
    told = program.get("/api/v1/invites/peek", query_string={"token": link(program.app)})
    assert told.status_code == 200
    body = told.get_json()
    assert body.pop("expires_at")
    assert body == {
        "org_id": str(org.id), "org_name": "Acme", "email": GRACE, "role": "member",
        "role_may": "Use credits with their own API keys; see the balance and their own costs.",
        "invited_by": owner.name,
    }  # fmt: skip
    with program.app.app_context(), transaction(org=org.id):
        row = db.session.scalars(select(Invite)).one()
        row.expires_at = clock.now()
    problem(program.get("/api/v1/invites/peek", query_string={"token": link(program.app)}), 410, "invite_expired")


def test_tokens_that_never_were_answer_alike_and_are_limited(program: Program, org: Organization, token: str) -> None:
    send(program, org, token)
    right, told = link(program.app), set()
    odd = ["", "x", right[:-1], right.upper(), "\x00", "ü", "a" * 2_000]
    for query in (*({"token": one} for one in odd), {}):
        body = problem(program.get("/api/v1/invites/peek", query_string=query), 404, "not_found")
        told.add(body["detail"])
    assert len(told) == 1
    problem(program.get("/api/v1/invites/peek?token=a&token=b"), 422, "repeated_field")
    for _ in range(rate_limits.INVITE_GUESS.most - len(odd) - 1):
        assert program.get("/api/v1/invites/peek?token=guess").status_code == 404
    answer = program.get("/api/v1/invites/peek", query_string={"token": right})
    problem(answer, 429, "too_many_requests")
    assert int(answer.headers["Retry-After"]) > 0


def test_lists_go_on_by_cursor(program: Program, org: Organization, token: str) -> None:
    sent = [send(program, org, token, email=f"p{number}@example.test").get_json()["id"] for number in range(5)]
    first = program.get(f"{base(org)}/invites?limit=3", token).get_json()
    rest = program.get(f"{base(org)}/invites?limit=3&cursor={first['next_cursor']}", token).get_json()
    assert [one["id"] for one in first["data"] + rest["data"]] == sent[::-1]
    assert rest["next_cursor"] is None


def test_another_organizations_invite_is_not_there(program: Program, org: Organization, token: str) -> None:
    other = program.org("Elsewhere")
    theirs = send(program, other, program.key(other, "members:write")).get_json()["id"]
    for method, path in (("POST", f"/invites/{theirs}/resend"), ("DELETE", f"/invites/{theirs}")):
        problem(program.call(method, f"{base(org)}{path}", token), 404, "not_found")
    with program.app.app_context():
        assert invites.with_id(other.id, UUID(theirs)).state == "pending"
