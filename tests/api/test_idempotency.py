"""A key counts once, for ever: alone, again, with another body, in another organization, and at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from werkzeug.test import TestResponse

from dashboard.core.db import db, transaction
from dashboard.domain.access import key_changes, keys
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.catalog import products
from dashboard.domain.funds import ledger
from dashboard.domain.platform import external_keys, verify
from dashboard.models import PLATFORM_ORG_ID, ApiKey, AuditEntry, Transaction
from tests import factories
from tests.api.conftest import Program, problem
from tests.each import each

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


@each("odd", ["", "k" * 256, "k\x7f1", "schlüssel", " "])
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


def test_a_customer_cannot_use_up_the_keys_of_a_platforms_checkout(program: Program) -> None:
    owner, pack = program.make(factories.make_user), program.make(factories.make_pack)
    org = program.org(owner=owner)
    urls = {"success_url": "http://localhost/ok?payment={payment_id}", "cancel_url": "http://localhost/no"}
    body = {"product_id": str(pack.product.id), "idempotency_key": "renewal-2026-12", **urls}
    path = f"/api/v1/orgs/{org.id}/checkout"
    customers = program.key(org, "checkout:create", by=Actor("user", owner.id))
    squatted = program.post(path, customers, json=body | {"quantity": 2}).get_json()
    opened = program.post(path, program.key(org, "checkout:create"), json=body)
    assert opened.status_code == 201
    assert opened.get_json()["payment_id"] != squatted["payment_id"]


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


def made_by(program: Program, org: Any, user: Any, *scopes: str) -> str:
    """A key that somebody made, who belongs to the organization or looks in from outside."""
    by = Actor("manager", user.id) if user.is_manager else SYSTEM
    with program.app.app_context(), transaction(org=org.id):
        return keys.make(org, name="x", scopes=scopes, mode="test", by=by, made_by=user.id).key


def removal(program: Program, org: Any, token: str, amount: int = 1, kind: str = "admin_removal") -> TestResponse:
    body = {"org_id": str(org.id), "transaction_type": kind, "amount": amount, "description": "x"}
    return program.post("/admin/api/v1/transactions", token, json=body, headers={"Idempotency-Key": "k1"})


def test_a_customer_cannot_use_up_the_keys_of_those_who_bill_them(program: Program) -> None:
    owner = program.make(factories.make_user)
    org = program.org(owner=owner, funds=10_000_000)
    manager = program.make(factories.make_user, manager=True)
    own = (made_by(program, org, owner, "wallet:charge"), program.token(owner, "wallet:charge"))
    for key, origin in zip(own, ("k1", "k2"), strict=True):
        assert send(program, org, key, CHARGE | {"amount_micros": 1}, origin).status_code == 201
    service = (program.key(org, "wallet:charge"), made_by(program, org, manager, "wallet:charge"))
    assert send(program, org, service[0], CHARGE, "k1").status_code == 201
    assert send(program, org, service[1], CHARGE, "k2").status_code == 201
    assert send(program, org, service[1], CHARGE, "k1").headers["Idempotent-Replay"] == "true"
    problem(send(program, org, service[1], CHARGE | {"amount_micros": 2}, "k1"), 422, "idempotency_key_reused")
    operator = program.token(manager, "platform:grant", "wallet:deposit")
    assert removal(program, org, operator).status_code == 201
    problem(send(program, org, operator, DEPOSIT, "k1"), 422, "idempotency_key_reused")  # one space of the operator's
    assert send(program, org, operator, DEPOSIT, "k2").status_code == 201
    with program.app.app_context():
        rows = db.session.query(Transaction).filter_by(org_id=org.id).where(Transaction.origin != "test")
        assert sorted((row.origin, row.key) for row in rows) == [
            ("api", "k1"), ("api", "k2"), ("operator", "k1"), ("operator", "k2"), ("service", "k1"), ("service", "k2"),
        ]  # fmt: skip
        assert verify.broken(org.id) == []


def test_what_takes_an_operators_scope_is_apart_from_charges_of_the_same_key(program: Program) -> None:
    owner = program.make(factories.make_user)
    org = program.org(owner=owner, funds=10_000)
    charging = made_by(program, org, owner, "wallet:charge")
    depositing = made_by(program, org, owner, "wallet:deposit")  # as a manager gives it to an organization's own key
    assert send(program, org, charging, CHARGE, "k1").status_code == 201
    assert send(program, org, depositing, DEPOSIT, "k1").status_code == 201


def test_a_rotated_key_answers_what_the_one_before_it_booked(program: Program) -> None:
    manager = program.make(factories.make_user, manager=True)
    org = program.org(funds=10_000)
    old = made_by(program, org, manager, "wallet:charge")
    first = send(program, org, old, CHARGE, "k1")
    with program.app.app_context(), transaction(org=org.id):
        row = keys.authenticate(old)
        assert isinstance(row, ApiKey)
        new = key_changes.rotate(
            row, grace="1h", by=Actor("manager", manager.id), made_by=manager.id, grantable=frozenset(row.scopes)
        )
    again = send(program, org, new.key, CHARGE, "k1")
    assert again.headers["Idempotent-Replay"] == "true"
    assert again.get_json()["transaction"]["id"] == first.get_json()["transaction"]["id"]


def earlier(program: Program, org: Any, key: str, type_: str, amount: int, by: Actor, **more: Any) -> str:
    """A row of the time when every caller's keys stood in one space."""
    with program.app.app_context():
        parts = [ledger.NewGrant("paid", "x", amount)] if amount > 0 else []
        return str(
            ledger.post(
                factories.wallet_of(org), type=type_, amount=amount, origin="api", key=key, by=by, slices=parts,
                body_hash=ledger.body_hash(more["path"], more["fields"]),
            ).id
        )  # fmt: skip


