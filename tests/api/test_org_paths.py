"""The organization in a path: its id, `self` or the operator's own id for it."""

import pytest
from sqlalchemy import update

from dashboard.core.db import transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.platform import external_keys
from dashboard.models import PLATFORM_ORG_ID, Organization, OrgDirectory
from tests import factories
from tests.api.conftest import Program, problem

CHARGE = {"operation": "charge", "amount_micros": 10}


def named(program: Program, key: str, name: str = "Acme") -> Organization:
    org = program.org(name, funds=100)
    with program.app.app_context(), transaction(org=org.id):
        external_keys.assign(org, key, reason="Contract", by=SYSTEM)
    return org


def wallet(ref: object) -> str:
    return f"/api/v1/orgs/{ref}/wallet"


def test_self_is_the_organization_of_a_key_and_of_nobody_else(program: Program) -> None:
    org = program.org(funds=100)
    key = program.key(org, "wallet:charge", "wallet:read")
    assert program.post(wallet("self"), key, json=CHARGE).get_json()["org_id"] == str(org.id)
    platform = program.make(factories.organizations.by_id, PLATFORM_ORG_ID)
    owner = program.token(program.make(factories.add_member, org, "owner"), "wallet:read")
    for bearer in (owner, program.manager_token("wallet:read"), program.service_key("wallet:read"),
                   program.key(platform, "wallet:read")):  # fmt: skip
        problem(program.get(wallet("self"), bearer), 404, "not_found")


def test_everyone_names_an_organization_by_its_confirmed_external_key(program: Program) -> None:
    org = named(program, "crm:4821|a+b=c@x")
    ref = "ext%3Acrm%3A4821%7Ca%2Bb%3Dc%40x"
    keys = [program.key(org, "wallet:read"), program.service_key("wallet:read"), program.manager_token("wallet:read")]
    keys.append(program.token(program.make(factories.add_member, org, "member"), "wallet:read"))
    for key in keys:
        assert program.get(wallet(ref), key).get_json()["org_id"] == str(org.id)
        assert program.get(wallet("ext:crm:4821|a+b=c@x"), key).status_code == 200
        assert program.get(wallet(str(org.id).upper()), key).status_code == 200
        problem(program.get(wallet("ext:CRM:4821%7Ca%2Bb%3Dc%40x"), key), 404, "not_found")
    with program.app.app_context(), transaction(org=org.id) as session:
        session.execute(update(OrgDirectory).filter_by(org_id=org.id).values(external_key_confirmed_at=None))
    for key in keys:
        problem(program.get(wallet(ref), key), 404, "not_found")


def test_strangers_learn_nothing_by_an_external_key(program: Program) -> None:
    named(program, "theirs")
    mine, own = named(program, "mine", "Mine"), named(program, "own", "Self-funded")
    program.change(own, funding="own")
    stranger = program.token(program.make(factories.make_user), "wallet:read", "wallet:charge")
    answers = []
    for bearer, refs in (
        (program.key(mine, "wallet:read", "wallet:charge"), ("ext:theirs", "ext:none")),
        (stranger, ("ext:theirs", "ext:none")), (program.service_key("wallet:read"), ("ext:own", "ext:none")),
    ):  # fmt: skip
        for ref in refs:
            for answer in (program.get(wallet(ref), bearer), program.post(wallet(ref), bearer, json=CHARGE)):
                answers.append({**problem(answer, 404, "not_found"), "request_id": ""})
    assert all(answer == answers[0] for answer in answers)


def test_one_business_fact_is_one_charge_however_the_organization_is_named(program: Program) -> None:
    org = named(program, "crm-1")
    key, keyed = program.key(org, "wallet:charge"), CHARGE | {"idempotency_key": "order-1"}
    rows = {program.post(wallet(ref), key, json=keyed).get_json()["transaction"]["id"]
            for ref in (org.id, "self", "ext:crm-1", str(org.id).upper())}  # fmt: skip
    assert len(rows) == 1
    assert program.balance(org) == 90


def test_one_invite_is_sent_once_however_the_organization_is_named(program: Program) -> None:
    org = named(program, "crm-1")
    key, body = program.key(org, "members:write"), {"email": "new@example.test", "role": "member"}
    answers = [
        program.post(f"/api/v1/orgs/{ref}/members", key, json=body, headers={"Idempotency-Key": "invite-1"})
        for ref in ("self", org.id, "ext:crm-1", str(org.id).upper())
    ]
    assert [one.status_code for one in answers] == [201] * 4
    assert [one.headers.get("Idempotent-Replay") for one in answers] == [None, "true", "true", "true"]


@pytest.mark.parametrize(
    "ref", ["ext:", "ext:%00", "ext:a%00b", "ext:a%2Fb", "ext:a/b", "ext:%F0%9F%98%80", "ext:-a", "ext:" + "x" * 3000,
            "EXT:crm-1", "Self", "self%00", "..", "", "%00", "0", "ext:crm-1%20", "' OR 1=1"],
)  # fmt: skip
def test_odd_names_lead_nowhere(program: Program, ref: str) -> None:
    named(program, "crm-1")
    for bearer in (program.service_key("wallet:read"), program.manager_token("wallet:read")):
        answer = program.get(wallet(ref), bearer)
        assert answer.status_code in (404, 405), answer.text
        assert answer.content_type == "application/problem+json"


def test_operators_name_it_so_on_the_platforms_paths(program: Program) -> None:
    org, manager = named(program, "crm-1"), program.manager_token()
    path = "/admin/api/v1/orgs/ext:crm-1"
    assert program.get(path, manager).get_json()["id"] == str(org.id)
    changed = program.call("PATCH", path, manager, json={"suspended": True, "reason": "Unpaid"})
    assert changed.get_json()["suspended_at"]
    for ref in ("self", "ext:none", PLATFORM_ORG_ID):
        problem(program.get(f"/admin/api/v1/orgs/{ref}", manager), 404, "not_found")
