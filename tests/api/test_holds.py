"""Holds over HTTP: reserve, extend, capture, release, each once for its key, and who may see and end whose."""

from datetime import timedelta
from typing import Any

from dashboard.core import clock
from dashboard.domain.audit import Actor
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.domain.platform import verify
from dashboard.models import Organization
from tests import factories
from tests.api.conftest import Program, problem
from tests.each import each

WEEK = 7 * 24 * 3_600


def path(org: Organization, tail: str = "") -> str:
    return f"/api/v1/orgs/{org.id}/holds{tail}"


def made(program: Program, org: Organization, key: str, amount: int, **more: Any) -> dict[str, Any]:
    answer = program.post(path(org), key, json={"amount_micros": amount, **more})
    assert answer.status_code == 201, answer.get_json()
    body: dict[str, Any] = answer.get_json()
    return body


def wallet(program: Program, org: Organization, key: str) -> dict[str, Any]:
    body: dict[str, Any] = program.get(f"/api/v1/orgs/{org.id}/wallet", key).get_json()
    return {name: body[name] for name in ("wallet_balance", "held_micros", "available_micros", "blocked")}


def test_a_hold_is_reserved_extended_and_captured(program: Program) -> None:
    org = program.org(funds=1_000_000)
    key = program.key(org, "holds:write", "wallet:read")
    hold = made(program, org, key, 300_000, app="chat", description="A long answer", expires_in=60)
    assert {name: hold[name] for name in ("state", "amount_micros", "captured_micros", "amount_usd", "app")} == {
        "state": "open", "amount_micros": 300_000, "captured_micros": 0, "amount_usd": "$0.30", "app": "chat",
    }  # fmt: skip
    assert wallet(program, org, key) == {
        "wallet_balance": 1_000_000, "held_micros": 300_000, "available_micros": 700_000, "blocked": False,
    }  # fmt: skip
    later = program.post(path(org, f"/{hold['id']}/extend"), key, json={"expires_in": 3_600}).get_json()
    assert later["expires_at"] > hold["expires_at"]
    captured = program.post(path(org, f"/{hold['id']}/capture"), key, json={"amount_micros": 120_000})
    assert captured.status_code == 200
    row = captured.get_json()["transaction"]
    assert (row["amount_micros"], row["type"], row["app"]) == (-120_000, "charge", "chat")
    assert captured.get_json()["transaction_id"] == row["id"]
    assert wallet(program, org, key)["available_micros"] == 880_000
    assert program.get(path(org, f"/{hold['id']}"), key).get_json()["state"] == "captured"
    told = program.get(f"/api/v1/orgs/{org.id}/transactions/{row['id']}", key).get_json()["explanation"]["cause"]
    assert (told[0]["kind"], told[0]["ref"]) == ("hold", hold["id"])
    with program.app.app_context():
        assert verify.broken(org.id) == []


def test_each_step_answers_its_key_with_its_first_answer(program: Program) -> None:
    org = program.org(funds=1_000_000)
    key = program.key(org, "holds:write")
    body = {"amount_micros": 300_000}
    first = program.post(path(org), key, json=body, headers={"Idempotency-Key": "h"})
    there = path(org, f"/{first.get_json()['id']}")
    steps: list[tuple[str, dict[str, Any]]] = [
        (f"{there}/extend", {"expires_in": 900}), (f"{there}/capture", {"amount_micros": 100_000}),
    ]  # fmt: skip
    answers = [program.post(to, key, json=sent, headers={"Idempotency-Key": to[-7:]}) for to, sent in steps]
    assert [answer.status_code for answer in answers] == [200, 200]
    for (to, sent), answer in zip([(path(org), body), *steps], [first, *answers], strict=True):
        name = answer.headers["Idempotency-Key"]
        again = program.post(to, key, json=sent, headers={"Idempotency-Key": name})
        assert (again.status_code, again.headers["Idempotent-Replay"]) == (answer.status_code, "true")
        assert again.get_json() == answer.get_json()
        other = program.post(to, key, json={**sent, "idempotency_key": name, **CHANGED[to.rpartition("/")[2]]})
        problem(other, 422, "idempotency_key_reused")
    for step in ("extend", "capture", "release"):
        problem(program.post(f"{there}/{step}", key, json={}), 409, "hold_not_open")
    assert program.balance(org) == 900_000


