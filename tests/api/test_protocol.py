"""What all calls have in common: JSON bodies, known names in queries, a version, and answers made for tests."""

from typing import Any

import pytest

from dashboard import api
from dashboard.api import errors
from dashboard.api.protocol import TEST_HEADER, VERSION_HEADER
from tests.api.conftest import Program, problem

CHARGE = {"operation": "charge", "amount_micros": 1_000}
JSON = "application/json"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": JSON}, 201), ({"Content-Type": "application/json; charset=utf-8"}, 201),
        ({"Content-Type": "application/vnd.api+json"}, 201),
        ({"Content-Type": JSON, "Content-Encoding": "identity"}, 201),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415), ({"Content-Type": "text/plain"}, 415), ({}, 415),
        ({"Content-Type": JSON, "Content-Encoding": "gzip"}, 415),
    ],
)  # fmt: skip
def test_a_body_is_declared_as_json_and_not_compressed(program: Program, headers: Any, status: int) -> None:
    org = program.org(funds=10_000)
    key = program.key(org, "wallet:charge")
    body = b'{"operation":"charge","amount_micros":1000}'
    answer = program.post(f"/api/v1/orgs/{org.id}/wallet", key, data=body, headers=headers)
    assert answer.status_code == status
    if status == 415:
        problem(answer, 415, "unsupported_media_type")
        assert program.balance(org) == 10_000


def test_answers_to_programs_carry_no_headers_for_browsers(program: Program) -> None:
    org = program.org()
    key = program.key(org, "wallet:read")
    for answer in (program.get("/api/v1/orgs", key), program.get("/api/v1/nothing"), program.get("/healthz")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        found = {name.lower() for name, _ in answer.headers}
        assert not found & {
            "content-security-policy",
            "permissions-policy",
            "referrer-policy",
            "x-frame-options",
            "vary",
        }
        assert not [name for name in found if name.startswith("cross-origin-")]


def test_every_call_refuses_names_that_its_query_does_not_have(program: Program) -> None:
    org, token = program.org(), program.manager_token()
    key = program.key(org, "wallet:read", "members:write")
    seen = 0
    for rule in program.app.url_map.iter_rules():
        if not rule.endpoint.startswith("api_") or rule.endpoint.startswith("api_docs"):
            continue
        values = {name: str(org.id) for name in rule.arguments}
        for method in (rule.methods or set()) & {"GET", "POST", "PUT", "PATCH", "DELETE"}:
            with program.app.test_request_context():
                path = rule.build(values)
            assert path is not None, rule
            bearer = token if rule.rule.startswith("/admin") else key
            told = problem(program.call(method, path[1], bearer, query_string={"nonsense": "1"}), 422, "invalid")
            assert [(one["field"], one["code"]) for one in told["errors"]] == [("nonsense", "unknown_field")], rule
            seen += 1
    assert seen > 40
    assert api.serves("/api/v1/orgs")


def test_a_version_is_a_day_and_comes_back(program: Program) -> None:
    org = program.org()
    key = program.key(org, "wallet:read")
    path = f"/api/v1/orgs/{org.id}/wallet"
    for path_, status in ((path, 200), ("/api/v1/orgs?x=1", 422), (f"{path}s?limit=0", 422)):
        answer = program.get(path_, key, headers={VERSION_HEADER: "2026-12-01"})
        assert (answer.status_code, answer.headers[VERSION_HEADER]) == (status, "2026-12-01")
    assert VERSION_HEADER not in program.get(path, key).headers
    for odd in ("2", "2026-13-01", "20261201", "latest", "2026-12-01T00:00:00Z"):
        told = problem(program.get(path, key, headers={VERSION_HEADER: odd}), 422, "invalid")
        assert told["errors"][0]["field"] == VERSION_HEADER


def test_a_test_key_gets_the_answer_that_it_asks_for(program: Program) -> None:
    org = program.org(funds=10_000)
    key, live = program.key(org, "wallet:charge"), program.key(org, "wallet:read", mode="live")
    path = f"/api/v1/orgs/{org.id}/wallet"
    for wanted, status, code in (
        ("429", 429, "too_many_requests"), ("503", 503, "unavailable"), ("500", 500, "internal_error"),
        ("insufficient_funds", 402, "insufficient_funds"), ("key_cap_exceeded", 402, "key_cap_exceeded"),
        ("provider_busy", 503, "provider_busy"), ("invalid", 422, "invalid"), ("not_found", 404, "not_found"),
    ):  # fmt: skip
        answer = program.post(path, key, json=CHARGE, headers={TEST_HEADER: wanted, "Idempotency-Key": "k1"})
        told = problem(answer, status, code)
        assert ("Retry-After" in answer.headers) == (status in (429, 503)), wanted
        assert told["retryable"] == (status in (429, 500, 503))
        assert ("available_micros" in told) == (status == 402)
    for one in errors.reference():
        problem(program.post(path, key, json=CHARGE, headers={TEST_HEADER: one.code}), one.status, one.code)
    for odd in ("", "200", "nonsense", "9" * 5_000):
        told = problem(program.post(path, key, json=CHARGE, headers={TEST_HEADER: odd}), 422, "invalid")
        assert told["errors"][0]["field"] == TEST_HEADER
    assert program.balance(org) == 10_000
    assert program.get(path, live, headers={TEST_HEADER: "503"}).status_code == 200
    assert program.post(path, key, json=CHARGE, headers={"Idempotency-Key": "k1"}).status_code == 201
