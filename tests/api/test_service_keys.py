"""Service keys: one credential of the platform acts in every platform-funded organization of its mode, and in no
other."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.core.money import Micros
from dashboard.domain.access.permissions import SCOPES, SERVICE_SCOPES
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.domain.organizations import follow_ups
from dashboard.domain.people import users
from dashboard.domain.platform import external_keys, user_administration, verify
from dashboard.models import PLATFORM_ORG_ID, ApiKey, Transaction
from tests import factories
from tests.api.conftest import Program, problem
from tests.concurrency import at_once

CHARGE = {"operation": "charge", "amount_micros": 10}
DEPOSIT = {"operation": "deposit", "amount_micros": 10}


def path_of(org: Any, rest: str = "") -> str:
    return f"/api/v1/orgs/{org.id}{rest}"


def test_one_key_charges_deposits_and_reads_in_every_organization(program: Program) -> None:
    key = program.service_key("wallet:charge", "wallet:deposit", "wallet:read")
    for name in ("Acme", "Globex"):
        org = program.org(name, funds=100)
        row = program.post(path_of(org, "/wallet"), key, json=CHARGE).get_json()["transaction"]
        assert (row["amount_micros"], row["actor"]["kind"], row["mode"]) == (-10, "key", "test")
        assert program.post(path_of(org, "/wallet"), key, json=DEPOSIT).status_code == 201
        assert program.get(path_of(org, "/wallet"), key).get_json()["wallet_balance"] == 100
        assert len(program.get(path_of(org, "/transactions"), key).get_json()["data"]) == 3
        assert program.get(path_of(org, f"/transactions/{row['id']}"), key).status_code == 200
    me = program.get("/api/v1/me", key).get_json()
    assert (me["kind"], me["name"], me["mode"]) == ("service_key", "Backend", "test")
    assert "org_id" not in me


def test_owners_see_its_acts_by_its_name(program: Program) -> None:
    owner = program.make(factories.make_user)
    org = program.org(funds=100, owner=owner)
    key = program.service_key("wallet:charge", "wallet:deposit", name="Production backend")
    row = program.post(path_of(org, "/wallet"), key, json=CHARGE).get_json()["transaction"]
    program.post(path_of(org, "/wallet"), key, json=DEPOSIT)
    token = program.token(owner, "wallet:read", "audit:read")
    told = program.get(path_of(org, f"/transactions/{row['id']}"), token).get_json()
    assert told["explanation"]["cause"][0]["text"] == "The key Production backend (service key) was used"
    entry = program.get(path_of(org, "/audit?action=credits.deposited"), token).get_json()["data"][0]
    assert entry["sentence"] == "Production backend (service key) deposited $0.000010"
    assert (entry["actor"]["kind"], entry["actor"]["name"]) == ("key", "Production backend (service key)")


def test_a_charge_counts_once_in_the_space_of_services(program: Program) -> None:
    org = program.org(funds=100)
    keyed = CHARGE | {"idempotency_key": "order-1"}
    first, second = program.service_key("wallet:charge"), program.service_key("wallet:charge")
    row = program.post(path_of(org, "/wallet"), first, json=keyed)
    again = program.post(path_of(org, "/wallet"), second, json=keyed)  # a rotated key goes on where the old one was
    assert row.get_json()["transaction"]["id"] == again.get_json()["transaction"]["id"]
    assert again.headers["Idempotent-Replay"] == "true"
    problem(program.post(path_of(org, "/wallet"), first, json=keyed | {"app": "x"}), 422, "idempotency_key_reused")
    owner = program.token(program.make(factories.add_member, org, "owner"), "wallet:charge")
    assert "Idempotent-Replay" not in program.post(path_of(org, "/wallet"), owner, json=keyed).headers
    with program.app.app_context():
        assert {one.origin for one in db.session.query(Transaction).filter_by(key="order-1")} == {"service", "api"}
    assert program.balance(org) == 80


def test_it_opens_no_self_funded_closed_or_platform_organization(program: Program) -> None:
    key = program.service_key(*sorted(SERVICE_SCOPES))
    own, closed = program.org("Own", funds=100), program.org("Closed", funds=100)
    program.change(own, funding="own")
    program.change(closed, closed_at=clock.now())
    absent = {"id": "01890000-0000-7000-8000-000000000000"}
    answers = []
    for org_id in (own.id, closed.id, PLATFORM_ORG_ID, absent["id"]):
        base = f"/api/v1/orgs/{org_id}"
        for method, rest, body in (("GET", "", None), ("GET", "/wallet", None), ("POST", "/wallet", CHARGE),
                                   ("POST", "/wallet", DEPOSIT), ("GET", "/transactions", None)):  # fmt: skip
            answer = problem(program.call(method, f"{base}{rest}", key, json=body), 404, "not_found")
            answers.append({name: value for name, value in answer.items() if name != "request_id"})
    assert all(one == answers[0] for one in answers)
    assert program.balance(own) == program.balance(closed) == 100


def test_a_suspended_organization_is_not_charged_but_deposits_go_on(program: Program) -> None:
    org, key = program.org(funds=100), program.service_key("wallet:charge", "wallet:deposit")
    program.change(org, suspended_at=clock.now())
    problem(program.post(path_of(org, "/wallet"), key, json=CHARGE), 403, "org_suspended")
    assert program.post(path_of(org, "/wallet"), key, json=DEPOSIT).status_code == 201


def test_it_never_leaves_its_mode(program: Program) -> None:
    org = program.org(funds=100)
    live = program.service_key("wallet:charge", "wallet:read", mode="live")
    assert program.get(path_of(org, "/wallet"), live).get_json()["wallet_balance"] == 0
    problem(program.post(path_of(org, "/wallet"), live, json=CHARGE), 402, "insufficient_funds")
    assert program.get(path_of(org, "/transactions"), live).get_json()["data"] == []
    problem(program.get("/api/v1/me", live.replace("cofs_live_", "cofs_test_")), 401, "invalid_key")


def test_it_has_its_scopes_and_nothing_of_people_or_the_platform(program: Program) -> None:
    org, narrow = program.org(funds=100), program.service_key("wallet:read")
    for body in (CHARGE, DEPOSIT):
        problem(program.post(path_of(org, "/wallet"), narrow, json=body), 403, "forbidden")
    wide = program.service_key(*sorted(SERVICE_SCOPES))
    for method, rest in (("GET", "/members"), ("GET", "/audit"), ("GET", "/api-keys"), ("GET", "/invites"),
                         ("GET", "/identity-provider"), ("DELETE", "")):  # fmt: skip
        problem(program.call(method, path_of(org, rest), wide), 403, "forbidden")
    for noun in ("orgs", "users", "transactions", "products"):
        problem(program.get(f"/admin/api/v1/{noun}", wide), 403, "forbidden")
    assert "audit:read" in SCOPES - SERVICE_SCOPES  # even on a row that someone changed by hand
    with program.app.app_context(), transaction(PLATFORM_ORG_ID):
        row = db.session.query(ApiKey).filter_by(name="Backend").order_by(ApiKey.id.desc()).first()
        assert row is not None
        row.scopes = [*row.scopes, "audit:read", "platform:grant", "org:admin"]
    for path in (path_of(org, "/audit"), "/admin/api/v1/orgs"):
        problem(program.get(path, wide), 403, "forbidden")


def test_a_key_of_an_organization_never_leaves_it(program: Program) -> None:
    mine, theirs = program.org("Mine", funds=100), program.org("Theirs", funds=100)
    keys = [program.key(mine, "wallet:charge", "wallet:read", "wallet:deposit")]
    with program.app.app_context():
        platform = db.session.get(type(mine), PLATFORM_ORG_ID)
    keys.append(program.key(platform, "wallet:charge", "wallet:read", "wallet:deposit"))
    for key in keys:
        problem(program.get(path_of(theirs, "/wallet"), key), 404, "not_found")
        problem(program.post(path_of(theirs, "/wallet"), key, json=CHARGE), 404, "not_found")
    secret = keys[0].rpartition("_")[2]
    service = program.service_key("wallet:read")
    for forged in (
        f"cofs_test_{secret}", f"cofs_test_{mine.id.hex}_{secret}", keys[0].replace("cof_", "cofs_"),
        f"cof_test_{PLATFORM_ORG_ID.hex}_{service.removeprefix('cofs_test_')}", service.replace("cofs_", "cof_"),
        "cofs_", "cofs_test_", "cofs__x", service + "x", service[:-1], "cofs_test_\u00e4", service + "\x00",
    ):  # fmt: skip
        headers = {"Authorization": f"Bearer {forged}".encode().decode("latin-1").replace("\x00", "%00")}
        problem(program.get("/api/v1/me", headers=headers), 401, "invalid_key")
    assert program.get("/api/v1/me", service).status_code == 200


def test_revoked_and_expired_ones_end_at_once_and_their_makers_leaving_ends_none(program: Program) -> None:
    org, manager = program.org(funds=100), program.make(factories.make_user, manager=True)
    program.make(factories.make_user, manager=True)
    key = program.service_key("wallet:charge")

    def change(**values: Any) -> None:
        with program.app.app_context(), transaction(PLATFORM_ORG_ID):
            row = db.session.query(ApiKey).filter_by(org_id=PLATFORM_ORG_ID, service=True).one()
            for name, value in values.items():
                setattr(row, name, value)

    change(created_by=manager.id)
    with program.app.app_context(), transaction(PLATFORM_ORG_ID):
        user_administration.disable(users.by_id(manager.id), reason="Left", by=SYSTEM)
    with program.app.app_context():
        follow_ups.work(manager.id)
    assert program.post(path_of(org, "/wallet"), key, json=CHARGE).status_code == 201
    for column in ("revoked_at", "expires_at"):
        change(revoked_at=None, expires_at=None)
        change(**{column: clock.now() - timedelta(seconds=1)})
        problem(program.post(path_of(org, "/wallet"), key, json=CHARGE), 401, "invalid_key")


def test_its_cap_counts_what_it_charges_everywhere(program: Program) -> None:
    key = program.service_key("wallet:charge", cap=Cap(Micros(25), "day"))
    orgs = [program.org(name, funds=100) for name in ("Acme", "Globex", "Initech")]

    def charge(number: int) -> str:
        client, org = program.app.test_client(), orgs[number % 3]
        answer = client.post(path_of(org, "/wallet"), json=CHARGE, headers={"Authorization": f"Bearer {key}"})
        return str(answer.get_json().get("code", answer.status_code))

    assert at_once(program.app, 9, charge, workers=6) == {"201": 2, "key_cap_exceeded": 7}
    assert sum(program.balance(org) for org in orgs) == 280
    with program.app.app_context():
        assert [str(one) for one in verify.broken()] == []


@contextmanager
def counted(program: Program) -> Iterator[list[str]]:
    found: list[str] = []

    def note(*args: Any) -> None:
        found.append(str(args[2]))

    with program.app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    yield found
    event.remove(engine, "before_cursor_execute", note)


def test_a_charge_costs_one_statement_more_than_with_a_key_of_the_organization(program: Program) -> None:
    """That one finds the organization; the key of an organization brings it along."""
    org, costs = program.org(funds=100), {}
    for name, key in {
        "org": program.key(org, "wallet:charge"),
        "service": program.service_key("wallet:charge"),
    }.items():
        program.post(path_of(org, "/wallet"), key, json=CHARGE)  # notes that the key was used, once a minute
        with counted(program) as statements:
            assert program.post(path_of(org, "/wallet"), key, json=CHARGE).status_code == 201
        costs[name] = statements
    assert len(costs["service"]) == len(costs["org"]) + 1 == 4, costs
    with program.app.app_context(), transaction(org.id):
        external_keys.assign(org, "crm-1", reason="Contract", by=SYSTEM)
    with counted(program) as statements:
        assert program.post("/api/v1/orgs/ext:crm-1/wallet", key, json=CHARGE).status_code == 201
    assert len(statements) == 4


def test_the_command_makes_one(program: Program) -> None:
    def run(*words: str) -> tuple[int, str]:
        result = program.app.test_cli_runner().invoke(args=["api-keys", "create", "--name", "Prod", *words])
        return result.exit_code, result.output.strip()

    code, key = run("--service", "--scopes", "wallet:charge,orgs:write")
    assert (code, key.startswith("cofs_test_")) == (0, True)
    assert program.get("/api/v1/me", key).get_json()["scopes"] == ["orgs:write", "wallet:charge"]
    assert run("--service", "--scopes", "wallet:read", "--mode", "live")[1].startswith("cofs_live_")
    org = program.org()
    for words, told in (
        (("--service", "--scopes", "platform:grant"), "A service key cannot have platform:grant, only catalog:read,"),
        (("--service", "--scopes", "nope"), "A service key cannot have nope"),
        (("--service", "--org", org.slug, "--scopes", "wallet:read"), "Give one of --org, --user and --service."),
        (("--org", org.slug, "--scopes", "orgs:write"), "You may not give the scope orgs:write"),
    ):  # fmt: skip
        code, output = run(*words)
        assert code != 0
        assert told in output


@pytest.mark.parametrize("scope", ["wallet:charge", "orgs:write"])
def test_a_personal_token_cannot_be_made_one(program: Program, scope: str) -> None:
    org = program.org(funds=100)
    if scope == "wallet:charge":
        token = program.manager_token(scope)
        refused = problem(program.post(path_of(org, "/wallet"), token, json=CHARGE), 403, "forbidden")
        assert refused["detail"] == (
            "Charging takes a key of the organization, a service key, or a token of its owner, admin or member."
        )
    else:
        with pytest.raises(Exception, match="You may not give the scope orgs:write"):
            program.manager_token(scope)
