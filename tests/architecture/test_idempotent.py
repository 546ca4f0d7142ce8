"""Every POST of the API takes an idempotency key, and acts once for it."""

from typing import Any

from flask import Flask

from dashboard.api import idempotency
from tests.architecture.bodies import body_of
from tests.architecture.matrix import CALLS, PROGRAMS
from tests.architecture.tenants import Tenants, fresh, path_of

BATCH = "/api/v1/orgs/<org:org_id>/usage/batch"
"""Each of its events has a key of its own."""

ORG = "/api/v1/orgs/<org:org_id>"
MONEY = {f"{ORG}/wallet", f"{ORG}/usage", f"{ORG}/checkout", "/admin/api/v1/transactions"}
HELD = f"{ORG}/holds"
MONEY |= {HELD, *(f"{HELD}/<uuid:id>/{step}" for step in ("extend", "capture", "release"))}
"""They keep their key with what they book."""

ONLY_REFUSED = {"/api/v1/invites/accept", "/api/v1/invites/decline", "/api/v1/orgs/<org:org_id>/products"}
"""Nobody in the matrix may do it."""

SECRET = ("key", "secret", "token")
POSTS = [line for line in CALLS if line.startswith("POST ") and "/webhooks/" not in line]


def test_every_post_goes_through_the_one_mechanism(app: Flask) -> None:
    own = set()
    for rule in app.url_map.iter_rules():
        if f"POST {rule.rule}" in POSTS:
            name = rule.endpoint.rpartition(".")[0]
            assert idempotency.begin in app.before_request_funcs[name], rule
            assert idempotency.finish in app.after_request_funcs[name], rule
            with app.app_context():
                own |= {rule.rule} if idempotency.has_own_row(rule.endpoint) else set()
    assert own == MONEY | {BATCH}


def test_every_post_acts_once_for_a_key(tenants: Tenants) -> None:
    for number, line in enumerate(one for one in POSTS if BATCH not in one):
        callers = [name for name, status in zip(PROGRAMS, CALLS[line], strict=True) if 200 <= status < 300]
        assert bool(callers) == (line[5:] not in ONLY_REFUSED), line
        if not callers:
            continue
        things = tenants.own | (tenants.invite(tenants.org) if "/invites/<uuid:id>" in line else {})
        things |= fresh(tenants) if "/holds/<uuid:id>" in line else {}
        body = body_of(
            line, **{name: str(things[name]) for name in ("org_id", "member_id")}, product_id=str(things["id"])
        )
        headers = {"Authorization": f"Bearer {tenants.tokens[callers[0]]}", "Idempotency-Key": f"once-{number}"}
        send: Any = lambda: tenants.app.test_client().post(path_of(line, things), json=body, headers=headers)  # noqa: B023, E731
        first, again = send(), send()
        assert first.status_code == CALLS[line][PROGRAMS.index(callers[0])], (line, first.get_json())
        told = first.get_json()
        if any(isinstance(told.get(name), str) for name in SECRET):
            assert (again.status_code, again.get_json()["code"]) == (409, "already_created"), line
            assert again.get_json()["id"] == told["id"], line
        else:
            assert (again.status_code, again.headers["Idempotent-Replay"]) == (first.status_code, "true"), line
        assert again.headers["Idempotency-Key"] == f"once-{number}", line
