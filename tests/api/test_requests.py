"""The requests that are part of the contract work as they are written, and answer what it says."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from dashboard import providers
from dashboard.api.errors import LONGEST_NAME
from dashboard.config.urls import require_return_url
from dashboard.core import clock
from dashboard.core.db import db
from dashboard.core.errors import Invalid
from dashboard.domain.people import users
from dashboard.models import AuditEntry, CreditGrant
from dashboard.providers.base import Price
from dashboard.providers.dummy import DummyProvider
from tests import factories
from tests.api.conftest import Program, problem

WALLET = {
    "org_id", "wallet_id", "mode", "unit", "funding", "wallet_balance", "wallet_balance_usd", "held_micros",
    "available_micros", "blocked",
}  # fmt: skip
ROW = {
    "id", "wallet_id", "mode", "unit", "seq", "type", "amount_micros", "amount_usd", "balance_before",
    "balance_after", "description", "idempotency_key", "actor", "user_id", "app", "created_at",
}  # fmt: skip


def test_a_manual_deposit(program: Program) -> None:
    org = program.org()
    key = program.key(org, "wallet:deposit", "wallet:read")
    body = {"operation": "deposit", "amount_micros": 5000000, "description": "Manual deposit"}
    response = program.post(f"/api/v1/orgs/{org.id}/wallet", key, json=body)
    assert response.status_code == 201, response.get_data(as_text=True)
    found = response.get_json()
    assert found.keys() == WALLET | {"transaction"}
    assert (found["wallet_balance"], found["wallet_balance_usd"]) == (5_000_000, "$5.00")
    assert (found["mode"], found["unit"], found["blocked"]) == ("test", "usd", False)
    row = found["transaction"]
    assert row.keys() == ROW
    assert (row["type"], row["amount_micros"], row["amount_usd"], row["seq"]) == ("deposit", 5_000_000, "$5.00", 1)
    assert row["description"] == "Manual deposit"
    assert row["actor"]["kind"] == "key"
    assert row["idempotency_key"] == response.headers["Idempotency-Key"]
    assert UUID(row["id"]).version == 7
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", row["created_at"])
    read = program.get(f"/api/v1/orgs/{org.id}/wallet", key).get_json()
    assert read == {name: value for name, value in found.items() if name != "transaction"}
    with program.app.app_context():
        assert [(part.kind, part.category) for part in db.session.query(CreditGrant).filter_by(org_id=org.id)] == [
            ("paid", "deposit")
        ]


def test_a_charge_takes_from_the_balance_and_names_its_app(program: Program) -> None:
    org = program.org(funds=10_000_000)
    key = program.key(org, "wallet:charge")
    body = {"operation": "charge", "amount_micros": 1_234_567, "description": "One report", "app": "reports"}
    found = program.post(f"/api/v1/orgs/{org.id}/wallet", key, json=body).get_json()
    assert found["wallet_balance"] == found["available_micros"] == 8_765_433
    assert found["wallet_balance_usd"] == "$8.765433"
    row = found["transaction"]
    assert (row["type"], row["amount_micros"], row["amount_usd"], row["app"]) == (
        "charge",
        -1_234_567,
        "-$1.234567",
        "reports",
    )
    assert (row["balance_before"], row["balance_after"]) == (10_000_000, 8_765_433)


def test_a_charge_above_the_balance_changes_nothing(program: Program) -> None:
    org = program.org(funds=1_000)
    key = program.key(org, "wallet:charge")
    response = program.post(f"/api/v1/orgs/{org.id}/wallet", key, json={"operation": "charge", "amount_micros": 1_001})
    found = problem(response, 402, "insufficient_funds")
    assert (found["available_micros"], found["required_micros"]) == (1_000, 1_001)
    assert program.balance(org) == 1_000
    assert program.rows(org.id) == 1


def test_a_checkout_as_written(program: Program) -> None:
    org, pack = program.org(), program.make(factories.make_pack)
    program.change(org, return_hosts=["yourapp.com"])
    key = program.key(org, "checkout:create")
    body = {
        "product_id": str(pack.product.id),
        "success_url": "https://yourapp.com/success",
        "cancel_url": "https://yourapp.com/cancel",
    }
    response = program.post(f"/api/v1/orgs/{org.id}/checkout", key, json=body)
    assert response.status_code == 201, response.get_data(as_text=True)
    found = response.get_json()
    assert found.keys() == {"checkout_url", "payment_id", "session_id"}
    assert found["checkout_url"].startswith("http://localhost/dummy/checkout/")
    again = program.post(
        f"/api/v1/orgs/{org.id}/checkout",
        key,
        json=body,
        headers={"Idempotency-Key": response.headers["Idempotency-Key"]},
    )
    assert (again.status_code, again.get_json()) == (201, found)
    assert again.headers["Idempotent-Replay"] == "true"
    other = program.post(f"/api/v1/orgs/{org.id}/checkout", key, json=body)
    assert other.get_json()["payment_id"] != found["payment_id"]


def test_a_checkout_returns_to_listed_hosts_and_in_test_mode_to_this_machine(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    org, settings = program.org(), program.app.config["COFFER"]
    with program.app.app_context(), monkeypatch.context() as patch:
        patch.setitem(program.app.config, "COFFER", settings.model_copy(update={"base_url": "https://coffer.test"}))
        for url, test, live in (
            ("http://localhost:3000/ok", True, False), ("http://127.0.0.1:5173/", True, False),
            ("https://app.acme.test/", True, True), ("https://app.acme.test:8443/", False, False),
            ("https://coffer.test/x", True, True), ("http://localhost@evil.test/", False, False),
            ("http://localhost.evil.test/", False, False),
        ):  # fmt: skip
            for mode, allowed in (("test", test), ("live", live)):
                try:
                    require_return_url(url, field="success_url", hosts=["app.acme.test"], mode=mode)
                except Invalid:
                    assert not allowed, (url, mode)
                else:
                    assert allowed, (url, mode)
    pack = program.make(factories.make_pack)
    urls = {"success_url": "http://localhost:3000/ok", "cancel_url": "http://127.0.0.1:3000/no"}
    body = {"product_id": str(pack.product.id), **urls}
    made = program.post(f"/api/v1/orgs/{org.id}/checkout", program.key(org, "checkout:create"), json=body)
    assert made.status_code == 201, made.get_json()


def test_a_checkout_refuses_what_it_cannot_do(program: Program) -> None:
    org, pack = program.org(), program.make(factories.make_pack)
    key = program.key(org, "checkout:create")
    good = {
        "product_id": str(pack.product.id),
        "success_url": "http://localhost/ok",
        "cancel_url": "http://localhost/no",
    }
    cases = [
        ({"success_url": "https://evil.test/"}, "invalid", "success_url"),
        ({"success_url": "http://[::1"}, "invalid", "success_url"),
        ({"success_url": "https://[yourapp.com]/"}, "invalid", "success_url"),
        ({"cancel_url": "javascript:alert(1)"}, "invalid", "cancel_url"),
        ({"promotion_code": "SAVE10"}, "promotion_code_invalid", "promotion_code"),
        ({"promotion_code": "<b>"}, "promotion_code_invalid", "promotion_code"),
        ({"product_id": str(uuid4())}, "no_such_product", "product_id"),
    ]
    for change, code, field in cases:
        response = program.post(f"/api/v1/orgs/{org.id}/checkout", key, json=good | change)
        assert problem(response, 422, code)["errors"][0]["field"] == field
    live = program.key(org, "checkout:create", mode="live")
    problem(program.post(f"/api/v1/orgs/{org.id}/checkout", live, json=good), 409, "mode_not_configured")


def test_a_welcome_bonus_reaches_the_persons_own_organization(program: Program) -> None:
    user = program.make(factories.make_user)
    with program.app.app_context():
        org = users.personal_organization(user.id)
    assert org is not None
    before = program.balance(org)
    body = {
        "user_id": str(user.id),
        "transaction_type": "admin_grant",
        "amount": 100,
        "description": "Welcome bonus",
    }
    response = program.post("/admin/api/v1/transactions", program.manager_token(), json=body)
    assert response.status_code == 201, response.get_data(as_text=True)
    row = response.get_json()
    assert (row["type"], row["amount_micros"], row["amount_usd"]) == ("admin_grant", 100_000_000, "$100.00")
    assert row["amount_credits"] == "100"
    assert "amount" not in row
    assert (row["description"], row["org_id"], row["actor"]["kind"]) == ("Welcome bonus", str(org.id), "manager")
    assert program.balance(org) == before + 100_000_000
    with program.app.app_context():
        entry = db.session.query(AuditEntry).filter_by(org_id=org.id, action="credits.granted").one()
        assert (entry.actor_kind, entry.reason) == ("manager", "Welcome bonus")


def test_a_removal_stops_at_the_balance_unless_it_may_pass(program: Program) -> None:
    org = program.org(funds=1_000_000)
    token = program.manager_token()
    body = {"org_id": str(org.id), "transaction_type": "admin_removal", "amount": "1.000001", "description": "Mistake"}
    problem(program.post("/admin/api/v1/transactions", token, json=body), 409, "removal_too_large")
    assert program.balance(org) == 1_000_000
    response = program.post("/admin/api/v1/transactions", token, json=body | {"allow_negative": True})
    assert response.status_code == 201
    assert response.get_json()["amount_usd"] == "-$1.000001"
    assert program.balance(org) == -1


def test_a_managers_amount_is_in_credits_or_in_micros_but_not_both(program: Program) -> None:
    org, token = program.org(), program.manager_token()
    body = {"org_id": str(org.id), "transaction_type": "admin_grant", "description": "x"}
    for amounts in ({}, {"amount": 1, "amount_micros": 1_000_000}):
        refused = program.post("/admin/api/v1/transactions", token, json=body | amounts)
        assert problem(refused, 422, "invalid")["errors"][0]["field"] == "amount"
    assert program.rows(org.id) == 0
    row = program.post("/admin/api/v1/transactions", token, json=body | {"amount_micros": 1_500_001}).get_json()
    assert (row["amount_micros"], row["amount_credits"], row["amount_usd"]) == (1_500_001, "1.500001", "$1.500001")
    listed = program.get("/admin/api/v1/transactions", token, query_string={"org_id": str(org.id)}).get_json()
    assert listed["data"] == [row]


def test_a_removal_spares_paid_credit_when_told_to(program: Program) -> None:
    org, token = program.org(funds=1_000_000), program.manager_token()
    body: dict[str, Any] = {"org_id": str(org.id), "amount": 2, "description": "Contract 7"}
    paid = body | {"transaction_type": "admin_grant", "category": "contract"}
    assert program.post("/admin/api/v1/transactions", token, json=paid).status_code == 201
    removal = body | {"transaction_type": "admin_removal", "category": "mistaken_grant"}
    spare = program.post("/admin/api/v1/transactions", token, json=removal | {"allow_paid": False})
    assert problem(spare, 409, "takes_paid_credit")["paid_micros"] == 1_000_000
    assert program.balance(org) == 3_000_000
    taken = program.post("/admin/api/v1/transactions", token, json=removal | {"paid_reason": "Charged back"})
    assert taken.status_code == 201
    with program.app.app_context():
        entry = db.session.query(AuditEntry).filter_by(org_id=org.id, action="credits.removed").one()
        assert entry.after["paid_micros"] == 1_000_000
        assert entry.after["paid_reason"] == "Charged back"


def test_fields_of_the_other_kind_are_refused_by_name(program: Program) -> None:
    org = program.org()
    token = program.manager_token()
    good = {"org_id": str(org.id), "transaction_type": "admin_grant", "amount": 1, "description": "x"}
    named = good | {"transaction_type": "admin_removal", "source_id": "g1"}
    assert (
        "grant_id" in problem(program.post("/admin/api/v1/transactions", token, json=named), 422, "invalid")["detail"]
    )
    both = good | {"user_id": str(uuid4())}
    problem(program.post("/admin/api/v1/transactions", token, json=both), 422, "invalid")
    unknown = {**good, "org_id": str(uuid4())}
    problem(program.post("/admin/api/v1/transactions", token, json=unknown), 422, "no_such_organization")
    assert program.rows(org.id) == 0


def test_a_grant_has_a_priority_and_a_removal_names_its_grant(program: Program) -> None:
    org, token = program.org(), program.manager_token()
    common = {"org_id": str(org.id), "description": "x"}
    made = common | {"transaction_type": "admin_grant", "amount": 3}
    for odd in (-1, 101, 1.5, "7", True):
        refused = program.post("/admin/api/v1/transactions", token, json=made | {"priority": odd})
        assert refused.json["errors"][0]["field"] == "priority", odd
    for priority in (0, 7):
        sent = made | {"priority": priority}
        assert program.post("/admin/api/v1/transactions", token, json=sent).status_code == 201
    with program.app.app_context():
        late = db.session.query(CreditGrant).filter_by(org_id=org.id, priority=7).one()
        grant_id = str(late.id)
    taken = common | {"transaction_type": "admin_removal", "amount": 2, "grant_id": grant_id, "idempotency_key": "r1"}
    first = program.post("/admin/api/v1/transactions", token, json=taken)
    assert first.status_code == 201
    again = program.post("/admin/api/v1/transactions", token, json=taken)
    assert (again.status_code, again.json["id"]) == (201, first.json["id"])
    other = program.post("/admin/api/v1/transactions", token, json=taken | {"amount": 1})
    problem(other, 422, "idempotency_key_reused")
    for change, status, code in (
        ({"grant_id": str(org.id)}, 422, "no_such_grant"), ({"grant_id": "x"}, 422, "invalid"),
        ({}, 409, "removal_too_large"), ({"amount": 1, "allow_negative": True}, 422, "invalid"),
        ({"amount": 1, "transaction_type": "admin_grant"}, 422, "invalid"),
        ({"amount": 1, "priority": 3}, 422, "invalid"),
    ):  # fmt: skip
        sent = taken | {"idempotency_key": "r2"} | change
        problem(program.post("/admin/api/v1/transactions", token, json=sent), status, code)
    assert program.balance(org) == 4_000_000


def test_a_grant_can_have_a_last_day(program: Program) -> None:
    org, token = program.org(), program.manager_token()
    today = clock.today()
    body = {"org_id": str(org.id), "transaction_type": "admin_grant", "amount": 1, "description": "x"}
    for text in ("2020-01-01", "soon", "", "2030-02-30", str(today - timedelta(days=1)), "2030-01-01T00:00:00Z"):
        refused = program.post("/admin/api/v1/transactions", token, json=body | {"expires_at": text})
        assert problem(refused, 422, "invalid")["errors"][0]["field"] == "expires_at", text
    removal = body | {"transaction_type": "admin_removal", "expires_at": "2030-01-01"}
    assert problem(program.post("/admin/api/v1/transactions", token, json=removal), 422, "invalid")
    assert program.rows(org.id) == 0
    made = program.post("/admin/api/v1/transactions", token, json=body | {"expires_at": str(today)})
    assert made.status_code == 201
    path = f"/api/v1/orgs/{org.id}/transactions/{made.get_json()['id']}"
    row = program.get(path, program.key(org, "wallet:read")).get_json()
    (part,) = row["explanation"]["grants"]
    assert part["expires_at"].startswith(f"{today + timedelta(days=1)}T00:00:00")


def test_a_pack_can_lapse_after_days(program: Program) -> None:
    token = program.manager_token()
    body = {"name": "Large", "price_cents": 9_000, "amount_micros": 100_000_000}
    for days in (-1, 3651, "x", 1.5):
        refused = program.post("/admin/api/v1/products", token, json=body | {"expires_days": days})
        assert refused.status_code == 422, days
    made = program.post("/admin/api/v1/products", token, json=body | {"expires_days": 90}).get_json()
    assert (made["expires_days"], made["version"]) == (90, 1)
    path = f"/admin/api/v1/products/{made['id']}"
    told = []
    for change in ({"name": "Larger"}, {"expires_days": 30}, {"expires_days": 0}):
        changed = program.call("PATCH", path, token, json=change).get_json()
        told.append((changed["expires_days"], changed["version"]))
    assert told == [(90, 1), (30, 2), (None, 3)]
    for odd in ({"bonus_expires_days": 3651}, {"bonus_priority": 101}, {"bonus_priority": "7"}):
        assert program.call("PATCH", path, token, json=odd).status_code == 422, odd
    bonus = {"bonus_micros": 5, "bonus_expires_days": 30, "bonus_priority": 7}
    changed = program.call("PATCH", path, token, json=bonus).get_json()
    assert (changed["bonus_expires_days"], changed["bonus_priority"], changed["version"]) == (30, 7, 4)


def test_the_platforms_catalog_is_managed_and_read(program: Program) -> None:
    token, org = program.manager_token(), program.org()
    body = {"name": "Large", "price_cents": 9_000, "amount_micros": 100_000_000}
    made = program.post("/admin/api/v1/products", token, json=body).get_json()
    assert (made["price_cents"], made["amount_usd"], made["version"], made["active"]) == (9_000, "$100.00", 1, True)
    path = f"/admin/api/v1/products/{made['id']}"
    changed = program.call("PATCH", path, token, json={"price_cents": 8_000}).get_json()
    assert (changed["price_cents"], changed["version"]) == (8_000, 2)
    key = program.key(org, "catalog:read")
    on_sale = program.get(f"/api/v1/orgs/{org.id}/products", key).get_json()["data"]
    assert "Large" in [one["name"] for one in on_sale]
    assert program.call("DELETE", path, token).status_code == 204
    on_sale = program.get(f"/api/v1/orgs/{org.id}/products", key).get_json()["data"]
    assert "Large" not in [one["name"] for one in on_sale]
    everything = program.get("/admin/api/v1/products", token).get_json()["data"]
    assert "Large" in [one["name"] for one in everything]


class ArchivedPrice(DummyProvider):
    """Stripe, as far as its name goes, with a price that nobody can buy any more."""

    name = "stripe"

    def read_price(self, price_id: str) -> Price:
        return Price(price_id, 1_000, "usd", active=False, product_name="Old")


class ArchivedProduct(ArchivedPrice):
    def read_price(self, price_id: str) -> Price:
        return Price(price_id, 1_000, "usd", active=True, product_name="Old", product_active=False)


@pytest.mark.parametrize("kind", [ArchivedPrice, ArchivedProduct])
def test_a_configured_price_that_cannot_be_sold_is_told_to_operators_and_the_rest_is_sold(
    make_app: Callable[..., Flask], kind: type[ArchivedPrice]
) -> None:
    stripe = {"api_key": "sk_test_x", "webhook_secret": "whsec_x", "price_id": "price_x"}
    program = Program(make_app(payment={"provider": "stripe", "stripe": stripe}))
    program.app.extensions[providers.EXTENSION] = kind("secret")
    token, org = program.manager_token(), program.org()
    pack = program.make(factories.make_pack, "Starter")
    told = program.get("/admin/api/v1/products", token).get_json()
    assert told["problem"] == "The price price_x cannot be sold. It is archived."
    key = program.key(org, "catalog:read", "checkout:create")
    listed = program.get(f"/api/v1/orgs/{org.id}/products", key).get_json()
    assert [one["name"] for one in listed["data"]] == ["Starter"]
    assert "problem" not in listed
    body = {"product_id": str(pack.product.id), "success_url": "http://localhost/", "cancel_url": "http://localhost/"}
    assert program.post(f"/api/v1/orgs/{org.id}/checkout", key, json=body).status_code == 201


def test_a_name_as_long_as_a_body_is_cut_before_it_is_told(program: Program) -> None:
    org = program.org()
    key = program.key(org, "wallet:read")
    response = program.post(f"/api/v1/orgs/{org.id}/wallet", key, json={"-eyJ" * 16_000: 1})
    found = problem(response, 422, "invalid")
    assert max(len(error["field"]) for error in found["errors"]) == LONGEST_NAME
