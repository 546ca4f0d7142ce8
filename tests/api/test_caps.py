"""A key's cap: charges above it book nothing, replays do not count, and many at once get exactly what fits."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.core.money import Micros
from dashboard.domain.access import key_changes, keys
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.domain.platform import verify
from dashboard.models import LimitWindow, Organization
from tests.api.conftest import Program, problem
from tests.factories import add_member, make_user


def capped(program: Program, org: Organization, amount: int, window: str = "day", *scopes: str) -> keys.MadeKey:
    with program.app.app_context(), transaction(org.id):
        return keys.make(
            org, name="Capped", scopes=scopes or ["wallet:charge", "wallet:deposit"], mode="test", by=SYSTEM,
            cap=Cap(Micros(amount), window),
        )  # fmt: skip


def charge(program: Program, org: Organization, key: str, amount: int, **more: Any) -> Any:
    body = {"operation": "charge", "amount_micros": amount} | more
    return program.app.test_client().post(
        f"/api/v1/orgs/{org.id}/wallet", headers={"Authorization": f"Bearer {key}"}, json=body
    )


def spent(program: Program, org: Organization) -> list[int]:
    with program.app.app_context():
        return [row.spent for row in db.session.query(LimitWindow).filter_by(org_id=org.id)]


def test_a_charge_above_the_cap_books_nothing_and_says_when_it_may(program: Program) -> None:
    with clock.at(datetime(2026, 11, 20, 9, 40, tzinfo=UTC)):
        org = program.org(funds=1_000)
        key = capped(program, org, 100, "month").key
        assert charge(program, org, key, 70).status_code == 201
        body = problem(charge(program, org, key, 31), 402, "key_cap_exceeded")
        assert (body["available_micros"], body["required_micros"]) == (30, 31)
        assert body["resets_at"] == "2026-12-01T00:00:00Z"
        assert charge(program, org, key, 30).status_code == 201
    assert program.balance(org) == 900
    assert spent(program, org) == [100]
    with clock.at(datetime(2026, 12, 1, tzinfo=UTC)):
        assert charge(program, org, key, 100).status_code == 201
    assert sorted(spent(program, org)) == [100, 100]


def test_a_charge_larger_than_the_whole_cap_is_refused_in_an_empty_window(program: Program) -> None:
    org = program.org(funds=1_000)
    problem(charge(program, org, capped(program, org, 100).key, 101), 402, "key_cap_exceeded")
    assert (program.balance(org), spent(program, org)) == (1_000, [])


@pytest.mark.parametrize("window", ["day", "month"])
def test_a_window_is_utc_and_ends_at_midnight(program: Program, window: str) -> None:
    with clock.at(datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)):
        org = program.org(funds=1_000)
        key = capped(program, org, 100, window).key
        assert charge(program, org, key, 100).status_code == 201
        body = problem(charge(program, org, key, 1), 402, "key_cap_exceeded")
        assert body["resets_at"] == "2027-01-01T00:00:00Z"
    with clock.at(datetime(2027, 1, 1, tzinfo=UTC)):
        assert charge(program, org, key, 100).status_code == 201


def test_a_replay_is_the_first_answer_and_counts_once_even_at_the_cap(program: Program) -> None:
    org = program.org(funds=1_000)
    key = capped(program, org, 100).key
    first = charge(program, org, key, 100, idempotency_key="once")
    again = charge(program, org, key, 100, idempotency_key="once")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["Idempotent-Replay"] == "true"
    assert again.get_json()["transaction"]["id"] == first.get_json()["transaction"]["id"]
    assert spent(program, org) == [100]
    problem(charge(program, org, key, 50, idempotency_key="once"), 422, "idempotency_key_reused")


def test_a_refused_key_may_be_sent_again_when_there_is_room(program: Program) -> None:
    org = program.org(funds=1_000)
    key = capped(program, org, 100)
    problem(charge(program, org, key.key, 150, idempotency_key="later"), 402, "key_cap_exceeded")
    with program.app.app_context(), transaction(org.id):
        found = keys.find(org.id, key.row.id)
        assert found
        key_changes.set_cap(found, Cap(Micros(200), "day"), by=SYSTEM)
    assert charge(program, org, key.key, 150, idempotency_key="later").status_code == 201


def test_an_empty_wallet_is_told_before_the_cap_and_counts_nothing(program: Program) -> None:
    org = program.org(funds=50)
    key = capped(program, org, 100).key
    problem(charge(program, org, key, 60), 402, "insufficient_funds")
    assert spent(program, org) == []


def test_deposits_are_not_capped(program: Program) -> None:
    org = program.org()
    key = capped(program, org, 100).key
    assert charge(program, org, key, 5_000, operation="deposit").status_code == 201
    assert spent(program, org) == []


def test_parallel_charges_get_exactly_what_fits(program: Program) -> None:
    """A limit of 100 must not let 109 through."""
    org = program.org(funds=10_000)
    key = capped(program, org, 100)
    user = program.make(make_user, manager=True)
    with program.app.app_context(), transaction(org.id):
        row = keys.find(org.id, key.row.id)
        assert row
        other = key_changes.rotate(row, grace="1h", by=SYSTEM, made_by=user.id, grantable=frozenset(row.scopes))
    texts = (key.key, other.key)

    def one(number: int) -> str:
        answer = charge(program, org, texts[number % 2], 3, idempotency_key=f"k{number % 80}")
        return "charged" if answer.status_code == 201 else str(answer.get_json()["code"])

    with ThreadPoolExecutor(8) as pool:
        counts = Counter(pool.map(one, range(120)))
    assert spent(program, org) == [99]
    assert program.balance(org) == 10_000 - 99
    assert counts.keys() == {"charged", "key_cap_exceeded"}
    with program.app.app_context():
        assert verify.broken(org.id) == []


class Member:
    """An organization with money, its owner and a member, each with a token that may do all of theirs."""

    def __init__(self, program: Program) -> None:
        self.program = program
        owner, self.user = program.make(make_user), program.make(make_user)
        self.org = program.org(owner=owner, funds=100_000)
        program.make(add_member, self.org, "member", user=self.user)
        self.owner, self.token = (
            program.token(user, "org:admin", "wallet:charge", "wallet:read") for user in (owner, self.user)
        )
        self.path = f"/api/v1/orgs/{self.org.id}/api-keys"

    def key(self, **more: Any) -> tuple[str, str]:
        answer = self.make(**more)
        assert answer.status_code == 201, answer.text
        return answer.get_json()["id"], answer.get_json()["key"]

    def make(self, **more: Any) -> Any:
        return self.program.post(self.path, self.token, json={"name": "x", "scopes": ["wallet:charge"]} | more)

    def cap(self, key_id: str, amount: int | None, window: str = "day") -> None:
        cap = amount and {"amount_micros": amount, "window": window}
        answer = self.program.call("PATCH", f"{self.path}/{key_id}", self.owner, json={"cap": cap})
        assert answer.status_code == 200, answer.text

    def charge(self, key: str, amount: int) -> int:
        return int(charge(self.program, self.org, key, amount).status_code)


@pytest.fixture
def member(program: Program) -> Member:
    return Member(program)


def test_a_cap_on_a_members_key_binds_their_new_keys_and_their_token(member: Member) -> None:
    earlier, (key_id, key) = member.key()[1], member.key()
    member.cap(key_id, 100)
    again = member.key()[1]
    assert [member.charge(one, 40) for one in (key, again, member.token)] == [201, 201, 402]
    assert member.charge(member.token, 20) == 201
    assert [member.charge(one, 1) for one in (key, again, member.token)] == [402] * 3
    rotated = member.program.post(f"{member.path}/{key_id}/rotate", member.token, json={"grace": "now"}).get_json()
    assert member.charge(rotated["key"], 1) == 402
    assert member.program.call("DELETE", f"{member.path}/{rotated['id']}", member.token).status_code == 204
    assert [member.charge(one, 1) for one in (member.key()[1], member.token)] == [402, 402]
    assert member.charge(earlier, 500) == 201  # the lead sees it without a cap, and may set one
    assert [member.charge(one, 500) for one in (member.owner, member.program.key(member.org, "wallet:charge"))] == [
        201, 201,
    ]  # fmt: skip


def test_what_binds_a_member_is_taken_away_at_any_key_that_shares_it(member: Member) -> None:
    key_id = member.key()[0]
    member.cap(key_id, 100)
    shared = member.key()[1]
    assert member.program.call("DELETE", f"{member.path}/{key_id}", member.token).status_code == 204
    member.cap(key_id, None)  # revoked, and yet it binds
    assert [member.charge(one, 500) for one in (shared, member.token)] == [201, 201]
    assert member.make(cap={"amount_micros": 5, "window": "day"}).status_code == 201


def test_another_amount_counts_on_for_all_that_share_the_cap(member: Member) -> None:
    key_id, key = member.key()
    member.cap(key_id, 100)
    shared = member.key()[1]
    assert member.charge(shared, 100) == 201
    member.cap(key_id, 150)
    assert [member.charge(key, 51), member.charge(key, 50), member.charge(shared, 1)] == [402, 201, 402]


def test_the_tightest_cap_binds_and_leaves_no_room_for_another(member: Member) -> None:
    for amount, window in ((1_000, "day"), (300_000, "month"), (200, "day")):
        member.cap(own_key(member), amount, window)
    assert [member.charge(member.token, one) for one in (201, 200)] == [402, 201]
    body = problem(member.make(cap={"amount_micros": 5_000, "window": "day"}), 422, "invalid")
    assert body["errors"][0]["field"] == "cap"


def own_key(member: Member) -> str:
    """A key that somebody had before anything bound them."""
    with member.program.app.app_context(), transaction(member.org.id):
        made = keys.make(
            member.org, name="Old", scopes=["wallet:charge"], mode="test", by=SYSTEM, made_by=member.user.id
        )
        made.row.limit_id = None
        return str(made.row.id)


def test_a_cap_that_a_member_chose_binds_that_key_only(member: Member) -> None:
    chosen = member.key(cap={"amount_micros": 10, "window": "day"})[1]
    assert [member.charge(one, 11) for one in (chosen, member.key()[1], member.token)] == [402, 201, 201]


def test_keys_and_token_of_a_capped_member_at_once_get_exactly_what_fits(member: Member) -> None:
    key_id, key = member.key()
    member.cap(key_id, 100)
    texts = [key, member.key()[1], member.token]
    with ThreadPoolExecutor(6) as pool:
        counts = Counter(pool.map(lambda n: member.charge(texts[n % 3], 3), range(60)))
    assert counts == {201: 33, 402: 27}
    assert spent(member.program, member.org) == [99]
