"""Packs by API: the terms of a version, older bodies as before, promotion codes at checkout."""

from typing import Any

import pytest

from dashboard.core.db import db
from dashboard.models import Payment
from tests import factories
from tests.api.conftest import Program, problem
from tests.each import each

PATH = "/admin/api/v1/products"
OLD = {"name": "Old", "price_cents": 1_000, "currency": "usd", "amount_micros": 10_000_000, "active": True}
TERMS = {
    "bonus_micros": 500_000, "description": "New", "grant_kind": "promotional", "min_quantity": 2, "max_quantity": 5,
}  # fmt: skip


def test_a_body_without_the_newer_fields_makes_what_it_always_made(program: Program) -> None:
    answer = program.post(PATH, program.manager_token(), json=OLD)
    assert answer.status_code == 201
    shown = answer.get_json()
    assert OLD.items() <= shown.items()
    newer = {"bonus_micros": 0, "grant_kind": "paid", "min_quantity": 1, "max_quantity": 100, "available": True}
    assert newer.items() <= shown.items()


def test_all_terms_are_taken_and_shown(program: Program) -> None:
    shown = program.post(PATH, program.manager_token(), json=OLD | TERMS).get_json()
    assert (OLD | TERMS).items() <= shown.items()
    listed = program.get(PATH, program.manager_token()).get_json()["data"]
    assert shown in listed


@pytest.mark.parametrize("change", [{name: value} for name, value in TERMS.items()], ids=str)
def test_each_term_can_be_changed_alone(program: Program, change: dict[str, Any]) -> None:
    token = program.manager_token()
    made = program.post(PATH, token, json=OLD).get_json()
    shown = program.call("PATCH", f"{PATH}/{made['id']}", token, json=change).get_json()
    assert (made | change | {"version": 1 if "description" in change else 2}) == shown


@each(
    ("change", "field"),
    [
        ({"bonus_micros": -1}, "bonus_micros"), ({"bonus_micros": 1.5}, "bonus_micros"),
        ({"grant_kind": "gift"}, "grant_kind"), ({"min_quantity": 0}, "min_quantity"),
        ({"max_quantity": 101}, "max_quantity"), ({"min_quantity": 6, "max_quantity": 5}, "max_quantity"),
        ({"description": "a\nb"}, "description"), ({"max_quantity": True}, "max_quantity"),
    ],
)  # fmt: skip
def test_terms_that_cannot_be_sold_are_refused(program: Program, change: dict[str, Any], field: str) -> None:
    token = program.manager_token()
    made = program.post(PATH, token, json=OLD).get_json()
    for answer in (
        program.post(PATH, token, json=OLD | change),
        program.call("PATCH", f"{PATH}/{made['id']}", token, json=change),
    ):
        assert answer.status_code == 422
        assert answer.get_json()["errors"][0]["field"] == field


def test_an_unusual_rate_needs_a_field_that_says_so(program: Program) -> None:
    token = program.manager_token()
    usual = program.post(PATH, token, json=OLD).get_json()
    gift = OLD | {"name": "Gift", "amount_micros": 21_000_000}
    told = problem(program.post(PATH, token, json=gift), 422, "unusual_rate")
    assert told["errors"][0]["field"] == "confirm_unusual_rate"
    assert told["detail"] == "$10.00 buys $21.00 of credit: 2.1 credits per dollar. The pack on sale gives 1."
    made = program.post(PATH, token, json=gift | {"confirm_unusual_rate": True})
    assert made.status_code == 201
    change = {"amount_micros": 1_000_000}
    problem(program.call("PATCH", f"{PATH}/{usual['id']}", token, json=change), 422, "unusual_rate")
    confirmed = change | {"confirm_unusual_rate": True}
    assert program.call("PATCH", f"{PATH}/{usual['id']}", token, json=confirmed).get_json()["version"] == 2
    renamed = program.call("PATCH", f"{PATH}/{usual['id']}", token, json={"name": "Renamed"})
    assert renamed.status_code == 200


def test_a_promotion_code_is_kept_with_the_payment(program: Program) -> None:
    org = program.org()
    pack = program.make(factories.make_pack)
    key = program.key(org, "checkout:create")
    body = {
        "product_id": str(pack.product.id), "success_url": "http://localhost/ok", "cancel_url": "http://localhost/no",
        "promotion_code": "FREE", "idempotency_key": "once",
    }  # fmt: skip
    first = program.post(f"/api/v1/orgs/{org.id}/checkout", key, json=body)
    assert first.status_code == 201
    again = program.post(f"/api/v1/orgs/{org.id}/checkout", key, json=body)
    assert (again.get_json(), again.headers["Idempotent-Replay"]) == (first.get_json(), "true")
    other = program.post(f"/api/v1/orgs/{org.id}/checkout", key, json=body | {"promotion_code": "DEMO20"})
    problem(other, 422, "idempotency_key_reused")
    with program.app.app_context():
        assert db.session.query(Payment).one().promotion_code == "FREE"


def test_quantities_of_a_pack_are_enforced(program: Program) -> None:
    org = program.org()
    made = program.post(PATH, program.manager_token(), json=OLD | TERMS).get_json()
    key = program.key(org, "checkout:create")
    body = {"product_id": made["id"], "success_url": "http://localhost/ok", "cancel_url": "http://localhost/no"}
    for quantity in (1, 6):
        answer = program.post(f"/api/v1/orgs/{org.id}/checkout", key, json=body | {"quantity": quantity})
        assert problem(answer, 422, "invalid")["errors"][0]["field"] == "quantity"
    assert program.post(f"/api/v1/orgs/{org.id}/checkout", key, json=body | {"quantity": 5}).status_code == 201


def test_a_program_that_guesses_codes_is_told_when_to_go_on(program: Program) -> None:
    org, pack = program.org(), program.make(factories.make_pack)
    key = program.key(org, "checkout:create")
    body = {
        "product_id": str(pack.product.id), "success_url": "http://localhost/ok", "cancel_url": "http://localhost/no",
    }  # fmt: skip
    path = f"/api/v1/orgs/{org.id}/checkout"
    for number in range(10):
        guess = {"promotion_code": f"GUESS{number}", "idempotency_key": f"guess-{number}"}
        problem(program.post(path, key, json=body | guess), 422, "promotion_code_invalid")
    last = program.post(path, key, json=body | {"promotion_code": "FREE", "idempotency_key": "right"})
    problem(last, 429, "too_many_promotion_codes")
    assert 0 < int(last.headers["Retry-After"]) <= 1_800
    assert program.post(path, key, json=body | {"idempotency_key": "plain"}).status_code == 201
