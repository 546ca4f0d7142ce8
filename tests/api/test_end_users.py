"""End users by the signed tokens of their organization's identity provider: who is let in, and who is not."""

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update
from werkzeug.test import TestResponse

from dashboard.core import clock, http
from dashboard.core.db import db, transaction
from dashboard.domain import rate_limits
from dashboard.domain.access import identity_providers, signing_keys
from dashboard.domain.access.identity_providers import Wanted
from dashboard.domain.audit import SYSTEM
from dashboard.models import (
    EndUser,
    IdentityProvider,
    Membership,
    Organization,
    RateBucket,
    User,
)
from tests.api.conftest import Program, problem
from tests.each import each
from tests.identity_provider import ISSUER, SECRET, KeyServer, Signer, serving

ALGORITHMS = ("RS256", "ES256", "EdDSA", "HS256")


def configure(program: Program, org: Organization, signer: Signer, mode: str = "test", **changes: Any) -> str:
    """The audience that tokens for this organization name."""
    keys: dict[str, Any] = {"secret": SECRET} if signer.algorithm == "HS256" else {"jwks": {"keys": [signer.public]}}
    wanted = Wanted(**({"issuer": ISSUER, "algorithm": signer.algorithm} | (changes or keys)))
    with program.app.app_context():
        with transaction(org.id):
            row = identity_providers.put(org.id, mode, wanted, by=SYSTEM)
        if row.jwks_url:
            identity_providers.fetch(row)
    return identity_providers.audience(org.id, mode)


def me(program: Program, token: str) -> TestResponse:
    return program.get("/api/v1/me", token)


def refused(program: Program, token: str) -> None:
    problem(me(program, token), 401, "invalid_key")


@pytest.fixture
def org(program: Program) -> Organization:
    return program.org(funds=1_000)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_good_token_names_an_end_user_who_is_no_member(program: Program, org: Organization, algorithm: str) -> None:
    signer = Signer(algorithm)
    audience = configure(program, org, signer)
    for aud in (audience, [audience]):
        body = me(program, signer.token(aud)).get_json()
        assert (body["kind"], body["subject"], body["org_id"]) == ("end_user", "user-7", str(org.id))
        assert (body["mode"], body["scopes"]) == ("test", [])
    with program.app.app_context():
        [row] = db.session.query(EndUser)
        assert (str(row.id), row.org_id, row.mode) == (body["id"], org.id, "test")
        assert db.session.query(Membership).filter_by(org_id=org.id).count() == 1
        assert db.session.query(User).count() == 1


def test_it_is_seen_at_most_once_a_minute(program: Program, org: Organization) -> None:
    signer = Signer()
    audience, start = configure(program, org, signer), clock.now()
    seen = []
    for seconds in (0, 30, 61):
        with clock.at(start + timedelta(seconds=seconds)):
            assert me(program, signer.token(audience)).status_code == 200
            with program.app.app_context():
                seen.append(db.session.query(EndUser.last_seen_at).scalar() - start)
    assert seen == [timedelta(0), timedelta(0), timedelta(seconds=61)]


def test_two_modes_have_two_providers_and_two_end_users(program: Program, org: Organization) -> None:
    signer, other = Signer(), Signer("RS256")
    test, live = configure(program, org, signer), configure(program, org, other, "live")
    assert me(program, signer.token(test)).get_json()["mode"] == "test"
    assert me(program, other.token(live)).get_json()["mode"] == "live"
    refused(program, signer.token(live))
    with program.app.app_context():
        assert db.session.query(EndUser).count() == 2


def test_other_routes_are_not_for_end_users(program: Program, org: Organization) -> None:
    signer, other = Signer(), program.org("Other")
    token = signer.token(configure(program, org, signer))
    for path in ("wallet", "transactions", "products", "api-keys", "identity-provider"):
        problem(program.get(f"/api/v1/orgs/{org.id}/{path}", token), 403, "forbidden")
        problem(program.get(f"/api/v1/orgs/{other.id}/{path}", token), 404, "not_found")
    problem(program.get("/api/v1/orgs", token), 403, "forbidden")
    problem(program.get("/admin/api/v1/orgs", token), 403, "forbidden")
    charge = {"operation": "charge", "amount_micros": 1}
    problem(program.post(f"/api/v1/orgs/{org.id}/wallet", token, json=charge), 403, "forbidden")


