"""No money field takes what is not plainly an amount: 422 with the field's name, nothing changed, never 500."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests import factories
from tests.api.conftest import Program, problem

NEVER = [
    "0", "-0", "-1", "-9223372036854775808", "9223372036854775807", "9223372036854775808", "1" + "0" * 40,
    "1" + "0" * 5_000, "NaN", "Infinity", "-Infinity", "1e3", "1E3", "1e-30", "1E+999999", "1.0", "1.5", "0.1", "-0.0",
    "1e308", "true", "false", "[]", "[5]", "{}", '{"$gt":0}', '""', '" "', '"0"', '"-0"', '"-1"', '"+1"', '"NaN"',
    '"Infinity"', '"1e3"', '"1E+999999"', '"1e-30"', '"1_000"', '"1,000"', '"1,5"', '"1 000"', '" 5"', '"5 "',
    '"\\uff15"', '"\\u0665"', '"0.1+0.2"', '"0x10"', '"0.0000001"', '"9223372036854775808"', '"1.2.3"', '".5"', '"5."',
    '"$5"', '"5\\u0000"', '"\\u00a05"', '"--1"', '"1/2"',
]  # fmt: skip
TEXTS_TOO = ['"5"', '"0.5"', "null"]
NOT_JSON = ["1_000", "01", "+1", ".5", "1.", "０", "0x10", "0.1+0.2", "1,000", "'5'", "", "--1", "nan", "5 5"]


class Field:
    """A money field: where it goes, and a body in which `%s` is its value."""

    def __init__(self, name: str, method: str, path: str, key: str, body: str) -> None:
        self.name, self.method, self.path, self.key, self.body = name, method, path, key, body

    def send(self, program: Program, value: str) -> Any:
        return program.call(
            self.method, self.path, self.key, data=(self.body % value).encode(), content_type="application/json"
        )


@pytest.fixture
def fields(program: Program) -> Iterator[list[Field]]:
    org, pack, token = program.org(), program.make(factories.make_pack), program.manager_token()
    key = program.key(org, "wallet:deposit", "wallet:charge", "checkout:create")
    wallet, grants, products = f"/api/v1/orgs/{org.id}/wallet", "/admin/api/v1/transactions", "/admin/api/v1/products"
    urls = '"success_url":"http://localhost/a","cancel_url":"http://localhost/b"'
    yield [
        Field("amount_micros", "POST", wallet, key, '{"operation":"deposit","amount_micros":%s}'),
        Field("amount_micros", "POST", wallet, key, '{"operation":"charge","amount_micros":%s}'),
        *(
            Field("amount", "POST", grants, token,
                  f'{{"org_id":"{org.id}","transaction_type":"{kind}","description":"x","amount":%s}}')
            for kind in ("admin_grant", "admin_removal")
        ),
        Field("amount_micros", "POST", products, token, '{"name":"x","price_cents":1,"amount_micros":%s}'),
        Field("price_cents", "POST", products, token, '{"name":"x","price_cents":%s,"amount_micros":1}'),
        Field("amount_micros", "PATCH", f"{products}/{pack.product.id}", token, '{"amount_micros":%s}'),
        Field("price_cents", "PATCH", f"{products}/{pack.product.id}", token, '{"price_cents":%s}'),
        Field("quantity", "POST", f"/api/v1/orgs/{org.id}/checkout", key,
              f'{{"product_id":"{pack.product.id}",{urls},"quantity":%s}}'),
    ]  # fmt: skip
    assert program.rows(org.id) == 0
    assert program.balance(org) == 0


def test_every_money_field_refuses_every_odd_number(program: Program, fields: list[Field]) -> None:
    for field in fields:
        strict = [] if field.name == "amount" else TEXTS_TOO[:2]
        for value in [*NEVER, *strict]:
            response = field.send(program, value)
            assert response.status_code == 422, (field.path, value[:40], response.get_data(as_text=True))
            assert response.get_json()["errors"][0]["field"].split(".")[0] == field.name, (
                value[:40],
                response.get_json(),
            )


def test_what_is_not_json_is_told_apart(program: Program, fields: list[Field]) -> None:
    for field in fields:
        for value in NOT_JSON:
            assert field.send(program, value).get_json()["code"] == "malformed_json", (field.path, value)


def test_a_name_that_stands_twice_is_refused(program: Program, fields: list[Field]) -> None:
    for field in fields:
        response = field.send(program, f'5,"{field.name}":500')
        assert problem(response, 422, "repeated_field")["errors"][0]["field"] == field.name


def test_bodies_that_are_no_object(program: Program, fields: list[Field]) -> None:
    post, key = fields[0].path, fields[0].key
    bodies: list[tuple[bytes, int]] = [
        (b"", 400), (b"\xff\xfe", 400), (b'{"operation":"\xff"}', 400), (b"[" * 100_000, 413), (b"[" * 30_000, 400),
        (b"[]", 422), (b"5", 422), (b'"{}"', 422), (b"null", 422),
        (b'{"operation":"deposit","amount_micros":5,"x":1}', 422),
        (b'{"amount_micros":5}', 422), (b'{"operation":"transfer","amount_micros":5}', 422),
        (b'{"operation":"deposit","amount_micros":5,"description":"\\u0000"}', 422),
        (b'{"operation":"deposit","amount_micros":5,"description":"\\ud800"}', 422),
        (b'{"operation":"deposit","amount_micros":5,"\\ud800":1}', 422),
        (b'{"operation":"deposit","amount_micros":5,"description":"' + b"x" * 501 + b'"}', 422),
        (b'{"operation":"deposit","amount_micros":5,"description":"' + b"x" * 70_000 + b'"}', 413),
    ]  # fmt: skip
    for body, status in bodies:
        response = program.post(post, key, data=body, content_type="application/json")
        assert response.status_code == status, (body[:60], response.get_data(as_text=True))
        assert response.content_type == "application/problem+json"


def test_credits_are_exact_as_integer_and_as_text(program: Program) -> None:
    org, token = program.org(), program.manager_token()
    for amount, micros in ((1, 1_000_000), ("0.000001", 1), ("0.1", 100_000), ("10.10", 10_100_000)):
        body = {"org_id": str(org.id), "transaction_type": "admin_grant", "amount": amount, "description": "x"}
        assert program.post("/admin/api/v1/transactions", token, json=body).get_json()["amount_micros"] == micros


def test_a_balance_never_wraps(program: Program) -> None:
    org = program.org()
    key = program.key(org, "wallet:deposit")
    body = {"operation": "deposit", "amount_micros": 10**18}
    path = f"/api/v1/orgs/{org.id}/wallet"
    assert [program.post(path, key, json=body).status_code for _ in range(9)] == [201] * 9
    assert program.post(path, key, json=body).status_code == 422
    assert program.balance(org) == 9 * 10**18
