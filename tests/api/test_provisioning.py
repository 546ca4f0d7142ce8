"""Organizations made, found and named by the platform's own backend, with its own ids."""

from typing import Any

from sqlalchemy import select

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.organizations import organizations
from dashboard.domain.platform import external_keys
from dashboard.models import AuditEntry, Invite, Membership, Organization
from tests import factories
from tests.api.conftest import Program, problem
from tests.api.test_external_keys import unconfirm
from tests.concurrency import at_once

ORGS = "/api/v1/orgs"
CUSTOMER = {"name": "Acme", "external_key": "crm-1", "billing_email": "pay@acme.example"}


def made(program: Program, key: str, **changes: Any) -> Any:
    return program.post(ORGS, key, json=CUSTOMER | changes)


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [org["id"] for org in answer.get_json()["data"]]


def count(program: Program, model: Any, **values: Any) -> int:
    with program.app.app_context():
        return db.session.query(model).filter_by(**values).count()


def test_a_customer_is_made_once_and_used_at_once(program: Program) -> None:
    key = program.service_key("orgs:write", "wallet:deposit", "wallet:charge")
    first, again = made(program, key), made(program, key, name="Renamed since")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.get_json() == again.get_json()
    assert (first.get_json()["external_key"], first.get_json()["kind"]) == ("crm-1", "team")
    for body in ({"operation": "deposit", "amount_micros": 100}, {"operation": "charge", "amount_micros": 30}):
        assert program.post(f"{ORGS}/ext:crm-1/wallet", key, json=body).status_code == 201
    org_id = first.get_json()["id"]
    assert count(program, Membership, org_id=org_id) == 0
    with program.app.app_context():
        entries = db.session.scalars(select(AuditEntry).filter_by(org_id=org_id).order_by(AuditEntry.id))
        kept = [(entry.action, entry.actor_kind) for entry in entries]
    assert ("organization.made", "key") in kept
    assert ("external_key.set", "key") in kept


def test_many_at_once_make_one(program: Program) -> None:
    key = program.service_key("orgs:write")

    def post(number: int) -> str:
        client = program.app.test_client()
        return str(client.post(ORGS, json=CUSTOMER, headers={"Authorization": f"Bearer {key}"}).status_code)

    assert at_once(program.app, 6, post, workers=6) == {"201": 1, "200": 5}
    assert count(program, Organization, name="Acme") == 1


def test_its_owner_is_invited_until_it_has_one(program: Program) -> None:
    key = program.service_key("orgs:write")
    org_id = made(program, key, owner_email="ada@acme.example").get_json()["id"]
    assert made(program, key, owner_email="ada@acme.example").status_code == 200
    assert count(program, Invite, org_id=org_id, role="owner", state="pending") == 1
    with program.app.app_context():
        org = organizations.by_id(org_id)
        assert org is not None
        factories.add_member(org, "owner")
    assert made(program, key, owner_email="bob@acme.example").status_code == 200
    assert count(program, Invite, org_id=org_id) == 1
    person = program.token(program.make(factories.make_user), "org:admin")
    refused = problem(program.post(ORGS, person, json={"name": "x", "owner_email": "a@b.example"}), 422, "invalid")
    assert refused["errors"][0]["field"] == "owner_email"
    assert problem(made(program, key, external_key="crm-2", owner_email="nobody"), 422, "invalid")


def test_what_it_may_not_see_is_taken(program: Program) -> None:
    key = program.service_key("orgs:write")
    org_id = made(program, key).get_json()["id"]
    with program.app.app_context():
        org = organizations.by_id(org_id)
    assert org is not None
    for change in ({"funding": "own"}, {"funding": "platform", "closed_at": clock.now()}):
        program.change(org, **change)
        problem(made(program, key), 409, "external_key_taken")
    program.change(org, closed_at=None)
    unconfirm(program, org, "crm-1")
    problem(made(program, key), 409, "external_key_unconfirmed")
    assert problem(made(program, key, external_key="a b"), 422, "invalid")["errors"][0]["field"] == "external_key"


def test_operators_get_the_existing_one_too_and_nobody_else_does(program: Program) -> None:
    org_id = made(program, program.service_key("orgs:write")).get_json()["id"]
    operator = program.manager_token("platform:grant", "platform:read", "org:admin")
    again = made(program, operator)
    assert (again.status_code, again.get_json()["id"]) == (200, org_id)
    person = program.token(program.make(factories.make_user), "org:admin")
    for key in ("crm-1", "crm-404"):
        problem(made(program, person, external_key=key), 403, "operator_only")
    org = program.org()
    for bearer in (program.key(org, "wallet:charge", "members:write"), program.service_key("wallet:charge")):
        problem(made(program, bearer), 403, "forbidden")