CLAIMS: list[dict[str, Any]] = [
    {"iss": "https://else.example.test/"}, {"iss": None}, {"iss": [ISSUER]}, {"exp": None}, {"exp": "soon"},
    {"exp": True}, {"exp": 10**15}, {"exp": -1}, {"sub": None}, {"sub": ""}, {"sub": "x" * 256}, {"sub": 7},
    {"sub": "a\x00b"}, {"sub": ["a"]}, {"nbf": "x"}, {"iat": []},
]  # fmt: skip


@each("claims", CLAIMS)
def test_odd_claims_are_refused(program: Program, org: Organization, claims: dict[str, Any]) -> None:
    signer = Signer()
    audience = configure(program, org, signer)
    refused(program, signer.token(audience, **claims))
    with program.app.app_context():
        assert db.session.query(EndUser).count() == 0


def test_only_this_audience_counts(program: Program, org: Organization) -> None:
    signer, other = Signer(), program.org("Other")
    audience = configure(program, org, signer)
    audiences: list[Any] = [
        None, "", "coffer", f"coffer:{org.id}", f"coffer:{org.id}:live", f"coffer:{other.id}:test", f"x:{org.id}:test",
        [], [audience, "else"], [[audience]], {"a": 1}, 5, f"{audience} ", audience.upper(),
        f"coffer:{org.id.hex}:test",
    ]  # fmt: skip
    for one in audiences:
        refused(program, signer.token(one))
    assert me(program, signer.token(audience)).status_code == 200


def test_time_is_kept_with_a_minute_of_leeway(program: Program, org: Organization) -> None:
    signer = Signer()
    audience, now = configure(program, org, signer), int(clock.now().timestamp())
    for claims in ({"exp": now - 50}, {"nbf": now + 50}, {"iat": now + 50}):
        assert me(program, signer.token(audience, **claims)).status_code == 200
    for claims in ({"exp": now - 61}, {"nbf": now + 90}, {"iat": now + 90}):
        refused(program, signer.token(audience, **claims))


def encoded(part: Any) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_the_algorithm_is_the_configured_one_whatever_the_header_says(program: Program, org: Organization) -> None:
    signer = Signer("RS256")
    audience = configure(program, org, signer)
    good = signer.token(audience)
    _, payload, signature = good.split(".")
    for alg in ("none", "None", "NONE", "", None, "HS256", "RS512"):
        for end in ("", signature):
            refused(program, f"{encoded({'alg': alg, 'kid': 'k1'})}.{payload}.{end}")
    # The public key as the secret of HMAC: what every verifier that trusts the header falls for.
    start = f"{encoded({'alg': 'HS256', 'kid': 'k1'})}.{payload}"
    forged = hmac.digest(signer.key.as_pem(private=False), start.encode(), "sha256")
    refused(program, f"{start}.{encoded(forged)}")
    refused(program, Signer("RS256").token(audience))
    refused(program, Signer("ES256").token(audience))
    assert me(program, good).status_code == 200


def test_headers_bring_no_key_and_change_no_rule(program: Program, org: Organization) -> None:
    signer, attacker = Signer("RS256"), Signer("RS256")
    audience = configure(program, org, signer)
    for header in (
        {"jwk": attacker.public}, {"jku": "https://localhost/keys"}, {"x5u": "https://localhost/keys"},
        {"crit": ["exp"], "exp": 1}, {"b64": False, "crit": ["b64"]}, {"zip": "DEF"},
    ):  # fmt: skip
        token = attacker.token(audience)
        head = encoded({"alg": "RS256", "kid": "k1"} | header)
        refused(program, ".".join([head, *token.split(".")[1:]]))
        good = signer.token(audience)
        refused(program, ".".join([head, *good.split(".")[1:]]))