CHANGED: dict[str, dict[str, Any]] = {
    "holds": {"app": "other"},
    "extend": {"expires_in": 901},
    "capture": {"allow_above": True},
}


def test_a_refused_hold_can_be_sent_again(program: Program) -> None:
    org = program.org(funds=1_000)
    key = program.key(org, "holds:write")
    body = {"amount_micros": 1_001, "idempotency_key": "h"}
    short = problem(program.post(path(org), key, json=body), 402, "insufficient_funds")
    assert (short["available_micros"], short["required_micros"]) == (1_000, 1_001)
    assert program.get(path(org), key).get_json()["data"] == []
    program.make(lambda: factories.grant(factories.wallet_of(org), 1))
    assert program.post(path(org), key, json=body).status_code == 201


def test_a_late_capture_is_refused_before_any_job_ran(program: Program) -> None:
    org = program.org(funds=1_000)
    key = program.key(org, "holds:write", "wallet:read")
    hold = made(program, org, key, 1_000, expires_in=60)
    with clock.at(clock.now() + timedelta(seconds=61)):
        problem(program.post(path(org, f"/{hold['id']}/capture"), key, json={}), 409, "hold_not_open")
        assert program.get(path(org, f"/{hold['id']}"), key).get_json()["state"] == "expired"
        listed = {state: program.get(path(org) + f"?state={state}", key).get_json()["data"] for state in STATES}
        assert {state: len(rows) for state, rows in listed.items()} == {**dict.fromkeys(STATES, 0), "expired": 1}
        made(program, org, key, 1_000)
    assert program.balance(org) == 1_000


STATES = ("open", "captured", "released", "expired")


@each("amount", [0, -1, 2**63, 1.5, "1", "", None, True, [1], {}])
def test_odd_amounts_are_refused(program: Program, amount: Any) -> None:
    org = program.org(funds=1_000)
    key = program.key(org, "holds:write")
    answer = program.post(path(org), key, json={"amount_micros": amount})
    assert problem(answer, 422, answer.get_json()["code"])["errors"][0]["field"] == "amount_micros"
    if amount is not None:  # null: all of it
        hold = program.make(factories.hold, org, 1)
        answer = program.post(path(org, f"/{hold.id}/capture"), key, json={"amount_micros": amount})
        assert problem(answer, 422, answer.get_json()["code"])["errors"][0]["field"] == "amount_micros"


def test_numbers_that_json_cannot_say_are_refused(program: Program) -> None:
    org = program.org(funds=1_000)
    key = program.key(org, "holds:write")
    for text in ("1e30", "1E2", "1.0", "NaN", "Infinity", "-Infinity", "9" * 40, '"1e3"'):
        raw = f'{{"amount_micros": {text}}}'.encode()
        answer = program.post(path(org), key, data=raw, content_type="application/json")
        assert answer.status_code == 422, text
    assert program.get(path(org), key).get_json()["data"] == []


@each("seconds", [0, -1, WEEK + 1, 2**63, 1.5, "60", None, True])
def test_odd_times_are_refused(program: Program, seconds: Any) -> None:
    org = program.org(funds=1_000)
    key = program.key(org, "holds:write")
    hold = program.make(factories.hold, org, 1)
    for to, body in ((path(org), {"amount_micros": 1}), (path(org, f"/{hold.id}/extend"), {})):
        answer = program.post(to, key, json={**body, "expires_in": seconds})
        assert problem(answer, 422, answer.get_json()["code"])["errors"][0]["field"] == "expires_in"


def test_other_bad_input(program: Program) -> None:
    org = program.org(funds=1_000)
    key = program.key(org, "holds:write")
    hold = made(program, org, key, 100)
    here = path(org, f"/{hold['id']}")
    foreign = program.make(factories.make_user)
    bad: list[tuple[str, dict[str, Any], str]] = [
        (path(org), {"amount_micros": 1, "member_id": "me"}, "member_id"),
        (path(org), {"amount_micros": 1, "member_id": str(foreign.id)}, "member_id"),
        (path(org), {"amount_micros": 1, "app": ""}, "app"),
        (path(org), {"amount_micros": 1, "idempotency_key": "k" * 300}, "idempotency_key"),
        (path(org), {"amount_micros": 1, "wallet": "x"}, "wallet"),
        (f"{here}/capture", {"amount_micros": 101}, "amount_micros"),
        (f"{here}/capture", {"allow_above": 1}, "allow_above"),
        (f"{here}/release", {"amount_micros": 1}, "amount_micros"),
    ]
    for to, body, field in bad:
        answer = program.post(to, key, json=body)
        assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, field), (to, body)
    assert program.get(here, key).get_json()["state"] == "open"
    other = program.org("Other", funds=1_000)
    stranger = program.key(other, "holds:write")
    for to in (here, here.replace(str(org.id), str(other.id))):
        assert program.post(f"{to}/capture", stranger, json={}).status_code == 404
    live = program.key(org, "holds:write", mode="live")
    assert program.post(f"{here}/capture", live, json={}).status_code == 404