def test_it_sets_external_keys_and_no_other_setting(program: Program) -> None:
    org, key = program.org("Old"), program.service_key("orgs:write", "wallet:read")
    path = f"{ORGS}/{org.id}"
    assert program.call("PATCH", path, key, json={"external_key": "crm-7"}).get_json()["external_key"] == "crm-7"
    assert program.get(f"{ORGS}/ext:crm-7", key).get_json()["external_key"] == "crm-7"
    assert program.get(f"{ORGS}/by-external-key/crm-7", key).get_json()["id"] == str(org.id)
    made(program, key)
    problem(program.call("PATCH", path, key, json={"external_key": "crm-1"}), 409, "external_key_taken")
    for body in ({"name": "New"}, {"name": "New", "external_key": "crm-8"}, {}):
        problem(program.call("PATCH", path, key, json=body), 403, "forbidden")
    for bearer in (program.service_key("wallet:read"), program.key(org, "members:write")):
        problem(program.call("PATCH", path, bearer, json={"external_key": "crm-9"}), 403, "forbidden")
    assert program.call("PATCH", f"{ORGS}/ext:crm-7", key, json={"external_key": None}).status_code == 200
    problem(program.get(f"{ORGS}/ext:crm-7", key), 404, "not_found")
    with program.app.app_context():
        last = db.session.scalars(select(AuditEntry).filter_by(org_id=org.id).order_by(AuditEntry.id.desc())).first()
        assert last is not None
        assert (last.action, last.reason) == ("external_key.cleared", "Set by a service key")


def test_a_service_key_lists_where_it_acts_and_everyone_filters(program: Program) -> None:
    owner = program.make(factories.make_user, "ada@example.test")
    acme, globex, own = program.org("Acme", owner=owner), program.org("Globex"), program.org("Self-funded")
    program.change(own, funding="own")
    closed = program.org("Closed")
    program.change(closed, closed_at=clock.now())
    program.change(globex, billing_email="Pay@globex.example")
    for org, external in ((acme, "crm-1"), (own, "crm-2")):
        with program.app.app_context(), transaction(org=org.id):
            external_keys.assign(org, external, reason="Contract", by=SYSTEM)
    service, operator = program.service_key("orgs:write"), program.manager_token("platform:read")
    everything = ids(program.get(ORGS, service))
    assert {str(acme.id), str(globex.id)} < set(everything)
    assert not {str(own.id), str(closed.id)} & set(everything)
    page = program.get(f"{ORGS}?limit=2", service).get_json()
    second = program.get(f"{ORGS}?limit=2&cursor={page['next_cursor']}", service)
    assert [one["id"] for one in page["data"]] + ids(second) == everything[:4]
    problem(program.get(ORGS, program.service_key("wallet:read")), 403, "forbidden")

    person = program.token(owner, "org:admin", "members:write")
    for path, bearer in ((ORGS, service), ("/admin/api/v1/orgs", operator), (ORGS, person)):
        assert ids(program.get(f"{path}?external_key=crm-1", bearer)) == [str(acme.id)]
        assert ids(program.get(f"{path}?slug={acme.slug}", bearer)) == [str(acme.id)]
        assert str(acme.id) in ids(program.get(f"{path}?email=ADA@example.test", bearer))
        for query in ("external_key=none", "slug=none", "email=none", "slug=%00", "external_key=a%00", "email=%F0%9F",
                      f"external_key=crm-1&slug={globex.slug}"):  # fmt: skip
            assert ids(program.get(f"{path}?{query}", bearer)) == [], query
        assert program.get(f"{path}?nope=1", bearer).status_code == 422
    assert ids(program.get(f"{ORGS}?email=pay@globex.example", service)) == [str(globex.id)]
    assert ids(program.get("/admin/api/v1/orgs?external_key=crm-2", operator)) == [str(own.id)]
    for query in ("external_key=crm-2", f"slug={own.slug}"):
        assert ids(program.get(f"{ORGS}?{query}", service)) == []


def test_filters_tell_nobody_what_they_may_not_read(program: Program) -> None:
    owner = program.make(factories.make_user)
    org = program.org(owner=owner)
    program.change(org, billing_email="pay@acme.example")
    with program.app.app_context(), transaction(org=org.id):
        external_keys.assign(org, "crm-1", reason="Contract", by=SYSTEM)
    member = program.token(program.make(factories.add_member, org, "member"), "org:admin", "members:write")
    assert ids(program.get(f"{ORGS}?external_key=crm-1", member)) == []
    assert ids(program.get(f"{ORGS}?email=pay@acme.example", member)) == []
    narrow, key = program.token(owner, "wallet:read"), program.key(org, "wallet:read")
    for bearer in (narrow, key):
        for query in ("external_key=crm-1", f"email={owner.email}"):
            problem(program.get(f"{ORGS}?{query}", bearer), 403, "forbidden")
        assert ids(program.get(f"{ORGS}?slug={org.slug}", bearer)) == [str(org.id)]
        assert ids(program.get(f"{ORGS}?slug=elsewhere", bearer)) == []
    stranger = program.token(program.make(factories.make_user), "org:admin", "members:write")
    for query in ("external_key=crm-1", f"slug={org.slug}", f"email={owner.email}"):
        assert str(org.id) not in ids(program.get(f"{ORGS}?{query}", stranger))
