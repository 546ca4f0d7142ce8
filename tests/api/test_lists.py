"""Lists: filters, limits, cursors that neither skip nor repeat, and the explanation of one row."""

from typing import Any

import pytest

from dashboard.core.db import transaction
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.organizations import memberships
from dashboard.domain.platform import external_keys
from tests import factories
from tests.api.conftest import Program, problem
from tests.each import each


def everything(program: Program, path: str, key: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    for _ in range(50):
        page = program.get(path, key, query_string=query | ({"cursor": cursor} if cursor else {})).get_json()
        found += page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found
    raise AssertionError("the list does not end")


@pytest.fixture
def busy(program: Program) -> Any:
    org = program.org(funds=1_000_000)
    with program.app.app_context():
        wallet = factories.wallet_of(org)
        for number in range(12):
            factories.charge(wallet, number + 1, app="reports" if number % 2 else "")
    return org


def test_pages_neither_skip_nor_repeat(program: Program, busy: Any) -> None:
    key = program.key(busy, "wallet:read")
    path = f"/api/v1/orgs/{busy.id}/transactions"
    whole = everything(program, path, key)
    assert [row["seq"] for row in whole] == list(range(13, 0, -1))
    assert everything(program, path, key, limit=3) == whole
    assert everything(program, path, key, limit=5, wallet_id=whole[0]["wallet_id"]) == whole


@each(
    ("query", "many"),
    [
        ({"type": "charge"}, 12), ({"type": "admin_grant"}, 1), ({"app": "reports"}, 6), ({"min_micros": "1"}, 1),
        ({"max_micros": "-12"}, 1), ({"from": "2000-01-01", "to": "2000-01-02"}, 0), ({"from": "2000-01-01"}, 13),
        ({"q": "nothing-like-this"}, 0),
    ],
)  # fmt: skip
def test_filters(program: Program, busy: Any, query: dict[str, str], many: int) -> None:
    key = program.key(busy, "wallet:read")
    assert len(everything(program, f"/api/v1/orgs/{busy.id}/transactions", key, limit=5, **query)) == many


@each(
    "query",
    [
        {"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"limit": "\u0665"}, {"limit": ""}, {"cursor": "x"},
        {"cursor": "A" * 5_000}, {"type": "nonsense"}, {"from": "yesterday"},
        {"from": "2026-02-02", "to": "2026-01-01"},
        {"min_micros": "1.5"}, {"min_micros": "5", "max_micros": "4"}, {"q": "\x00"}, {"q": "x" * 300},
        {"member_id": "x"}, {"wallet_id": "x"}, {"offset": "5"},
    ],
)  # fmt: skip
def test_odd_queries(program: Program, busy: Any, query: dict[str, str]) -> None:
    key = program.key(busy, "wallet:read")
    response = program.get(f"/api/v1/orgs/{busy.id}/transactions", key, query_string=query)
    assert response.status_code == 422, response.get_data(as_text=True)
    assert response.get_json()["errors"][0]["field"] in query


def test_a_parameter_given_twice_is_refused(program: Program, busy: Any) -> None:
    key = program.key(busy, "wallet:read")
    response = program.get(f"/api/v1/orgs/{busy.id}/transactions?type=charge&type=deposit", key)
    assert problem(response, 422, "repeated_field")["errors"][0]["field"] == "type"


def test_one_row_is_explained(program: Program, busy: Any) -> None:
    key = program.key(busy, "wallet:read")
    path = f"/api/v1/orgs/{busy.id}/transactions"
    rows = everything(program, path, key)
    found = program.get(f"{path}/{rows[-1]['id']}", key).get_json()
    assert {name: value for name, value in found.items() if name != "explanation"} == rows[-1]
    assert found["explanation"].keys() == {"cause", "grants", "grants_used", "followed"}
    assert sum(part["amount_micros"] for part in found["explanation"]["grants"]) == found["amount_micros"]


def test_the_platform_lists_every_organization_person_and_row(program: Program, busy: Any) -> None:
    other, token = program.org("Other", funds=5), program.manager_token()
    rows = everything(program, "/admin/api/v1/transactions", token, limit=4)
    assert {row["org_id"] for row in rows} >= {str(busy.id), str(other.id)}
    assert len({row["id"] for row in rows}) == len(rows)
    one = everything(program, "/admin/api/v1/transactions", token, org_id=str(other.id))
    assert [row["amount_micros"] for row in one] == [5]
    names = [org["name"] for org in everything(program, "/admin/api/v1/orgs", token, limit=2)]
    assert {"Other", "Acme"} <= set(names)
    assert len(names) == len(everything(program, "/admin/api/v1/orgs", token))
    people = everything(program, "/admin/api/v1/users", token, limit=1)
    assert "platform_manager" in {person["platform_role"] for person in people}
    assert not any("password" in name for person in people for name in person)
    person = next(one for one in people if one["platform_role"] == "standard")
    own = everything(program, "/admin/api/v1/transactions", token, user_id=person["id"])
    assert [row["type"] for row in own] == ["admin_grant"]


def test_a_key_lists_its_organization_and_a_person_all_of_theirs(program: Program) -> None:
    org = program.org("Mine")
    found = program.get("/api/v1/orgs", program.key(org, "wallet:read")).get_json()
    assert [one["id"] for one in found["data"]] == [str(org.id)]
    user = program.make(factories.make_user)
    program.make(factories.add_member, org, "viewer", user=user)
    token = program.token(user, "wallet:read")
    listed = everything(program, "/api/v1/orgs", token, limit=1)
    assert sorted((one["kind"], one["role"]) for one in listed) == [("personal", "owner"), ("team", "viewer")]


def test_a_member_reads_what_their_keys_and_tokens_charged(program: Program, busy: Any) -> None:
    ines, tom = (program.make(factories.add_member, busy, "member") for _ in range(2))
    path = f"/api/v1/orgs/{busy.id}"
    for number, user in enumerate((ines, ines, tom)):
        by = Actor("user", user.id)
        key = program.key(busy, "wallet:charge", by=by)
        body = {"operation": "charge", "amount_micros": 5, "idempotency_key": f"k{number}"}
        row = program.post(f"{path}/wallet", key, json=body).get_json()["transaction"]
        assert row["user_id"] == str(user.id)
    token = program.token(ines, "wallet:read")
    own = everything(program, f"{path}/transactions", token)
    assert [row["idempotency_key"] for row in own] == ["k1", "k0"]
    assert program.get(f"{path}/transactions/{own[0]['id']}", token).status_code == 200
    reader = program.key(busy, "wallet:read")
    foreign = everything(program, f"{path}/transactions", reader, member_id=str(tom.id))
    assert [row["idempotency_key"] for row in foreign] == ["k2"]
    problem(program.get(f"{path}/transactions/{foreign[0]['id']}", token), 404, "not_found")
    with program.app.app_context():
        membership = memberships.of_person(busy.id, tom.id)
    assert membership
    assert everything(program, f"{path}/transactions", reader, member_id=str(membership.id)) == foreign
    assert everything(program, f"{path}/transactions", token, member_id=str(tom.id)) == []


def test_a_program_resumes_after_the_last_seq_it_has_seen(program: Program, busy: Any) -> None:
    key, path = program.key(busy, "wallet:read"), f"/api/v1/orgs/{busy.id}/transactions"
    wallet = program.get(f"/api/v1/orgs/{busy.id}/wallet", key).get_json()["wallet_id"]
    seqs = [row["seq"] for row in everything(program, path, key, wallet_id=wallet, order="asc", limit=5)]
    assert seqs == list(range(1, 14))
    rows = everything(program, path, key, wallet_id=wallet, after_seq=9, limit=2)
    assert [row["seq"] for row in rows] == [10, 11, 12, 13]
    assert everything(program, path, key, wallet_id=wallet, after_seq=13) == []
    reports = everything(program, path, key, wallet_id=wallet, after_seq=3, app="reports", limit=2)
    assert [row["seq"] for row in reports] == [5, 7, 9, 11, 13]
    for query, field in (
        ({"order": "asc"}, "wallet_id"), ({"after_seq": "1"}, "wallet_id"),
        ({"wallet_id": wallet, "after_seq": "-1"}, "after_seq"), ({"wallet_id": wallet, "order": "up"}, "order"),
    ):  # fmt: skip
        body = program.get(path, key, query_string=query).get_json()
        assert (body["status"], body["errors"][0]["field"]) == (422, field), query


def test_a_row_is_found_by_its_key_its_payment_and_who_acted(program: Program, busy: Any) -> None:
    read, charge = program.key(busy, "wallet:read"), program.key(busy, "wallet:charge")
    path, manager = f"/api/v1/orgs/{busy.id}", program.manager_token()
    body = {"operation": "charge", "amount_micros": 7}
    row = program.post(f"{path}/wallet", charge, json=body, headers={"Idempotency-Key": "job-1"}).get_json()[
        "transaction"
    ]
    found = everything(program, f"{path}/transactions", read, idempotency_key="job-1")
    assert found == [row]
    assert everything(program, f"{path}/transactions", read, idempotency_key="job-1", type="deposit") == []
    assert everything(program, f"{path}/transactions", read, idempotency_key="job-2") == []
    assert everything(program, f"{path}/transactions", read, actor_id=row["actor"]["id"]) == [row]
    assert everything(program, f"{path}/transactions", read, payment_id=row["id"]) == []
    every = "/admin/api/v1/transactions"
    (seen,) = everything(program, every, manager, idempotency_key="job-1", org_id=str(busy.id))
    assert seen["id"] == row["id"]
    assert program.get(f"{every}/{row['id']}", manager).get_json() == seen
    with program.app.app_context(), transaction(org=busy.id):
        external_keys.assign(busy, "crm-1", reason="Contract", by=SYSTEM)
    assert everything(program, every, manager, idempotency_key="job-1", org_id="ext:crm-1") == [seen]
    for odd in ("ext:", "ext:crm-2", "crm-1", "self"):
        code = "no_such_organization" if odd == "ext:crm-2" else "invalid"
        refused = problem(program.get(every, manager, query_string={"org_id": odd}), 422, code)
        assert refused["errors"][0]["field"] == "org_id", odd
    refused = problem(program.get(every, manager, query_string={"idempotency_key": "job-1"}), 422, "invalid")
    assert refused["errors"][0]["field"] == "org_id"
    problem(program.get(f"{every}/{busy.id}", manager), 404, "not_found")


def test_the_platform_finds_an_organization_and_a_user_by_what_it_knows(program: Program) -> None:
    manager, user = program.manager_token(), program.make(factories.make_user, "nina@example.test")
    org = program.make(factories.make_org, "Nina's team", owner=user)
    path = f"/admin/api/v1/orgs/{org.id}"
    set_ = {"external_key": "crm-77", "reason": "Known"}
    refused = program.call("PATCH", path, manager, json={"suspended": True})
    assert problem(refused, 422, "invalid")["errors"][0]["field"] == "reason"
    assert program.call("PATCH", path, manager, json=set_).status_code == 200
    for query, many in (
        ({"external_key": "crm-77"}, 1), ({"external_key": "crm-7"}, 0), ({"slug": org.slug}, 1), ({"slug": "x\0"}, 0),
        ({"email": "other@example.test"}, 0),
    ):  # fmt: skip
        found = everything(program, "/admin/api/v1/orgs", manager, **query)
        assert [row["id"] for row in found] == [str(org.id)] * many, query
    theirs = everything(program, "/admin/api/v1/orgs", manager, email="NINA@example.test")
    assert {row["kind"] for row in theirs} == {"team", "personal"}
    (person,) = everything(program, "/admin/api/v1/users", manager, email="nina@example.test")
    assert program.get(f"/admin/api/v1/users/{person['id']}", manager).get_json() == person
    problem(program.get(f"/admin/api/v1/users/{org.id}", manager), 404, "not_found")