def test_what_is_no_token_is_refused(program: Program, org: Organization) -> None:
    signer = Signer()
    audience = configure(program, org, signer)
    head, payload, signature = signer.token(audience).split(".")
    claims = base64.urlsafe_b64decode(payload + "==").decode()
    twice = claims[:-1] + ', "sub": "someone else"}'
    odd = [
        "..", "a.b.c", f"{head}.{payload}.", f"{head}..{signature}", f"{head}.{payload}.{signature}x",
        f"{head}.{encoded([1])}.{signature}", f"{head}.{encoded(b'{')}.{signature}", f"{payload}.{head}.{signature}",
        f"{head}.{encoded(b'[' * 5_000)}.{signature}", signer.token(audience, filler="x" * 9_000),
        signer.sign({"alg": "ES256", "kid": "k1"}, twice), signer.sign({"alg": "ES256", "kid": "k1"}, '{"aud": NaN}'),
        f"{head}.{payload}.{signature[:-4]}AAAA", "é.é.é",
    ]  # fmt: skip
    for token in odd:
        response = program.client.get(
            "/api/v1/me", headers={"Authorization": f"Bearer {token}".encode().decode("latin-1")}
        )
        problem(response, 401, "invalid_key")


def test_without_a_provider_or_an_open_organization_nobody_is_let_in(program: Program, org: Organization) -> None:
    signer = Signer()
    audience = identity_providers.audience(org.id, "test")
    refused(program, signer.token(audience))
    configure(program, org, signer)
    assert me(program, signer.token(audience)).status_code == 200
    program.change(org, closed_at=clock.now())
    refused(program, signer.token(audience))


def test_a_removed_provider_ends_its_tokens_at_once(program: Program, org: Organization) -> None:
    signer = Signer()
    audience = configure(program, org, signer)
    with program.app.app_context():
        row = identity_providers.find(org.id, "test")
        assert row
        with transaction(org.id):
            identity_providers.remove(row, by=SYSTEM)
    refused(program, signer.token(audience))


class Fetched:
    """An application that may ask a key server on the loopback address."""

    def __init__(self, program: Program, server: KeyServer, signer: Signer) -> None:
        self.program, self.server, self.signer = program, server, signer
        self.org = program.org(funds=1)
        self.audience = configure(program, self.org, signer, jwks_url=server.url)

    def row(self) -> IdentityProvider:
        with self.program.app.app_context():
            found = identity_providers.find(self.org.id, "test")
            assert found
            return found

    def status(self, signer: Signer, seconds: int = 0) -> int:
        with clock.at(clock.now() + timedelta(seconds=seconds)):
            return me(self.program, signer.token(self.audience)).status_code


@pytest.fixture
def fetched(configured: Callable[..., Flask], tmp_path: Path) -> Iterator[Fetched]:
    signer = Signer()
    with serving(tmp_path, signer) as server:
        yield Fetched(Program(configured(outgoing=server.settings)), server, signer)


def test_keys_are_fetched_once_and_kept(fetched: Fetched) -> None:
    assert [fetched.status(fetched.signer) for _ in range(5)] == [200] * 5
    assert fetched.server.asked == 1
    row = fetched.row()
    assert (row.fetch_error, row.fetched_at is not None) == (None, True)


def test_other_customers_slow_servers_only_put_a_first_fetch_off(fetched: Fetched) -> None:
    with ExitStack() as slow:
        for number in range(http.AT_ONCE):
            slow.enter_context(http.room(f"slow {number}"))
        late = Fetched(fetched.program, fetched.server, fetched.signer)
        assert late.status(late.signer) == 401
        assert (late.row().tried_at, late.row().fetch_error) == (None, None)
    assert late.status(late.signer) == 200


def test_a_token_that_names_no_key_costs_few_signature_checks(program: Program, org: Organization) -> None:
    signers = [Signer(kid=f"k{number}") for number in range(50)]
    audience = configure(program, org, signers[0], jwks={"keys": [one.public for one in signers]})
    with program.app.app_context():
        row = identity_providers.find(org.id, "test")
        assert row
        assert row.jwks
        assert len(signing_keys.load(row.jwks, None).keys) == signing_keys.MOST_TRIED
        assert len(signing_keys.load(row.jwks, "k49").keys) == 1
    assert me(program, signers[49].token(audience)).status_code == 200


