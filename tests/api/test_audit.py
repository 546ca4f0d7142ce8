"""The audit log as programs read it."""

from datetime import timedelta
from uuid import UUID

from dashboard.core import clock
from dashboard.core.db import transaction
from dashboard.domain import audit
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.models import Organization
from tests import factories
from tests.api.conftest import Program, problem


def add(program: Program, org: Organization, action: str = "key.made", by: Actor = SYSTEM) -> None:
    with program.app.app_context(), transaction(org=org.id):
        audit.record(audit.Ref("page", "/x"), action, by=by, org=org.id, before={"a": 1}, reason="why")


def test_an_entry_says_who_did_what(program: Program) -> None:
    org = program.org()
    person = program.make(factories.make_user, name="Mara")
    add(program, org, "organization.changed", Actor("user", person.id))
    key = program.key(org, "audit:read")
    found = program.get(f"/api/v1/orgs/{org.id}/audit?action=organization.changed", key).get_json()
    [one] = found["data"]
    assert UUID(one.pop("id"))
    assert one.pop("created_at").endswith("Z")
    assert {"ip", "request_id"} <= one.keys()
    assert one == {
        "actor": {"kind": "user", "id": str(person.id), "name": "Mara"}, "action": "organization.changed",
        "sentence": "Mara changed the settings of x", "object": {"kind": "page", "id": "/x"}, "before": {"a": 1},
        "after": None, "reason": "why", "ip": one["ip"], "request_id": one["request_id"],
    }  # fmt: skip
    assert found["next_cursor"] is None


def test_pages_and_filters(program: Program) -> None:
    org, other = program.org(), program.org("Other")
    person = program.make(factories.make_user)
    for _ in range(3):
        add(program, org, by=Actor("user", person.id))
    add(program, other, by=Actor("user", person.id))
    key, path = program.key(org, "audit:read"), f"/api/v1/orgs/{org.id}/audit"
    seen, cursor = [], ""
    while cursor is not None:
        page = program.get(f"{path}?actor_id={person.id}&limit=2{cursor and '&cursor=' + cursor}", key).get_json()
        seen += [one["id"] for one in page["data"]]
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen)) == 3
    assert seen == sorted(seen, reverse=True)
    day = clock.today()
    assert program.get(f"{path}?from={day}&to={day}", key).get_json()["data"]
    assert not program.get(f"{path}?to={day - timedelta(days=1)}", key).get_json()["data"]
    odd = {
        "actor_id=x": "not_an_id", "from=tomorrow": "not_a_time", "limit=0": "out_of_range",
        "cursor=%00": "not_a_cursor", "group=money": "unknown_field",
    }  # fmt: skip
    for query, code in odd.items():
        (error,) = problem(program.get(f"{path}?{query}", key), 422, "invalid")["errors"]
        assert (error["field"], error["code"]) == (query.partition("=")[0], code)


def test_it_needs_its_scope(program: Program) -> None:
    org = program.org()
    path = f"/api/v1/orgs/{org.id}/audit"
    problem(program.get(path, program.key(org, "wallet:read")), 403, "forbidden")
    problem(program.get(path, program.key(program.org("Other"), "audit:read")), 404, "not_found")


def test_customers_programs_do_not_learn_which_manager_it_was(program: Program) -> None:
    org = program.org()
    token = program.manager_token("wallet:read", "audit:read")
    assert program.get(f"/api/v1/orgs/{org.id}/wallet", token).status_code == 200
    path = f"/api/v1/orgs/{org.id}/audit?action=organization.visited"
    theirs = program.get(path, program.key(org, "audit:read")).get_json()["data"][0]
    assert theirs["actor"] == {"kind": "manager", "id": None, "name": "Platform manager"}
    assert theirs["ip"] is None
    ours = program.get(path, token).get_json()["data"][-1]
    assert ours["actor"]["id"]
