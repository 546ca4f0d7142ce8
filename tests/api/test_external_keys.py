"""External keys by program: operators set and find by them, leads read them, and nobody else learns which exist."""

from typing import Any

import pytest
from sqlalchemy import update

from dashboard.core.db import db, transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.platform import external_keys
from dashboard.models import AuditEntry, Organization, OrgDirectory
from tests import factories
from tests.api.conftest import Program, problem
from tests.servers import Servers

FIND = "/api/v1/orgs/by-external-key"


class Customers:
    """An organization with the key crm-1, its people's tokens, and an operator's."""

    def __init__(self, program: Program) -> None:
        owner = program.make(factories.make_user)
        self.org: Organization = program.org(owner=owner)
        self.path = f"/api/v1/orgs/{self.org.id}"
        self.terms = f"/admin/api/v1/orgs/{self.org.id}"
        people = {role: program.make(factories.add_member, self.org, role) for role in ("admin", "member", "viewer")}
        people |= {"owner": owner, "stranger": program.make(factories.make_user)}
        self.people = people
        self.tokens = {name: program.token(user, "org:admin", "wallet:read") for name, user in people.items()}
        self.manager = program.make(factories.make_user, manager=True)
        self.operator = program.token(self.manager, "platform:read", "platform:grant", "org:admin")
        with program.app.app_context(), transaction(org=self.org.id):
            external_keys.assign(self.org, "crm-1", reason="Contract", by=SYSTEM)


@pytest.fixture
def customers(program: Program, servers: Servers) -> Customers:
    return servers.once("an organization with an external key", lambda: Customers(program))


def unconfirm(program: Program, org: Organization, key: str) -> None:
    """As owners set it before only operators could."""
    with program.app.app_context(), transaction(org=org.id) as session:
        rows = update(OrgDirectory).filter_by(org_id=org.id)
        session.execute(rows.values(external_key=key, external_key_confirmed_at=None))


def test_an_owner_cannot_claim_an_external_key_nor_learn_which_exist(program: Program, customers: Customers) -> None:
    """A claimed key would send the operator's deposits to the first claimant."""
    for who in ("owner", "stranger"):
        for key in ("crm-1", "crm-4821", None):
            body = {"name": "Attacker", "external_key": key}
            refused = program.post("/api/v1/orgs", customers.tokens[who], json=body)
            assert "a platform manager sets it" in problem(refused, 403, "operator_only")["detail"]
    for key in ("crm-4821", "crm-1", None):
        answer = program.call("PATCH", customers.path, customers.tokens["owner"], json={"external_key": key})
        problem(answer, 403, "operator_only")
    problem(program.call("PATCH", customers.path, customers.tokens["stranger"], json={"external_key": "x"}), 404,
            "not_found")  # fmt: skip
    assert program.get(customers.terms, customers.operator).get_json()["external_key"] == "crm-1"


def test_external_keys_are_read_by_owners_admins_and_viewers(program: Program, customers: Customers) -> None:
    roles = ("owner", "admin", "member", "viewer")
    told = {role: program.get(customers.path, customers.tokens[role]).get_json() for role in roles}
    assert {role for role in roles if told[role].get("external_key") == "crm-1"} == {"owner", "admin", "viewer"}
    for bearer in (
        program.key(customers.org, "catalog:read", "wallet:read", "audit:read"),
        program.token(customers.people["owner"], "wallet:read"), program.token(customers.people["member"], "org:admin"),
    ):  # fmt: skip
        assert "external_key" not in program.get(customers.path, bearer).get_json()


