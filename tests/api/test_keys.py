"""Keys by API: for people's tokens with `org:admin`; members reach their own; the text stands in one answer."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from dashboard.core import clock
from dashboard.core.db import db
from dashboard.models import ApiKey, Organization
from tests import factories
from tests.api.conftest import Program, problem
from tests.each import each

SCOPES = ("org:admin", "wallet:read", "wallet:charge", "catalog:read")
NEW = {"name": "Nightly", "scopes": ["wallet:charge"]}


@pytest.fixture
def org(program: Program) -> Organization:
    return program.org(funds=1_000)


def token_of(program: Program, org: Organization, role: str, *scopes: str) -> str:
    return program.token(program.make(factories.add_member, org, role), *(scopes or SCOPES))


def path(org: Organization, *parts: str) -> str:
    return "/".join([f"/api/v1/orgs/{org.id}/api-keys", *parts])


def made(program: Program, org: Organization, token: str, **changes: Any) -> dict[str, Any]:
    answer = program.post(path(org), token, json=NEW | changes)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.get_json()
    return body


def test_a_key_is_made_used_listed_and_ended(program: Program, org: Organization) -> None:
    token = token_of(program, org, "admin")
    end = clock.now() + timedelta(days=3)
    cap = {"amount_micros": 500, "window": "month"}
    key = made(program, org, token, expires_at=end.isoformat(), cap=cap)
    assert key["key"].startswith(f"cof_test_{org.id.hex}_")
    assert key["cap"]["amount_usd"] == "$0.0005"
    charge = {"operation": "charge", "amount_micros": 400}
    assert program.post(f"/api/v1/orgs/{org.id}/wallet", key["key"], json=charge).status_code == 201
    problem(program.post(f"/api/v1/orgs/{org.id}/wallet", key["key"], json=charge), 402, "key_cap_exceeded")
    [listed] = program.get(path(org), token).get_json()["data"]
    assert "key" not in listed
    assert (listed["id"], listed["scopes"], listed["mode"]) == (key["id"], ["wallet:charge"], "test")
    assert (listed["cap"]["spent_micros"], listed["last_used_ip"]) == (400, "127.0.0.1")
    assert listed["expires_at"].startswith(f"{end:%Y-%m-%dT%H:%M}")
    assert program.call("DELETE", path(org, key["id"]), token).status_code == 204
    problem(program.get("/api/v1/orgs", key["key"]), 401, "invalid_key")
    assert program.get(path(org), token).get_json()["data"][0]["revoked_at"]


@pytest.mark.parametrize("grace", ["now", "1h", "24h", "7d"])
def test_rotating(program: Program, org: Organization, grace: str) -> None:
    token = token_of(program, org, "owner")
    old = made(program, org, token)
    answer = program.post(path(org, old["id"], "rotate"), token, json={"grace": grace})
    new = answer.get_json()
    assert answer.status_code == 201
    assert (new["replaces_id"], new["name"], new["scopes"]) == (old["id"], old["name"], old["scopes"])
    assert program.get("/api/v1/orgs", new["key"]).status_code == 200
    assert program.get("/api/v1/orgs", old["key"]).status_code == (401 if grace == "now" else 200)
    code = "key_ended" if grace == "now" else "key_rotated"
    problem(program.post(path(org, old["id"], "rotate"), token, json={"grace": grace}), 409, code)
    problem(program.post(path(org, new["id"], "rotate"), token, json={"grace": "2d"}), 422, "invalid")


def test_a_cap_is_set_changed_and_taken_away(program: Program, org: Organization) -> None:
    token = token_of(program, org, "owner")
    key = made(program, org, token)
    for cap in ({"amount_micros": 10, "window": "day"}, {"amount_micros": 20, "window": "day"}):
        answer = program.call("PATCH", path(org, key["id"]), token, json={"cap": cap})
        assert answer.status_code == 200
        assert answer.get_json()["cap"]["amount_micros"] == cap["amount_micros"]
    assert program.call("PATCH", path(org, key["id"]), token, json={"cap": None}).get_json()["cap"] is None
    for odd in ({}, {"cap": {"amount_micros": 0, "window": "day"}}, {"cap": {"amount_micros": 1, "window": "year"}}):
        problem(program.call("PATCH", path(org, key["id"]), token, json=odd), 422, "invalid")


def test_members_reach_their_own_keys_and_cap_none(program: Program, org: Organization) -> None:
    owner, member = token_of(program, org, "owner"), token_of(program, org, "member")
    owners, members = made(program, org, owner), made(program, org, member)
    assert [one["id"] for one in program.get(path(org), member).get_json()["data"]] == [members["id"]]
    assert len(program.get(path(org), owner).get_json()["data"]) == 2
    cap = {"cap": {"amount_micros": 5, "window": "day"}}
    for method, parts, body in (("DELETE", (), None), ("POST", ("rotate",), {"grace": "now"}), ("PATCH", (), cap)):
        problem(program.call(method, path(org, owners["id"], *parts), member, json=body), 404, "not_found")
    problem(program.call("PATCH", path(org, members["id"]), member, json=cap), 403, "forbidden")
    assert program.call("DELETE", path(org, members["id"]), member).status_code == 204


def test_a_key_never_has_more_than_the_token_that_makes_it(program: Program, org: Organization) -> None:
    narrow = token_of(program, org, "owner", "org:admin", "wallet:read")
    problem(program.post(path(org), narrow, json=NEW), 403, "scope_too_wide")
    made(program, org, narrow, scopes=["wallet:read"])
    for scope in ("wallet:deposit", "org:admin"):
        token = token_of(program, org, "owner", *SCOPES, "wallet:deposit")
        problem(program.post(path(org), token, json=NEW | {"scopes": [scope]}), 403, "scope_too_wide")


def test_keys_make_no_keys_and_strangers_find_none(program: Program, org: Organization) -> None:
    key = made(program, org, token_of(program, org, "owner"))
    stranger = program.token(program.make(factories.make_user), *SCOPES)
    without = token_of(program, org, "owner", "wallet:read")
    calls: list[tuple[str, str, Any]] = [
        ("GET", path(org), None), ("POST", path(org), NEW), ("DELETE", path(org, key["id"]), None),
        ("POST", path(org, key["id"], "rotate"), {"grace": "now"}), ("PATCH", path(org, key["id"]), {"cap": None}),
    ]  # fmt: skip
    for method, where, body in calls:
        problem(program.call(method, where, key["key"], json=body), 403, "forbidden")
        problem(program.call(method, where, without, json=body), 403, "forbidden")
        problem(program.call(method, where, stranger, json=body), 404, "not_found")
    with program.app.app_context():
        assert [one.revoked_at for one in db.session.query(ApiKey)] == [None]


@each(
    ("change", "code"),
    [
        ({"name": ""}, "invalid"), ({"scopes": []}, "invalid"), ({"scopes": ["x"]}, "invalid"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "invalid"), ({"expires_at": "tomorrow"}, "invalid"),
        ({"expires_at": "2027-02-30T00:00:00Z"}, "invalid"), ({"expires_at": "2027-01-01T00:00:00"}, "invalid"),
        ({"mode": "live"}, "invalid"),
    ],
)  # fmt: skip
def test_odd_values_are_refused(program: Program, org: Organization, change: dict[str, Any], code: str) -> None:
    problem(program.post(path(org), token_of(program, org, "owner"), json=NEW | change), 422, code)


def test_the_list_has_pages(program: Program, org: Organization) -> None:
    token = token_of(program, org, "owner")
    ids = [made(program, org, token)["id"] for _ in range(5)][::-1]
    first = program.get(path(org), token, query_string={"limit": "3"}).get_json()
    rest = program.get(path(org), token, query_string={"limit": "3", "cursor": first["next_cursor"]}).get_json()
    assert [one["id"] for one in first["data"] + rest["data"]] == ids
    assert rest["next_cursor"] is None


def test_another_process_refuses_an_ended_key_at_its_next_call(make_app: Callable[..., Flask]) -> None:
    here, elsewhere = Program(make_app()), Program(make_app())
    org = here.org()
    token = token_of(here, org, "owner")
    revoked, rotated = made(here, org, token), made(here, org, token)
    for key in (revoked, rotated):
        assert elsewhere.get("/api/v1/me", key["key"]).status_code == 200
    here.call("DELETE", path(org, revoked["id"]), token)
    new = here.post(path(org, rotated["id"], "rotate"), token, json={"grace": "now"}).get_json()
    for key in (revoked, rotated):
        problem(elsewhere.get("/api/v1/me", key["key"]), 401, "invalid_key")
    assert elsewhere.get("/api/v1/me", new["key"]).status_code == 200


def test_a_token_says_who_it_is(program: Program, org: Organization) -> None:
    user = program.make(factories.add_member, org, "member")
    told = program.get("/api/v1/me", program.token(user, "wallet:read")).get_json()
    assert (told["kind"], told["id"], told["email"], told["scopes"]) == (
        "user", str(user.id), user.email, ["wallet:read"],
    )  # fmt: skip
    key = program.key(org, "wallet:read", mode="live")
    told = program.get("/api/v1/me", key).get_json()
    assert (told["kind"], told["org_id"], told["mode"], told["scopes"]) == ("key", str(org.id), "live", ["wallet:read"])
    program.change(org, closed_at=clock.now())
    problem(program.get("/api/v1/me", key), 404, "not_found")