def test_who_may_hold_and_whose_holds_they_reach(program: Program) -> None:
    org = program.org(funds=1_000_000)
    users = {role: program.make(factories.add_member, org, role) for role in ("admin", "member", "viewer")}
    tokens = {role: program.token(user, "holds:write", "wallet:read") for role, user in users.items()}
    body = {"amount_micros": 10}
    answers = {role: program.post(path(org), token, json=body).status_code for role, token in tokens.items()}
    assert answers == {"admin": 201, "member": 201, "viewer": 403}
    assert program.post(path(org), program.key(org, "wallet:charge"), json=body).status_code == 403
    own_key = program.key(org, "holds:write", by=Actor("user", users["member"].id))
    everybodys = made(program, org, program.key(org, "holds:write"), 10)
    for token in (tokens["member"], own_key):
        seen = program.get(path(org), token).get_json()["data"]
        assert {row["member_id"] for row in seen} == {str(users["member"].id)}
        for step in ("capture", "release", "extend"):
            answer = program.post(path(org, f"/{everybodys['id']}/{step}"), token, json={})
            problem(answer, 404, "not_found")
    for token in (tokens["admin"], tokens["viewer"], program.service_key("holds:write")):
        assert len(program.get(path(org), token).get_json()["data"]) == 3
    assert program.post(path(org, f"/{everybodys['id']}/capture"), tokens["admin"], json={}).status_code == 200


def test_owners_and_the_platform_name_the_member_to_whom_it_counts(program: Program) -> None:
    org = program.org(funds=1_000_000)
    member, viewer = (program.make(factories.add_member, org, role) for role in ("member", "viewer"))
    admin = program.make(factories.add_member, org, "admin")
    named = {"amount_micros": 10, "member_id": str(member.id)}
    for token in (program.key(org, "holds:write"), program.token(admin, "holds:write")):
        hold = made(program, org, token, 10, member_id=str(member.id))
        assert hold["member_id"] == str(member.id)
        row = program.post(path(org, f"/{hold['id']}/capture"), token, json={}).get_json()["transaction"]
        assert row["user_id"] == str(member.id)
    own = program.token(member, "holds:write")
    assert program.post(path(org), own, json=named).status_code == 201
    assert program.post(path(org), own, json=named | {"member_id": str(admin.id)}).status_code == 403
    seen = program.post(path(org), program.key(org, "holds:write"), json=named | {"member_id": str(viewer.id)})
    assert seen.get_json()["errors"][0]["code"] == "no_such_member"


def test_a_hold_counts_towards_the_keys_cap(program: Program) -> None:
    org = program.org(funds=1_000_000)
    key = program.service_key("holds:write", cap=Cap(1_000, "day"))  # type: ignore[arg-type]
    hold = made(program, org, key, 1_000)
    problem(program.post(path(org), key, json={"amount_micros": 1}), 402, "key_cap_exceeded")
    assert program.post(path(org, f"/{hold['id']}/capture"), key, json={"amount_micros": 400}).status_code == 200
    made(program, org, key, 600)
    problem(program.post(path(org), key, json={"amount_micros": 1}), 402, "key_cap_exceeded")


def test_a_suspended_organization_only_releases(program: Program) -> None:
    org = program.org(funds=1_000)
    key = program.key(org, "holds:write")
    hold = made(program, org, key, 100)
    program.change(org, suspended_at=clock.now())
    problem(program.post(path(org), key, json={"amount_micros": 1}), 403, "org_suspended")
    for step in ("capture", "extend"):
        problem(program.post(path(org, f"/{hold['id']}/{step}"), key, json={}), 403, "org_suspended")
    assert program.post(path(org, f"/{hold['id']}/release"), key).get_json()["state"] == "released"
