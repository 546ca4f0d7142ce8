"""A key counts once, for ever: alone, again, with another body, in another organization, and at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from werkzeug.test import TestResponse

from dashboard.core.db import db, transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.catalog import products
from dashboard.models import PLATFORM_ORG_ID, AuditEntry
from tests import factories
from tests.api.conftest import Program, problem

CHARGE = {"operation": "charge", "amount_micros": 1_000, "description": "a"}
DEPOSIT = {"operation": "deposit", "amount_micros": 1_000, "description": "a"}


def send(program: Program, org: Any, key: str, body: dict[str, Any], header: str | None = None) -> TestResponse:
    headers = {"Idempotency-Key": header} if header is not None else {}
    return program.app.test_client().post(
        f"/api/v1/orgs/{org.id}/wallet", json=body, headers={"Authorization": f"Bearer {key}", **headers}
    )


@pytest.mark.parametrize("body", [CHARGE, DEPOSIT])
def test_the_same_request_again_answers_the_first_row_and_the_wallet_as_it_is_now(
    program: Program, body: dict[str, Any]
) -> None:
    org = program.org(funds=10_000)
    key = program.key(org, "wallet:charge", "wallet:deposit")
    first = send(program, org, key, body, "k1")
    send(program, org, key, body, "k2")
    again = send(program, org, key, body, "k1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert "Idempotent-Replay" not in first.headers
    assert again.headers["Idempotent-Replay"] == "true"
    assert again.headers["Idempotency-Key"] == "k1"
    assert again.get_json()["transaction"] == first.get_json()["transaction"]
    assert again.get_json()["wallet_balance"] == program.balance(org)
    assert program.rows(org.id) == 3


def test_a_deposit_leaves_one_entry_in_the_trail_as_a_grant_does(program: Program) -> None:
    org = program.org(funds=10_000)
    key = program.key(org, "wallet:deposit")
    row = send(program, org, key, DEPOSIT, "k1").get_json()["transaction"]
    send(program, org, key, DEPOSIT, "k1")
    with program.app.app_context():
        [entry] = db.session.query(AuditEntry).filter_by(org_id=org.id, action="credits.deposited")
        assert (entry.actor_kind, entry.object_id) == ("key", row["id"])
        assert (entry.before, entry.after) == (
            {"balance": 10_000}, {"balance": 11_000, "amount": 1_000, "description": "a"},
        )  # fmt: skip


def test_the_key_may_stand_in_the_body_and_means_the_same(program: Program) -> None:
    org = program.org(funds=10_000)
    key = program.key(org, "wallet:charge")
    first = send(program, org, key, CHARGE | {"idempotency_key": "k1"})
    again = send(program, org, key, CHARGE, "k1")
    both = send(program, org, key, CHARGE | {"idempotency_key": "k1"}, "k1")
    assert [one.status_code for one in (first, again, both)] == [201] * 3
    assert program.rows(org.id) == 2
    problem(send(program, org, key, CHARGE | {"idempotency_key": "k1"}, "k2"), 422, "invalid")


@pytest.mark.parametrize(
    "change", [{"amount_micros": 1_001}, {"description": "b"}, {"app": "x"}, {"operation": "deposit"}]
)
def test_the_same_key_with_another_body_is_refused(program: Program, change: dict[str, Any]) -> None:
    org = program.org(funds=10_000)
    key = program.key(org, "wallet:charge", "wallet:deposit")
    send(program, org, key, CHARGE, "k1")
    problem(send(program, org, key, CHARGE | change, "k1"), 422, "idempotency_key_reused")
    assert program.rows(org.id) == 2


def test_keys_of_organizations_and_modes_are_apart(program: Program) -> None:
    one, two = program.org("One", funds=10_000), program.org("Two", funds=10_000)
    for org in (one, two):
        assert "Idempotent-Replay" not in send(program, org, program.key(org, "wallet:charge"), CHARGE, "k1").headers
    live = program.key(one, "wallet:deposit", mode="live")
    found = send(program, one, live, DEPOSIT, "k1")
    assert "Idempotent-Replay" not in found.headers
    assert found.get_json()["mode"] == "live"
    assert program.balance(one) == 9_000


def test_a_refusal_is_not_remembered(program: Program) -> None:
    org = program.org()
    key = program.key(org, "wallet:charge", "wallet:deposit")
    problem(send(program, org, key, CHARGE, "k1"), 402, "insufficient_funds")
    send(program, org, key, DEPOSIT, "k0")
    assert send(program, org, key, CHARGE, "k1").status_code == 201


@pytest.mark.parametrize("odd", ["", "k" * 256, "k\x7f1", "schlüssel", " "])
def test_an_odd_key_is_refused(program: Program, odd: str) -> None:
    org = program.org(funds=10_000)
    key = program.key(org, "wallet:charge")
    problem(send(program, org, key, CHARGE | {"idempotency_key": odd}), 422, "invalid")
    if odd.isascii():
        problem(send(program, org, key, CHARGE, odd), 422, "invalid")
    assert program.rows(org.id) == 1


def test_twenty_at_once_with_one_key_move_once(program: Program) -> None:
    org = program.org(funds=10_000)
    key = program.key(org, "wallet:charge")
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: send(program, org, key, CHARGE, "k1"), range(20)))
    assert {one.status_code for one in answers} == {201}
    assert len({one.get_json()["transaction"]["id"] for one in answers}) == 1
    assert sum("Idempotent-Replay" not in one.headers for one in answers) == 1
    assert program.balance(org) == 9_000


def test_money_for_seven_of_forty_charges_at_once(program: Program) -> None:
    org = program.org(funds=7_000)
    key = program.key(org, "wallet:charge")
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: send(program, org, key, CHARGE).status_code, range(40)))
    assert (answers.count(201), answers.count(402)) == (7, 33)
    assert program.balance(org) == 0


def test_grants_at_once_with_one_key_give_once(program: Program) -> None:
    org, token = program.org(), program.manager_token()
    body = {"org_id": str(org.id), "transaction_type": "admin_grant", "amount": 5, "description": "x"}
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "g1"}

    def grant(_: int) -> TestResponse:
        return program.app.test_client().post("/admin/api/v1/transactions", json=body, headers=headers)

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(grant, range(10)))
    assert {one.status_code for one in answers} == {201}
    assert len({one.get_json()["id"] for one in answers}) == 1
    assert program.balance(org) == 5_000_000
    other = program.app.test_client().post("/admin/api/v1/transactions", json=body | {"amount": 6}, headers=headers)
    problem(other, 422, "idempotency_key_reused")


def test_five_checkouts_at_once_with_one_key_open_one_page(program: Program) -> None:
    org, pack = program.org(), program.make(factories.make_pack)
    urls = {"success_url": "http://localhost/ok?payment={payment_id}", "cancel_url": "http://localhost/no"}
    body = {"product_id": str(pack.product.id), **urls}
    headers = {"Authorization": f"Bearer {program.key(org, 'checkout:create')}", "Idempotency-Key": "c1"}
    path = f"/api/v1/orgs/{org.id}/checkout"

    def buy(_: int) -> TestResponse:
        return program.app.test_client().post(path, json=body, headers=headers)

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(buy, range(5)))
    assert {one.status_code for one in answers} == {201}
    assert len({one.get_data() for one in answers}) == 1
    other = program.app.test_client().post(path, json=body | {"quantity": 2}, headers=headers)
    problem(other, 422, "idempotency_key_reused")
    program.make(archive, pack)
    again = program.app.test_client().post(path, json=body, headers=headers)
    assert (again.status_code, again.get_data()) == (201, answers[0].get_data())
    fresh = program.app.test_client().post(path, json=body, headers=headers | {"Idempotency-Key": "c2"})
    problem(fresh, 422, "not_on_sale")


def archive(pack: Any) -> None:
    with transaction(org=PLATFORM_ORG_ID):
        products.change(PLATFORM_ORG_ID, pack.product.id, active=False, by=SYSTEM)
