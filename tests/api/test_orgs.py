"""Organizations and their members, for programs: made, found, changed, handed over, deleted; by whom and with what."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from dashboard.core import clock
from dashboard.domain.audit import Actor
from dashboard.domain.organizations import memberships, organizations
from dashboard.models import Organization, User
from tests import factories
from tests.api.conftest import Program, problem
from tests.servers import Servers


class Team:
    """An organization with an owner, one of each other role, and a token of each with every right."""

    SCOPES = ("org:admin", "members:write", "wallet:read")

    def __init__(self, program: Program) -> None:
        self.program = program
        self.owner: User = program.make(factories.make_user)
        self.org: Organization = program.org(owner=self.owner)
        self.path = f"/api/v1/orgs/{self.org.id}"
        self.people = {
            role: program.make(factories.add_member, self.org, role) for role in ("admin", "member", "viewer")
        }
        self.people["owner"] = self.owner
        self.people["stranger"] = program.make(factories.make_user)
        self.tokens = {name: program.token(user, *self.SCOPES) for name, user in self.people.items()}

    def member_id(self, role: str) -> str:
        with self.program.app.app_context():
            row = memberships.of_person(self.org.id, self.people[role].id)
        assert row is not None
        return str(row.id)

    def role(self, role: str) -> str | None:
        with self.program.app.app_context():
            return memberships.role_of(self.people[role].id, self.org.id)


@pytest.fixture
def team(program: Program, servers: Servers) -> Team:
    made = servers.once("a team of programs", lambda: Team(program))
    made.program = program
    return made


def test_a_person_makes_a_team_and_owns_it(program: Program, team: Team) -> None:
    body = {"name": "Acme", "billing_address": "Street 1\nTown", "timezone": "Asia/Kathmandu"}
    made = program.post("/api/v1/orgs", team.tokens["stranger"], json=body)
    assert made.status_code == 201
    told = made.get_json()
    assert told["role"] == "owner"
    assert told["slug"].startswith("acme-")
    assert {name: told[name] for name in body} == body
    assert told == program.get(f"/api/v1/orgs/{told['id']}", team.tokens["stranger"]).get_json()
    problem(
        program.post("/api/v1/orgs", team.tokens["owner"], json={"name": "x", "slug": told["slug"]}), 409, "slug_taken"
    )


def test_making_one_takes_a_person_with_the_scope(program: Program, team: Team) -> None:
    problem(program.post("/api/v1/orgs", program.key(team.org, "members:write"), json={"name": "x"}), 403, "forbidden")
    weak = program.token(team.owner, "members:write", "wallet:read")
    assert "org:admin" in problem(program.post("/api/v1/orgs", weak, json={"name": "x"}), 403, "forbidden")["detail"]
    for body in ({}, {"name": ""}, {"name": 1}, {"name": "x", "kind": "platform"}, {"name": "x", "funding": "own"}):
        problem(program.post("/api/v1/orgs", team.tokens["owner"], json=body), 422, "invalid")


def test_an_owner_lists_return_hosts(program: Program, team: Team) -> None:
    token = team.tokens["owner"]
    hosts = ["app.acme.test", "Acme.test:8443", "app.acme.test"]
    told = program.call("PATCH", team.path, token, json={"return_hosts": hosts}).get_json()
    assert told["return_hosts"] == ["app.acme.test", "acme.test:8443"]
    for odd in (["https://acme.test"], ["a b"], [7], "acme.test", ["x.test"] * 21, ["-.test-"]):
        refused = program.call("PATCH", team.path, token, json={"return_hosts": odd})
        assert problem(refused, 422, "invalid")["errors"][0]["field"].startswith("return_hosts"), odd
    assert program.call("PATCH", team.path, token, json={"return_hosts": []}).get_json()["return_hosts"] == []
    assert "return_hosts" not in program.get(team.path, program.key(team.org, "wallet:read")).get_json()


def test_settings_change_what_is_named_and_null_unsets(program: Program, team: Team) -> None:
    token = team.tokens["owner"]
    body = {"name": "New", "slug": "new-acme", "billing_email": "a@b.test", "tax_id": "SE1"}
    told = program.call("PATCH", team.path, token, json=body).get_json()
    assert {name: told[name] for name in body} == body
    told = program.call("PATCH", team.path, token, json={"tax_id": None}).get_json()
    assert ("tax_id" in told, told["billing_email"]) == (False, "a@b.test")
    for field, value in (("name", None), ("slug", "A b"), ("timezone", "Mars"), ("timezone", None), ("tax_id", 7)):
        refused = problem(program.call("PATCH", team.path, token, json={field: value}), 422, "invalid")
        assert [error["field"] for error in refused["errors"]] == [field]
    with program.app.app_context():
        assert organizations.by_slug("new-acme") is not None


def test_where_bills_go_is_told_to_those_who_lead_with_the_scope_for_it(program: Program, team: Team) -> None:
    program.call("PATCH", team.path, team.tokens["owner"], json={"billing_email": "a@b.test"})
    told = {role: "billing_email" in program.get(team.path, team.tokens[role]).get_json() for role in team.people
            if role != "stranger"}  # fmt: skip
    assert told == {"owner": True, "admin": True, "member": False, "viewer": False}
    for bearer in (program.key(team.org, "wallet:read", "payments:read"), program.token(team.owner, "catalog:read")):
        assert "billing_email" not in program.get(team.path, bearer).get_json()


def test_an_empty_organization_is_deleted(program: Program, team: Team) -> None:
    key = program.key(team.org, "wallet:read")
    with program.app.app_context():
        factories.grant(factories.wallet_of(team.org), 5)
    problem(program.call("DELETE", team.path, team.tokens["owner"]), 409, "org_not_empty")
    with program.app.app_context():
        factories.charge(factories.wallet_of(team.org), 5)
    for role in ("admin", "member"):
        problem(program.call("DELETE", team.path, team.tokens[role]), 403, "forbidden")
    assert program.call("DELETE", team.path, team.tokens["owner"]).status_code == 204
    problem(program.get(f"{team.path}/wallet", key), 401, "invalid_key")
    for role in team.people:
        problem(program.get(team.path, team.tokens[role]), 404, "not_found")
    problem(program.call("DELETE", team.path, team.tokens["owner"]), 404, "not_found")


def test_a_personal_organization_stays(program: Program, team: Team) -> None:
    token = team.tokens["owner"]
    own = next(org for org in program.get("/api/v1/orgs", token).get_json()["data"] if org["kind"] == "personal")
    path = f"/api/v1/orgs/{own['id']}"
    problem(program.call("DELETE", path, token), 409, "personal_organization")
    [only] = program.get(f"{path}/members", token).get_json()["data"]
    problem(program.call("DELETE", f"{path}/members/{only['id']}", token), 409, "last_owner")
    problem(
        program.post(f"{path}/ownership-transfer", token, json={"member_id": only["id"]}), 409, "personal_organization"
    )


def test_members_are_listed_in_pages(program: Program, team: Team) -> None:
    seen, cursor = [], ""
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = program.get(f"{team.path}/members", team.tokens["viewer"], query_string=query).get_json()
        seen += page["data"]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert [one["role"] for one in seen] == ["viewer", "member", "admin", "owner"]
    assert seen[-1]["email"] == team.owner.email
    assert "two_factor" not in seen[0]
    managing = program.get(f"{team.path}/members", program.key(team.org, "members:write")).get_json()["data"]
    assert managing[0]["two_factor"] is False


ROLES: list[tuple[str, str, str, int, str]] = [
    ("owner", "viewer", "owner", 200, ""),
    ("admin", "viewer", "admin", 200, ""),
    ("key", "viewer", "admin", 200, ""),
    ("admin", "viewer", "owner", 403, "role_too_high"),
    ("key", "viewer", "owner", 403, "role_too_high"),
    ("admin", "owner", "viewer", 403, "role_too_high"),
    ("key", "owner", "viewer", 403, "role_too_high"),
    ("member", "viewer", "member", 403, "forbidden"),
    ("stranger", "viewer", "member", 404, "not_found"),
    ("owner", "owner", "admin", 409, "last_owner"),
    ("owner", "viewer", "emperor", 422, "invalid"),
]


@pytest.mark.parametrize(("who", "whom", "role", "status", "code"), ROLES)
def test_roles_by_program(program: Program, team: Team, who: str, whom: str, role: str, status: int, code: str) -> None:
    bearer = program.key(team.org, "members:write") if who == "key" else team.tokens[who]
    answer = program.call("PATCH", f"{team.path}/members/{team.member_id(whom)}", bearer, json={"role": role})
    if status == 200:
        assert answer.get_json()["role"] == team.role(whom) == role
    else:
        problem(answer, status, code)
        assert team.role(whom) == whom


def test_a_personal_token_changes_roles_with_the_scope_for_it(program: Program, team: Team) -> None:
    weak = program.token(team.owner, "members:write")
    path = f"{team.path}/members/{team.member_id('viewer')}"
    problem(program.call("PATCH", path, weak, json={"role": "admin"}), 403, "forbidden")
    assert program.call("DELETE", path, weak).status_code == 200


def test_an_owner_is_removed_with_the_scope_for_owners_alone(program: Program, team: Team) -> None:
    """As giving and taking the owner's role is: a weaker token would do the same by another route."""
    with program.app.app_context():
        other = factories.add_member(team.org, "owner")
        row = memberships.of_person(team.org.id, other.id)
        assert row
        path = f"{team.path}/members/{row.id}"
    for weak in (program.token(team.owner, "members:write"), program.key(team.org, "members:write")):
        assert program.call("DELETE", path, weak).status_code == 403
    assert program.call("DELETE", path, team.tokens["owner"]).status_code == 200


