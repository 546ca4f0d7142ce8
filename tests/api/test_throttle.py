"""The API's throttle: per key, not per text; told in headers; calls without a valid key are limited by address."""

from collections.abc import Callable

import pytest
from flask import Flask

from dashboard.api.throttle import END_USERS_TIMES
from dashboard.core import throttle
from dashboard.core.db import db, transaction
from dashboard.domain.access import key_changes
from dashboard.domain.audit import SYSTEM
from dashboard.models import ApiKey
from tests import factories
from tests.api.conftest import Program, problem
from tests.api.test_end_users import configure
from tests.identity_provider import Signer


@pytest.fixture
def tight(configured: Callable[..., Flask]) -> Program:
    """Five calls in any half hour, three without a valid key in a minute."""
    return Program(configured(api={"throttle_requests": 5, "throttle_seconds": 1800, "throttle_failures": 3}))


def test_a_key_may_call_so_often_and_another_is_not_held_up(tight: Program) -> None:
    org = tight.org(funds=1_000)
    key, other = tight.key(org, "wallet:read", "wallet:charge"), tight.key(org, "wallet:read")
    path = f"/api/v1/orgs/{org.id}/wallet"
    for left in (4, 3, 2, 1, 0):
        answer = tight.get(path, key)
        assert answer.status_code == 200
        assert answer.headers["RateLimit-Limit"] == "5"
        assert answer.headers["RateLimit-Remaining"] == str(left)
        assert answer.headers["RateLimit-Policy"] == "5;w=1800"
        assert 1_790 <= int(answer.headers["RateLimit-Reset"]) <= 1_800
    refused = tight.post(path, key, json={"operation": "charge", "amount_micros": 5})
    problem(refused, 429, "too_many_requests")
    assert 1_790 <= int(refused.headers["Retry-After"]) <= 1_800
    assert refused.headers["RateLimit-Remaining"] == "0"
    assert tight.balance(org) == 1_000
    assert tight.get(path, other).status_code == 200


def test_a_key_may_have_a_limit_of_its_own(tight: Program) -> None:
    org = tight.org()
    key, other = tight.key(org, "wallet:read"), tight.key(org, "wallet:read")
    with tight.app.app_context(), transaction(org=org.id):
        for row in db.session.query(ApiKey).filter_by(org_id=org.id, prefix=f"cof_test_…{key[-4:]}"):
            key_changes.set_call_limit(row, 7, reason="Asked for", by=SYSTEM)
    path = f"/api/v1/orgs/{org.id}/wallet"
    answers = [tight.get(path, key) for _ in range(8)]
    assert [one.status_code for one in answers] == [200] * 7 + [429]
    assert answers[0].headers["RateLimit-Limit"] == "7"
    assert [tight.get(path, other).status_code for _ in range(6)] == [200] * 5 + [429]


def test_a_persons_token_is_counted_by_itself(tight: Program) -> None:
    token = tight.token(tight.make(factories.make_user), "wallet:read")
    codes = [tight.get("/api/v1/orgs", token).status_code for _ in range(7)]
    assert codes == [200] * 5 + [429] * 2


def test_the_end_users_of_one_provider_are_counted_together_too(tight: Program) -> None:
    org, signer = tight.org(), Signer()
    audience = configure(tight, org, signer)
    codes = [
        tight.get("/api/v1/me", signer.token(audience, sub=f"u{number // 5}")).status_code
        for number in range(5 * (END_USERS_TIMES + 1))
    ]
    assert codes == [200] * 5 * END_USERS_TIMES + [429] * 5
    other = configure(tight, tight.org("Other"), signer)
    assert tight.get("/api/v1/me", signer.token(other)).status_code == 200


def test_refusals_count_as_well(tight: Program) -> None:
    """Someone who tries what a key may do is a caller like others."""
    org = tight.org()
    key = tight.key(org, "catalog:read")
    codes = [tight.get(f"/api/v1/orgs/{org.id}/wallet", key).status_code for _ in range(6)]
    assert codes == [403] * 5 + [429]


def test_calls_without_a_valid_key_are_limited_by_address_and_lock_nobody_out(tight: Program) -> None:
    org = tight.org()
    key, wrong = tight.key(org, "wallet:read"), f"cof_test_{org.id.hex}_{'x' * 43}"
    tries = [None, wrong, wrong + "y", wrong, None]
    assert [tight.get("/api/v1/orgs", one).status_code for one in tries] == [401] * 3 + [429] * 2
    problem(tight.get("/api/v1/orgs", wrong), 429, "too_many_requests")
    assert tight.get("/api/v1/orgs", key).status_code == 200
    other = tight.get("/api/v1/orgs", wrong, environ_base={"REMOTE_ADDR": "192.0.2.9"})
    assert other.status_code == 401


def test_documents_health_and_webhooks_are_not_counted(tight: Program) -> None:
    for _ in range(8):
        assert tight.get("/healthz").status_code == 200
        assert tight.get("/api/v1/openapi.json").status_code == 200
        answer = tight.post("/admin/api/v1/webhooks/payments", data=b"{}")
        assert answer.status_code == 400
        assert "RateLimit-Limit" not in answer.headers


def test_with_redis_away_calls_are_answered_and_still_counted(make_app: Callable[..., Flask]) -> None:
    app = make_app(api={"throttle_requests": 5, "throttle_seconds": 1800})
    throttle.init_app(app, "redis://127.0.0.1:1/0")
    program = Program(app)
    key = program.key(program.org(), "wallet:read")
    codes = [program.get("/api/v1/orgs", key).status_code for _ in range(6)]
    assert codes == [200] * 5 + [429]
