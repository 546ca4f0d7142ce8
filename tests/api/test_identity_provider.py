"""Setting who vouches for end users: owners alone, with keys that fit the algorithm, and a secret that stays inside."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from dashboard.core.db import db
from dashboard.models import AuditEntry, IdentityProvider, Organization
from tests import factories
from tests.api.conftest import Program, problem
from tests.identity_provider import ISSUER, SECRET, Signer, serving


@pytest.fixture
def org(program: Program) -> Organization:
    return program.org()


def token_of(program: Program, org: Organization, role: str = "owner", *scopes: str) -> str:
    return program.token(program.make(factories.add_member, org, role), *(scopes or ("org:admin",)))


def path(org: Organization) -> str:
    return f"/api/v1/orgs/{org.id}/identity-provider"


def body(signer: Signer, **changes: Any) -> dict[str, Any]:
    keys: dict[str, Any] = {"secret": SECRET} if signer.algorithm == "HS256" else {"jwks": {"keys": [signer.public]}}
    return {"issuer": ISSUER, "algorithm": signer.algorithm} | keys | changes


def put(program: Program, org: Organization, token: str, values: dict[str, Any]) -> Any:
    return program.call("PUT", path(org), token, json=values)


def test_it_is_set_read_changed_and_removed(program: Program, org: Organization) -> None:
    token, signer = token_of(program, org), Signer("RS256")
    problem(program.get(path(org), token), 404, "not_found")
    made = put(program, org, token, body(signer)).get_json()
    assert made["audience"] == f"coffer:{org.id}:test"
    assert (made["mode"], made["has_secret"], made["jwks_url"]) == ("test", False, None)
    assert [key["kid"] for key in made["jwks"]["keys"]] == ["k1"]
    assert program.get(path(org), token).get_json() == made
    live = put(program, org, token, body(Signer("ES256"), mode="live")).get_json()
    assert program.get(path(org), token, query_string={"mode": "live"}).get_json() == live
    assert program.get("/api/v1/me", signer.token(made["audience"])).status_code == 200
    other = put(program, org, token, body(Signer("EdDSA"))).get_json()
    assert other["algorithm"] == "EdDSA"
    problem(program.get("/api/v1/me", signer.token(made["audience"])), 401, "invalid_key")
    assert program.call("DELETE", path(org), token).status_code == 204
    problem(program.call("DELETE", path(org), token), 404, "not_found")
    with program.app.app_context():
        entries = db.session.query(AuditEntry).filter_by(object_kind="identity_provider").order_by(AuditEntry.id)
        assert [entry.action for entry in entries] == ["identity_provider.set"] * 3 + ["identity_provider.removed"]


def test_a_shared_secret_is_kept_encrypted_and_told_to_nobody(program: Program, org: Organization) -> None:
    token = token_of(program, org)
    made = put(program, org, token, body(Signer("HS256")))
    assert (made.get_json()["has_secret"], SECRET in made.text) == (True, False)
    assert SECRET not in program.get(path(org), token).text
    kept = put(program, org, token, {"issuer": "https://new.example.test", "algorithm": "HS256"})
    assert (kept.status_code, kept.get_json()["has_secret"]) == (200, True)
    with program.app.app_context():
        assert SECRET not in str(db.session.query(IdentityProvider.secret).all())
        assert SECRET not in str(db.session.query(AuditEntry.before, AuditEntry.after).all())
    refused = put(program, org, token, body(Signer("HS256"), secret="short secret"))
    problem(refused, 422, "invalid")
    assert "short secret" not in refused.text


def test_keys_are_fetched_from_their_address_at_once(configured: Callable[..., Flask], tmp_path: Path) -> None:
    signer = Signer("ES256")
    with serving(tmp_path, signer) as server:
        program = Program(configured(outgoing=server.settings))
        org = program.org()
        token = token_of(program, org)
        values = {"issuer": ISSUER, "algorithm": "ES256", "jwks_url": server.url}
        made = put(program, org, token, values).get_json()
        assert (made["fetch_error"], len(made["jwks"]["keys"])) == (None, 1)
        assert made["fetched_at"]
        server.status = 404
        wrong = put(program, org, token, values | {"jwks_url": f"{server.url}/else"}).get_json()
        assert "404" in wrong["fetch_error"]
        assert wrong["jwks"] is None


@pytest.mark.parametrize("odd", ["a\x00b", "\ud800", "a\nb"])
def test_a_key_whose_name_cannot_be_stored_is_kept_without_it(program: Program, org: Organization, odd: str) -> None:
    token, signer = token_of(program, org), Signer("EdDSA")
    keys = {"keys": [{**signer.public, "kid": odd}, {**signer.public, "x": odd}, {"kty": "OKP", "crv": odd}]}
    made = put(program, org, token, body(signer, jwks=keys))
    assert made.status_code == 200
    assert made.get_json()["jwks"] == {"keys": [{name: signer.public[name] for name in ("kty", "crv", "x")}]}


def test_private_addresses_are_refused(program: Program, org: Organization) -> None:
    token = token_of(program, org)
    for url in ("http://example.com/keys", "https://127.0.0.1/keys", "https://169.254.169.254/", "https://[::1]/"):
        values = {"issuer": ISSUER, "algorithm": "ES256", "jwks_url": url}
        refused = problem(put(program, org, token, values), 422, "invalid")
        assert refused["errors"][0]["field"] == "jwks_url"
    values = {"issuer": ISSUER, "algorithm": "ES256", "jwks_url": "https://localhost/keys"}
    told = put(program, org, token, values).get_json()["fetch_error"]
    absent = {**values, "jwks_url": "https://nobody-has-this-name.invalid/keys"}
    assert told == put(program, org, token, absent).get_json()["fetch_error"], "which names exist inside is not told"


def test_odd_settings_are_refused(program: Program, org: Organization) -> None:
    token, signer, other = token_of(program, org), Signer("RS256"), Signer("ES256")
    public = signer.key.as_pem(private=False).decode().replace("\n", " ")
    private = {"keys": [signer.key.as_dict(private=True)]}
    odd: list[dict[str, Any]] = [
        body(signer, issuer=""), body(signer, algorithm="none"), body(signer, algorithm="RS512"),
        body(signer, mode="x"),
        body(signer, jwks={"keys": [other.public]}), body(signer, jwks={"keys": []}), body(signer, jwks={}),
        body(signer, jwks=private), body(signer, secret=SECRET), body(signer, jwks_url="https://example.com/keys"),
        {"issuer": ISSUER, "algorithm": "RS256"}, {"issuer": ISSUER, "algorithm": "HS256"},
        body(Signer("HS256"), jwks={"keys": [signer.public]}), body(Signer("HS256"), secret=public), body(signer, x=1),
    ]  # fmt: skip
    for values in odd:
        assert put(program, org, token, values).status_code == 422, values
    problem(program.get(path(org), token, query_string={"mode": "x"}), 422, "invalid")
    problem(program.get(path(org), token), 404, "not_found")


@pytest.mark.parametrize("role", ["admin", "member", "viewer"])
def test_it_is_for_owners_alone(program: Program, org: Organization, role: str) -> None:
    signer = Signer()
    owner = token_of(program, org)
    assert put(program, org, owner, body(signer)).status_code == 200
    other = token_of(program, org, role, "org:admin", "wallet:read")
    without = token_of(program, org, "owner", "wallet:read")
    stranger = program.token(program.make(factories.make_user), "org:admin")
    manager = program.manager_token("org:admin")
    for method in ("GET", "PUT", "DELETE"):
        values = body(Signer()) if method == "PUT" else None
        for token, status, code in (
            (other, 403, "forbidden"), (without, 403, "forbidden"), (stranger, 404, "not_found"),
            (manager, 403, "forbidden"),
        ):  # fmt: skip
            problem(program.call(method, path(org), token, json=values), status, code)
    assert program.get("/api/v1/me", signer.token(f"coffer:{org.id}:test")).status_code == 200