def test_members_are_removed_and_leave(program: Program, team: Team) -> None:
    assert (
        program.call("DELETE", f"{team.path}/members/{team.member_id('viewer')}", team.tokens["viewer"]).status_code
        == 200
    )
    problem(program.get(team.path, team.tokens["viewer"]), 404, "not_found")
    for role in ("member", "admin"):
        path = f"{team.path}/members/{team.member_id(role)}"
        problem(program.call("DELETE", path, team.tokens["stranger"]), 404, "not_found")
        assert program.call("DELETE", path, team.tokens["owner"]).status_code == 200
        problem(program.call("DELETE", path, team.tokens["owner"]), 404, "not_found")
    problem(
        program.call("DELETE", f"{team.path}/members/{team.member_id('owner')}", team.tokens["owner"]),
        409,
        "last_owner",
    )
    problem(program.call("DELETE", f"{team.path}/members/{uuid4()}", team.tokens["owner"]), 404, "not_found")


@pytest.mark.parametrize("end", [False, True])
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_the_answer_says_what_became_of_keys(program: Program, team: Team, method: str, end: bool) -> None:
    with program.app.app_context():
        row = memberships.find(team.org.id, UUID(team.member_id("admin")))
        assert row
        by = Actor("user", row.user_id)
    for scope in ("wallet:read", "members:write"):
        program.key(team.org, scope, by=by)
    path = f"{team.path}/members/{team.member_id('admin')}"
    body = {"role": "member", "end_keys": end} if method == "PATCH" else None
    query = f"?end_keys={str(end).lower()}" if method == "DELETE" else ""
    told = program.call(method, f"{path}{query}", team.tokens["owner"], json=body)
    assert told.status_code == 200, told.text
    found = told.get_json()
    assert (len(found["keys_passed"]), len(found["keys_ended"])) == ((0, 2) if end else (1, 1))
    assert found["keys_passed_to"] == (None if end else str(team.owner.id))


