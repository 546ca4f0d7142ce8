"""Who may call what: foreign and absent look the same, a missing right is told, and only a bearer token counts."""

from datetime import timedelta
from typing import Any

import pytest

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.domain.organizations import organizations
from dashboard.models import PLATFORM_ORG_ID, ApiKey, AuditEntry, Payment, UserSession
from tests import factories
from tests.api.conftest import Program, problem
from tests.each import each

NOWHERE = "01890000-0000-7000-8000-000000000000"
EVERY_SCOPE = (
    "wallet:read",
    "wallet:charge",
    "wallet:deposit",
    "checkout:create",
    "catalog:read",
    "catalog:write",
    "org:config",
)
WALLET = {"operation": "charge", "amount_micros": 1}
BUY = {"product_id": NOWHERE, "success_url": "http://localhost/", "cancel_url": "http://localhost/"}
PRODUCT = {"name": "x", "price_cents": 1, "amount_micros": 10_000}

ORG_ROUTES: list[tuple[str, str, Any, str]] = [
    ("GET", "/wallet", None, "wallet:read"),
    ("POST", "/wallet", WALLET, "wallet:charge"),
    ("POST", "/wallet", WALLET | {"operation": "deposit"}, "wallet:deposit"),
    ("GET", "/wallets", None, "wallet:read"),
    ("GET", "/transactions", None, "wallet:read"),
    ("GET", f"/transactions/{NOWHERE}", None, "wallet:read"),
    ("POST", "/checkout", BUY, "checkout:create"),
    ("GET", "/limits", None, "org:config"),
    ("POST", "/limits", {"scope": "org", "window": "day", "amount_micros": 1}, "org:config"),
    ("PATCH", f"/limits/{NOWHERE}", {"amount_micros": 1}, "org:config"),
    ("DELETE", f"/limits/{NOWHERE}", None, "org:config"),
    ("GET", "/spendable", None, "wallet:read"),
    ("GET", "/products", None, "catalog:read"),
    ("POST", "/products", PRODUCT, "catalog:write"),
    ("PATCH", f"/products/{NOWHERE}", {"active": False}, "catalog:write"),
    ("DELETE", f"/products/{NOWHERE}", None, "catalog:write"),
]
PLATFORM_ROUTES: list[tuple[str, str, Any, str]] = [
    ("GET", "/transactions", None, "platform:read"),
    ("POST", "/transactions", {"transaction_type": "admin_grant", "amount": 1, "description": "x"}, "platform:grant"),
    ("GET", "/products", None, "platform:read"),
    ("POST", "/products", PRODUCT, "platform:grant"),
    ("PATCH", f"/products/{NOWHERE}", {"active": False}, "platform:grant"),
    ("DELETE", f"/products/{NOWHERE}", None, "platform:grant"),
    ("GET", "/orgs", None, "platform:read"),
    ("GET", "/users", None, "platform:read"),
]


@each(("method", "path", "body", "scope"), ORG_ROUTES)
def test_a_key_without_the_scope_is_told_so(program: Program, method: str, path: str, body: Any, scope: str) -> None:
    org = program.org(funds=100)
    key = program.key(org, *(one for one in EVERY_SCOPE if one != scope))
    code = "platform_funded" if scope == "catalog:write" else "forbidden"
    problem(program.call(method, f"/api/v1/orgs/{org.id}{path}", key, json=body), 403, code)
    assert program.balance(org) == 100


@each(("method", "path", "body", "scope"), PLATFORM_ROUTES)
def test_the_platforms_paths_need_a_manager_and_the_scope(
    program: Program, method: str, path: str, body: Any, scope: str
) -> None:
    path = f"/admin/api/v1{path}"
    person = program.token(program.make(factories.make_user), "platform:read", "platform:grant")
    problem(program.call(method, path, person, json=body), 403, "forbidden")
    other = "platform:grant" if scope == "platform:read" else "platform:read"
    problem(program.call(method, path, program.manager_token(other), json=body), 403, "forbidden")
    org = program.org()
    problem(program.call(method, path, program.key(org, other, *EVERY_SCOPE), json=body), 403, "forbidden")
    assert program.call(method, path, program.manager_token(scope), json=body).status_code in (200, 201, 404, 422)
    assert program.call(method, path, program.key(org, scope), json=body).status_code in (200, 201, 404, 422)