def test_foreign_and_absent_external_keys_look_alike(program: Program, customers: Customers) -> None:
    for role in ("owner", "admin", "viewer"):
        assert program.get(f"{FIND}/crm-1", customers.tokens[role]).get_json()["id"] == str(customers.org.id)
    assert program.get(f"{FIND}/crm-1", customers.operator).get_json()["external_key"] == "crm-1"
    for role in ("member", "stranger"):
        foreign = program.get(f"{FIND}/crm-1", customers.tokens[role])
        absent = program.get(f"{FIND}/none", customers.tokens[role])
        assert {**problem(foreign, 404, "not_found"), "request_id": ""} == {
            **problem(absent, 404, "not_found"), "request_id": "",
        }  # fmt: skip
    for odd in ("%00", "a%00b", "%F0%9F%98%80", "x" * 3000):
        problem(program.get(f"{FIND}/{odd}", customers.operator), 404, "not_found")
    for key in ("crm-1", "none"):
        problem(program.get(f"{FIND}/{key}", program.key(customers.org, "wallet:read")), 403, "forbidden")


def test_operators_set_and_clear_them_with_a_reason(program: Program, customers: Customers) -> None:
    def set_to(key: object, bearer: str = customers.operator, **more: str) -> object:
        body = {"external_key": key, "reason": "Moved in the CRM"} | more
        return program.call("PATCH", customers.terms, bearer, json=body)

    assert set_to("crm-2").get_json()["external_key"] == "crm-2"
    problem(program.get(f"{FIND}/crm-1", customers.operator), 404, "not_found")
    assert set_to(None).get_json()["external_key"] is None
    for odd in ("a/b", "a b", "-a", "x" * 201, "ä"):
        assert problem(set_to(odd), 422, "invalid")["errors"][0]["field"] == "external_key"
    problem(program.call("PATCH", customers.terms, customers.operator, json={"external_key": "x"}), 422, "invalid")
    for bearer in (customers.tokens["owner"], program.key(customers.org, "wallet:charge")):
        problem(set_to("crm-3", bearer), 403, "forbidden")
    problem(set_to("crm-3", program.token(customers.manager, "platform:read")), 403, "forbidden")
    made = program.post("/api/v1/orgs", customers.operator, json={"name": "New", "external_key": "crm-5"})
    assert made.get_json()["external_key"] == "crm-5"
    taken = problem(set_to("crm-5"), 409, "external_key_taken")
    assert made.get_json()["id"] in taken["detail"]
    with program.app.app_context():
        left = db.session.query(AuditEntry).filter(AuditEntry.action.startswith("external_key.")).order_by("id")
        assert [(row.action, row.reason, row.after) for row in left if row.org_id == customers.org.id][1:] == [
            ("external_key.set", "Moved in the CRM", {"external_key": "crm-2"}),
            ("external_key.cleared", "Moved in the CRM", {"external_key": None}),
        ]


def test_a_key_that_an_owner_had_set_leads_nowhere_until_it_is_confirmed(
    program: Program, customers: Customers
) -> None:
    unconfirm(program, customers.org, "crm-9")
    problem(program.get(f"{FIND}/crm-9", customers.operator), 409, "external_key_unconfirmed")
    for role in ("owner", "viewer", "stranger"):
        problem(program.get(f"{FIND}/crm-9", customers.tokens[role]), 404, "not_found")
    told = program.get(customers.terms, customers.operator).get_json()
    assert (told["external_key"], told["external_key_confirmed_at"]) == ("crm-9", None)
    body = {"external_key": "crm-9", "reason": "It is ours"}
    assert program.call("PATCH", customers.terms, customers.operator, json=body).get_json()["external_key_confirmed_at"]
    assert program.get(f"{FIND}/crm-9", customers.operator).get_json()["id"] == str(customers.org.id)


def test_the_audit_log_tells_the_key_to_those_who_may_know_it(program: Program, customers: Customers) -> None:
    path = f"{customers.path}/audit?action=external_key.set"

    def entry(token: str) -> dict[str, Any]:
        (found,) = program.get(path, token).get_json()["data"]
        return {"sentence": found["sentence"], "after": found["after"]}

    full = program.token(customers.people["owner"], "audit:read", "org:admin")
    assert entry(full)["after"] == {"external_key": "crm-1"}
    for token in (program.token(customers.people["owner"], "audit:read"), program.key(customers.org, "audit:read")):
        assert "crm-1" not in str(entry(token))