def test_ownership_moves_to_a_member(program: Program, team: Team) -> None:
    path, wanted = f"{team.path}/ownership-transfer", {"member_id": team.member_id("member")}
    weak = program.token(team.owner, "members:write")
    for bearer in (weak, team.tokens["admin"], program.key(team.org, "members:write")):
        problem(program.post(path, bearer, json=wanted), 403, "forbidden")
    problem(program.post(path, team.tokens["owner"], json={"member_id": str(uuid4())}), 404, "not_found")
    problem(program.post(path, team.tokens["owner"], json={"member_id": "x"}), 422, "invalid")
    told = program.post(path, team.tokens["owner"], json=wanted)
    assert (told.status_code, told.get_json()["role"]) == (200, "owner")
    assert (team.role("owner"), team.role("member")) == ("admin", "owner")
    problem(program.post(path, team.tokens["owner"], json=wanted), 403, "forbidden")


def test_a_suspended_organization_is_read_only(program: Program, team: Team) -> None:
    program.change(team.org, suspended_at=clock.now())
    token, member = team.tokens["owner"], f"{team.path}/members/{team.member_id('viewer')}"
    assert program.get(team.path, token).get_json()["suspended_at"]
    calls: list[tuple[str, str, Any]] = [
        ("PATCH", team.path, {"name": "x"}), ("DELETE", team.path, None), ("PATCH", member, {"role": "admin"}),
        ("DELETE", member, None), ("POST", f"{team.path}/ownership-transfer", {"member_id": team.member_id("viewer")}),
    ]  # fmt: skip
    for method, path, body in calls:
        problem(program.call(method, path, token, json=body), 403, "org_suspended")