@pytest.mark.parametrize("path", ["/api/v1/orgs", "/admin/api/v1/orgs", "/api/v1/orgs/x/wallet"])
def test_only_a_bearer_token_counts(program: Program, path: str) -> None:
    org = program.org()
    key = program.key(org, "wallet:read", "platform:read")
    path = path.replace("/x/", f"/{org.id}/")
    given: list[dict[str, Any]] = [
        {}, {"headers": {"Authorization": key}}, {"headers": {"Authorization": f"Basic {key}"}},
        {"headers": {"Authorization": "Bearer"}}, {"headers": {"X-Api-Key": key}},
        {"query_string": {"token": key, "api_key": key, "access_token": key}},
        {"headers": {"Cookie": f"coffer={key}; Authorization=Bearer {key}"}},
    ]  # fmt: skip
    for one in given:
        response = program.get(path, **one)
        problem(response, 401, "unauthenticated")
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert "Set-Cookie" not in response.headers
    for wrong in (key[:-1], key + "x", key.replace("cof_test", "cof_live"), "cofp_x", "cof_test_x_y", "x" * 10_000):
        problem(program.get(path, wrong), 401, "invalid_key")
    assert program.get(path, key).status_code == 200


def test_revoked_and_expired_keys_end_at_once(program: Program) -> None:
    org = program.org()
    key = program.key(org, "wallet:read")
    assert program.get("/api/v1/orgs", key).status_code == 200
    for column in ("revoked_at", "expires_at"):
        with program.app.app_context(), transaction(org=org.id):
            row = db.session.query(ApiKey).filter_by(org_id=org.id).one()
            row.revoked_at = row.expires_at = None
            setattr(row, column, clock.now() - timedelta(seconds=1))
        problem(program.get("/api/v1/orgs", key), 401, "invalid_key")


@pytest.mark.parametrize(
    ("role", "reads", "ledger", "charges", "buys"),
    [
        ("owner", 200, 200, 201, 422), ("admin", 200, 200, 201, 422), ("member", 200, 200, 201, 403),
        ("viewer", 200, 200, 403, 403),
    ],
)  # fmt: skip
def test_a_personal_token_acts_as_its_person(
    program: Program, role: str, reads: int, ledger: int, charges: int, buys: int
) -> None:
    org = program.org(funds=100)
    token = program.token(program.make(factories.add_member, org, role), *EVERY_SCOPE)
    path = f"/api/v1/orgs/{org.id}"
    assert program.get(f"{path}/wallet", token).status_code == reads
    assert program.post(f"{path}/wallet", token, json=WALLET).status_code == charges
    assert program.get(f"{path}/transactions", token).status_code == ledger
    assert program.post(f"{path}/checkout", token, json=BUY).status_code == buys
    assert program.post(f"{path}/wallet", token, json=WALLET | {"operation": "deposit"}).status_code == 403
    assert [one["role"] for one in program.get("/api/v1/orgs", token).get_json()["data"]][-1:] != []


def test_a_member_reads_its_own_rows_only(program: Program) -> None:
    org = program.org(funds=100)
    token = program.token(program.make(factories.add_member, org, "member"), *EVERY_SCOPE)
    path = f"/api/v1/orgs/{org.id}"
    own = program.post(f"{path}/wallet", token, json=WALLET).get_json()["transaction"]["id"]
    everything = program.get(f"{path}/transactions", program.key(org, "wallet:read")).get_json()["data"]
    assert len(everything) == 2
    assert [row["id"] for row in program.get(f"{path}/transactions", token).get_json()["data"]] == [own]
    assert program.get(f"{path}/transactions/{own}", token).status_code == 200
    problem(program.get(f"{path}/transactions/{everything[-1]['id']}", token), 404, "not_found")


def test_a_manager_looks_in_from_outside_and_leaves_a_trace(program: Program) -> None:
    org = program.org(funds=100)
    token = program.manager_token("wallet:read", "wallet:charge", "checkout:create", "wallet:deposit")
    path = f"/api/v1/orgs/{org.id}"
    assert program.get(f"{path}/wallet", token).status_code == 200
    assert program.post(f"{path}/wallet", token, json=WALLET).status_code == 403
    assert program.post(f"{path}/checkout", token, json=BUY).status_code == 403
    assert program.post(f"{path}/wallet", token, json=WALLET | {"operation": "deposit"}).status_code == 201
    with program.app.app_context():
        found = db.session.query(AuditEntry).filter_by(org_id=org.id, actor_kind="manager").order_by(AuditEntry.id)
        assert [entry.action for entry in found] == ["organization.visited", "credits.deposited"]


@each(("method", "path", "body", "scope"), ORG_ROUTES)
def test_what_a_suspension_and_a_closing_stop(program: Program, method: str, path: str, body: Any, scope: str) -> None:
    org = program.org(funds=100)
    key = program.key(org, *EVERY_SCOPE)
    program.change(org, suspended_at=clock.now())
    response = program.call(method, f"/api/v1/orgs/{org.id}{path}", key, json=body)
    if scope in ("wallet:charge", "checkout:create") or (scope == "org:config" and method != "GET"):
        problem(response, 403, "org_suspended")
    else:
        assert response.status_code in (200, 201, 403, 404)
        assert response.get_json().get("code") != "org_suspended"
    program.change(org, suspended_at=None, closed_at=clock.now())
    problem(program.call(method, f"/api/v1/orgs/{org.id}{path}", key, json=body), 404, "not_found")