@pytest.mark.parametrize("body", [CHARGE, DEPOSIT])
@pytest.mark.parametrize("whose", ["command", "owner"])
def test_a_call_repeated_across_the_upgrade_books_nothing(program: Program, body: dict[str, Any], whose: str) -> None:
    owner = program.make(factories.make_user)
    org = program.org(owner=owner, funds=10_000)
    scope = f"wallet:{body['operation']}"
    key = program.key(org, scope) if whose == "command" else made_by(program, org, owner, scope)
    with program.app.app_context():
        by = Actor("key", keys.authenticate(key).id)
    amount = body["amount_micros"] if body is DEPOSIT else -body["amount_micros"]
    where = {"path": f"/api/v1/orgs/{org.id}/wallet", "fields": body}
    first = earlier(program, org, "k1", body["operation"], amount, by, **where)
    answer = send(program, org, key, body, "k1")
    assert (answer.status_code, answer.headers["Idempotent-Replay"]) == (201, "true")
    assert answer.get_json()["transaction"]["id"] == first
    problem(send(program, org, key, body | {"amount_micros": 2}, "k1"), 422, "idempotency_key_reused")
    assert program.rows(org.id) == 2


def test_an_operators_call_repeated_across_the_upgrade_books_nothing(program: Program) -> None:
    org, manager = program.org(funds=10_000_000), program.make(factories.make_user, manager=True)
    fields = {
        "transaction_type": "admin_removal", "amount": 1_000_000, "description": "x", "org_id": str(org.id),
        "allow_negative": False,
    }  # fmt: skip
    where = {"path": "/admin/api/v1/transactions", "fields": fields}
    first = earlier(program, org, "k1", "admin_removal", -1_000_000, Actor("manager", manager.id), **where)
    token = program.token(manager, "platform:grant")
    answer = removal(program, org, token)
    assert (answer.status_code, answer.headers.get("Idempotent-Replay")) == (201, "true")
    assert answer.get_json()["id"] == first
    problem(removal(program, org, token, 2), 422, "idempotency_key_reused")
    problem(removal(program, org, token, kind="admin_grant"), 422, "idempotency_key_reused")