def test_new_end_users_of_one_provider_are_limited_and_known_ones_go_on(program: Program, org: Organization) -> None:
    signer = Signer()
    audience = configure(program, org, signer)
    known = signer.token(audience, sub="known")
    assert me(program, known).status_code == 200
    with program.app.app_context(), transaction() as session:
        session.execute(update(RateBucket).values(count=rate_limits.NEW_END_USER.most))
    for number in range(3):
        problem(me(program, signer.token(audience, sub=f"u{number}")), 429, "too_many_requests")
    assert me(program, known).status_code == 200
    other = configure(program, program.org("Other"), signer)
    assert me(program, signer.token(other, sub="u0")).status_code == 200
    with program.app.app_context():
        assert db.session.query(EndUser).count() == 2


def test_a_new_key_is_found_and_an_old_one_goes(fetched: Fetched) -> None:
    new = Signer(kid="k2")
    fetched.server.answer = {"keys": [new.public]}
    assert fetched.status(new) == 401, "asked a moment ago"
    assert fetched.server.asked == 1
    assert fetched.status(new, 61) == 200
    assert fetched.status(fetched.signer, 62) == 401
    assert fetched.server.asked == 2


def test_unknown_keys_do_not_make_it_ask_more_than_once_a_minute(fetched: Fetched) -> None:
    for number in range(20):
        assert fetched.status(Signer(kid=f"odd{number}"), 61) == 401
    assert fetched.server.asked == 2
    assert fetched.status(fetched.signer) == 200


def test_a_withdrawn_key_is_gone_after_an_hour(fetched: Fetched) -> None:
    fetched.server.answer = {"keys": [Signer(kid="k2").public]}
    assert fetched.status(fetched.signer, 3_000) == 200
    assert fetched.status(fetched.signer, 3_700) == 401


@pytest.mark.parametrize("trouble", ["status", "html", "empty", "large", "private"])
def test_when_nothing_usable_comes_the_old_keys_stay_and_the_reason_is_kept(fetched: Fetched, trouble: str) -> None:
    server = fetched.server
    server.status = 500 if trouble == "status" else 200
    server.answer = {
        "status": {}, "html": b"<html>", "empty": {"keys": []}, "large": b" " * 70_000,
        "private": {"keys": [fetched.signer.key.as_dict(private=True)]},
    }[trouble]  # fmt: skip
    assert fetched.status(fetched.signer, 3_700) == 200
    row = fetched.row()
    assert row.fetch_error
    assert server.asked == 2


def test_a_provider_that_went_away_lets_known_keys_work(fetched: Fetched) -> None:
    fetched.server.stop()
    assert fetched.status(fetched.signer, 3_700) == 200
    assert fetched.status(Signer(kid="k9"), 3_800) == 401
    fetched.server.stop = lambda: None  # type: ignore[method-assign]


def test_other_kinds_of_keys_in_the_set_are_left_alone(fetched: Fetched) -> None:
    weak = {**Signer("RS256").public, "kid": "rsa"}
    symmetric = {"kty": "oct", "k": base64.urlsafe_b64encode(SECRET.encode()).decode(), "kid": "oct"}
    fetched.server.answer = {"keys": [weak, symmetric, {"kty": "EC"}, "x", fetched.signer.public]}
    assert fetched.status(fetched.signer, 3_700) == 200
    kept = fetched.row().jwks
    assert kept
    assert [key["kid"] for key in kept["keys"]] == ["k1"]


@pytest.mark.parametrize("odd", ["\\u0000", "\\ud800"])
def test_a_fetched_name_that_cannot_be_stored_costs_only_the_name(fetched: Fetched, odd: str) -> None:
    nameless = {name: value for name, value in fetched.signer.public.items() if name != "kid"}
    named = json.dumps({**nameless, "kid": "ODD"}).replace("ODD", odd)
    fetched.server.answer = f'{{"keys": [{named}]}}'.encode()
    assert fetched.status(fetched.signer, 3_700) == 401
    assert fetched.row().jwks == {"keys": [nameless]}