def test_a_frozen_wallet_is_not_charged(program: Program) -> None:
    org = program.org(funds=100)
    program.change_wallet(org, frozen_at=clock.now())
    key = program.key(org, "wallet:charge")
    problem(program.post(f"/api/v1/orgs/{org.id}/wallet", key, json=WALLET), 402, "wallet_frozen")


def test_a_self_funded_organization_has_its_own_catalog(program: Program) -> None:
    org, pack = program.org(), program.make(factories.make_pack)
    program.change(org, funding="own")
    key = program.key(org, "catalog:read", "catalog:write")
    path = f"/api/v1/orgs/{org.id}/products"
    assert program.get(path, key).get_json()["data"] == []
    made = program.post(path, key, json=PRODUCT).get_json()
    assert [one["id"] for one in program.get(path, key).get_json()["data"]] == [made["id"]]
    problem(program.call("DELETE", f"{path}/{pack.product.id}", key), 404, "not_found")
    member = program.token(program.make(factories.add_member, org, "member"), "catalog:read", "catalog:write")
    problem(program.post(path, member, json=PRODUCT), 403, "forbidden")
    program.change(org, suspended_at=clock.now())
    assert program.get(path, key).status_code == 200
    for method, there in (("POST", path), ("PATCH", f"{path}/{made['id']}"), ("DELETE", f"{path}/{made['id']}")):
        body = PRODUCT if method == "POST" else {"active": False}
        problem(program.call(method, there, key, json=body), 403, "org_suspended")


def test_what_a_self_funded_organization_sells_is_not_paid_at_the_platforms_account(program: Program) -> None:
    """It sets its own prices: a billion credits for a cent must not look like money that the platform took."""
    org = program.org()
    program.change(org, funding="own")
    key = program.key(org, "catalog:write", "checkout:create", "wallet:read")
    path = f"/api/v1/orgs/{org.id}"
    pack = program.post(f"{path}/products", key, json=PRODUCT).get_json()["id"]
    body = {"product_id": pack, "success_url": "http://localhost/ok", "cancel_url": "http://localhost/no"}
    refused = problem(program.post(f"{path}/checkout", key, json=body), 409, "own_account_missing")
    assert "Nothing was charged" in refused["detail"]
    with program.app.app_context():
        assert db.session.query(Payment).filter_by(org_id=org.id).count() == 0
    assert program.get(f"{path}/wallet", key).get_json()["funding"] == "own"


def test_a_wallet_names_its_funding_wherever_it_is_told(program: Program) -> None:
    org = program.org(funds=100)
    key = program.key(org, "wallet:read", "wallet:charge")
    path = f"/api/v1/orgs/{org.id}"
    charged = program.post(f"{path}/wallet", key, json=WALLET).get_json()
    listed = program.get(f"{path}/wallets", key).get_json()["data"]
    told = [charged, program.get(f"{path}/wallet", key).get_json(), *listed]
    assert {one["funding"] for one in told} == {"platform"}


def test_a_live_key_works_in_the_live_wallet_only(program: Program) -> None:
    org = program.org(funds=100)
    live, test = program.key(org, "wallet:read", mode="live"), program.key(org, "wallet:read")
    path = f"/api/v1/orgs/{org.id}"
    assert program.get(f"{path}/wallet", live).get_json()["wallet_balance"] == 0
    assert [one["mode"] for one in program.get(f"{path}/wallets", live).get_json()["data"]] == ["live"]
    assert program.get(f"{path}/transactions", live).get_json()["data"] == []
    row = program.get(f"{path}/transactions", test).get_json()["data"][0]
    problem(program.get(f"{path}/transactions/{row['id']}", live), 404, "not_found")
    query = {"wallet_id": row["wallet_id"]}
    problem(program.get(f"{path}/transactions", live, query_string=query), 422, "no_such_wallet")


def test_no_route_touches_a_session(program: Program) -> None:
    org = program.org(funds=100)
    key = program.key(org, *EVERY_SCOPE)
    for method, path, body, _ in ORG_ROUTES:
        response = program.call(method, f"/api/v1/orgs/{org.id}{path}", key, json=body, headers={"Cookie": "coffer=x"})
        assert "Set-Cookie" not in response.headers
        assert "Cookie" not in response.headers.get("Vary", "")
    with program.app.app_context():
        assert db.session.query(UserSession).count() == 0


def test_a_key_of_the_platforms_own_organization_opens_no_organization(program: Program) -> None:
    platform = program.make(organizations.by_id, PLATFORM_ORG_ID)
    key = program.key(platform, "platform:read", *EVERY_SCOPE)
    assert program.get("/api/v1/orgs", key).get_json() == {"data": [], "next_cursor": None}
    assert program.get("/admin/api/v1/orgs", key).status_code == 200
    problem(program.get(f"/api/v1/orgs/{PLATFORM_ORG_ID}/wallet", key), 404, "not_found")