def test_a_grant_counts_once_however_it_names_the_organization(program: Program) -> None:
    org, token = program.org(), program.manager_token("platform:grant")
    with program.app.app_context(), transaction(org=org.id):
        external_keys.assign(org, "crm-1", reason="Contract", by=SYSTEM)
    body = {"transaction_type": "admin_grant", "amount": 1, "description": "x"}
    answers = [
        program.post(
            "/admin/api/v1/transactions", token, json=body | {"org_id": name}, headers={"Idempotency-Key": "k1"}
        )
        for name in (str(org.id), "ext:crm-1", str(org.id).upper())
    ]
    assert [one.headers.get("Idempotent-Replay") for one in answers] == [None, "true", "true"]
    assert {one.get_json()["org_id"] for one in answers} == {str(org.id)}
    assert program.balance(org) == 1_000_000
    for odd in ("ext:crm-2", "crm-1", "ext:", 7, None):
        code = "no_such_organization" if odd == "ext:crm-2" else "invalid"
        problem(program.post("/admin/api/v1/transactions", token, json=body | {"org_id": odd}), 422, code)


def test_a_row_that_a_customer_made_counts_for_no_other_class_of_caller(program: Program) -> None:
    owner = program.make(factories.make_user)
    org = program.org(owner=owner, funds=10_000)
    where = {"path": f"/api/v1/orgs/{org.id}/wallet", "fields": CHARGE}
    earlier(program, org, "k1", "charge", -1_000, Actor("user", owner.id), **where)
    assert "Idempotent-Replay" not in send(program, org, program.key(org, "wallet:charge"), CHARGE, "k1").headers
    assert program.balance(org) == 8_000


def test_a_batch_finds_what_was_booked_before_the_spaces_were_apart(program: Program) -> None:
    org = program.org(funds=10_000)
    key = program.key(org, "wallet:charge")
    with program.app.app_context():
        by, wallet = Actor("key", keys.authenticate(key).id), factories.wallet_of(org)
        for name, who in (("k1", by), ("k2", SYSTEM)):
            ledger.post(wallet, type="charge", amount=-5, origin="api", key=name, by=who)
        entries = [ledger.LedgerEntry(wallet.id, 5, name) for name in ("k1", "k2", "k3", "k1")]
        with transaction(org=org.id):
            results = ledger.post_batch(org.id, entries, mode="test", origin="service", by=by)
    assert [getattr(one, "replayed", one) for one in results] == [True, False, False, True]
    assert program.balance(org) == 10_000 - 20


def test_two_first_deposits_at_once_with_one_key_book_once_and_a_key_is_an_organizations_own(program: Program) -> None:
    org, other = program.org(), program.org("Other")
    key = program.key(org, "wallet:deposit")
    first = send(program, org, key, DEPOSIT | {"amount_micros": 5_000_000}, "K")
    again = send(program, org, key, DEPOSIT | {"amount_micros": 5_000_000}, "K")
    assert (again.status_code, again.get_json()["transaction"]["id"]) == (
        first.status_code,
        first.get_json()["transaction"]["id"],
    )
    problem(send(program, org, key, DEPOSIT | {"amount_micros": 7_000_000}, "K"), 422, "idempotency_key_reused")
    with ThreadPoolExecutor(2) as pool:
        pair = list(pool.map(lambda _: send(program, org, key, DEPOSIT | {"amount_micros": 1_000_000}, "K2"), range(2)))
    assert [one.status_code for one in pair] == [201, 201]
    assert len({one.get_json()["transaction"]["id"] for one in pair}) == 1
    foreign = send(program, other, program.key(other, "wallet:deposit"), DEPOSIT | {"amount_micros": 3_000_000}, "K")
    assert foreign.status_code == 201
    assert (program.balance(org), program.balance(other)) == (6_000_000, 3_000_000)
    assert (program.rows(org.id), program.rows(other.id)) == (2, 1)
