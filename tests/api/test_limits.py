"""Spend limits over HTTP: who sets and sees them, what a refusal tells, and what can be spent."""

from typing import Any

import pytest

from dashboard.core import ids
from dashboard.core.db import db, transaction
from dashboard.domain.access import keys
from dashboard.models import ApiKey
from tests import factories
from tests.api.conftest import Program, problem
from tests.factories import add_member, make_metric, make_user

USD = 1_000_000
SPENDING = ("org:config", "wallet:charge", "wallet:read", "usage:write")


class Acme:
    """An organization with 100 dollars, an owner and two members, each with a token."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.owner, self.member, self.other = (program.make(make_user) for _ in range(3))
        self.org = program.org(owner=self.owner, funds=100 * USD)
        for user in (self.member, self.other):
            program.make(add_member, self.org, "member", user=user)
        self.tokens = {
            user.id: program.token(user, *SPENDING, "org:admin") for user in (self.owner, self.member, self.other)
        }
        self.path = f"/api/v1/orgs/{self.org.id}"

    def limit(self, amount: int, scope: str = "org", subject: object = None, **more: Any) -> Any:
        body = {"scope": scope, "amount_micros": amount, "window": "month"} | more
        body |= {"subject": str(subject)} if subject else {}
        answer = self.program.post(f"{self.path}/limits", self.tokens[self.owner.id], json=body)
        assert answer.status_code == 201, answer.text
        return answer.get_json()

    def charge(self, user: Any, amount: int, **more: Any) -> Any:
        body = {"operation": "charge", "amount_micros": amount} | more
        return self.program.post(f"{self.path}/wallet", self.tokens[user.id], json=body)

    def spendable(self, user: Any, query: str = "") -> Any:
        return self.program.get(f"{self.path}/spendable{query}", self.tokens[user.id])


@pytest.fixture
def acme(program: Program) -> Acme:
    return Acme(program)


def test_a_refusal_names_the_limit_and_every_one_that_was_tested(acme: Acme) -> None:
    acme.charge(acme.member, 2 * USD)
    whole = acme.limit(50 * USD)
    mine = acme.limit(10 * USD, "member", acme.member.id)
    soft = acme.limit(5 * USD, "app", "chat", window="day", hard=False)
    assert (whole["spent_micros"], mine["spent_micros"], soft["spent_micros"]) == (2 * USD, 2 * USD, 0)
    assert "subject" not in whole
    assert (mine["subject"], mine["spent_usd"]) == (str(acme.member.id), "$2.00")
    assert acme.charge(acme.member, 7_900_000, app="chat").status_code == 201
    body = problem(acme.charge(acme.member, 200_000, app="chat"), 402, "limit_reached")
    named = {name: body[name] for name in ("limit_id", "scope", "limit_micros", "spent_micros", "resets_at")}
    assert named == {
        "limit_id": mine["id"], "scope": "member", "limit_micros": 10 * USD, "spent_micros": 9_900_000,
        "resets_at": mine["resets_at"],
    }  # fmt: skip
    assert (body["available_micros"], body["required_micros"], body["retryable"]) == (100_000, 200_000, False)
    assert [(one["limit_id"], one["hard"], one["spent_micros"]) for one in body["limits_tested"]] == [
        (mine["id"], True, 9_900_000), (soft["id"], False, 7_900_000), (whole["id"], True, 9_900_000),
    ]  # fmt: skip
    assert acme.charge(acme.other, 200_000, app="chat").status_code == 201


def test_usage_is_refused_as_a_charge_is(acme: Acme) -> None:
    acme.program.make(make_metric, amount_micros=100_000)
    acme.limit(USD, "member", acme.member.id)
    event = {"metric_key": "tokens", "units": 6}
    token, path = acme.tokens[acme.member.id], f"{acme.path}/usage"
    assert acme.program.post(path, token, json=event).status_code == 201
    assert problem(acme.program.post(path, token, json=event), 402, "limit_reached")["spent_micros"] == 600_000
    batch = acme.program.post(f"{path}/batch", token, json={"events": [{**event, "units": 4}, {**event, "units": 1}]})
    assert [one.get("code", one["status"]) for one in batch.get_json()["data"]] == ["recorded", "limit_reached"]


def test_a_limit_is_changed_and_removed_and_never_forgets_what_was_spent(acme: Acme) -> None:
    row, owner = acme.limit(10 * USD), acme.tokens[acme.owner.id]
    path = f"{acme.path}/limits/{row['id']}"
    assert acme.charge(acme.owner, 10 * USD).status_code == 201
    problem(acme.charge(acme.owner, 1), 402, "limit_reached")
    changed = acme.program.call("PATCH", path, owner, json={"amount_micros": 11 * USD}).get_json()
    assert (changed["amount_micros"], changed["spent_micros"], changed["hard"]) == (11 * USD, 10 * USD, True)
    assert acme.charge(acme.owner, USD).status_code == 201
    assert acme.program.call("PATCH", path, owner, json={"hard": False}).get_json()["hard"] is False
    assert acme.charge(acme.owner, USD).status_code == 201
    assert acme.program.get(path, owner).get_json()["spent_micros"] == 12 * USD
    assert acme.program.call("DELETE", path, owner).status_code == 204
    for method in ("GET", "PATCH", "DELETE"):
        problem(acme.program.call(method, path, owner, json={} if method == "PATCH" else None), 404, "not_found")


def test_a_keys_limit_is_its_cap(acme: Acme) -> None:
    owner = acme.tokens[acme.owner.id]
    made = acme.program.post(f"{acme.path}/api-keys", owner, json={"name": "x", "scopes": ["wallet:charge"]}).get_json()
    row = acme.limit(USD, "key", made["id"], window="week")
    shown = acme.program.get(f"{acme.path}/api-keys/{made['id']}", owner).get_json()
    assert (shown["cap"]["amount_micros"], shown["cap"]["window"]) == (USD, "week")
    body = {"operation": "charge", "amount_micros": USD + 1}
    refused = problem(acme.program.post(f"{acme.path}/wallet", made["key"], json=body), 402, "key_cap_exceeded")
    assert (refused["limit_id"], refused["scope"]) == (row["id"], "key")
    again = {"scope": "key", "subject": made["id"], "window": "day", "amount_micros": 1}
    problem(acme.program.post(f"{acme.path}/limits", owner, json=again), 409, "limit_exists")
    assert acme.program.call("DELETE", f"{acme.path}/limits/{row['id']}", owner).status_code == 204
    assert acme.program.get(f"{acme.path}/api-keys/{made['id']}", owner).get_json()["cap"] is None
    assert acme.program.post(f"{acme.path}/wallet", made["key"], json=body).status_code == 201


def test_members_see_the_limits_that_apply_to_them(acme: Acme) -> None:
    whole, app = acme.limit(USD), acme.limit(USD, "app", "chat")
    mine, others = (acme.limit(USD, "member", user.id) for user in (acme.member, acme.other))
    own_key, other_key = (_key(acme, user) for user in (acme.member, acme.other))
    capped, hidden = acme.limit(USD, "key", own_key), acme.limit(USD, "key", other_key)
    member, owner = acme.tokens[acme.member.id], acme.tokens[acme.owner.id]
    listed = acme.program.get(f"{acme.path}/limits", member).get_json()["data"]
    assert [one["id"] for one in listed] == [row["id"] for row in (capped, mine, app, whole)]
    everything = acme.program.get(f"{acme.path}/limits?limit=4", owner).get_json()
    rest = acme.program.get(f"{acme.path}/limits?cursor={everything['next_cursor']}", owner).get_json()
    assert len(everything["data"] + rest["data"]) == 6
    for row, status in ((mine, 200), (others, 404), (hidden, 404), (capped, 200)):
        assert acme.program.get(f"{acme.path}/limits/{row['id']}", member).status_code == status
    problem(acme.program.call("PATCH", f"{acme.path}/limits/{mine['id']}", member, json={}), 403, "forbidden")


def test_what_can_be_spent_is_one_number_with_what_bounds_it(acme: Acme) -> None:
    """Wallet 1.13, held 1.00, key limit left 16.63, member limit left 0.05."""
    acme.program.change_wallet(acme.org, balance=1_130_000, held=USD)
    acme.limit(16_630_000, "key", own := _key(acme))
    row = acme.limit(50_000, "member", acme.member.id)
    said = acme.spendable(acme.owner, f"?key_id={own}").get_json()
    assert said == {
        "spendable_micros": 50_000, "spendable_usd": "$0.05", "bounded_by": "limit", "limit_id": row["id"],
    }  # fmt: skip
    assert acme.spendable(acme.member).get_json() == said
    assert acme.spendable(acme.owner, f"?member_id={acme.member.id}").get_json() == said
    owner = acme.tokens[acme.owner.id]
    acme.program.call("DELETE", f"{acme.path}/limits/{row['id']}", owner)
    free = {"spendable_micros": 130_000, "spendable_usd": "$0.13", "bounded_by": "wallet"}
    assert acme.spendable(acme.owner, f"?key_id={own}").get_json() == free
    acme.limit(20_000, "app", "chat")
    assert acme.spendable(acme.owner).get_json() == free
    assert acme.spendable(acme.owner, "?app=chat").get_json()["spendable_micros"] == 20_000
    acme.program.change_wallet(acme.org, balance=USD)
    assert acme.spendable(acme.owner).get_json()["bounded_by"] == "hold"
    acme.program.change_wallet(acme.org, held=0)
    assert acme.spendable(acme.owner).get_json()["spendable_micros"] == USD
    acme.program.change_wallet(acme.org, balance=100 * USD)


def _key(acme: Acme, user: Any = None) -> str:
    body = {"name": "x", "scopes": ["wallet:charge"]}
    made = acme.program.post(f"{acme.path}/api-keys", acme.tokens[(user or acme.member).id], json=body)
    return str(made.get_json()["id"])


def test_nobody_asks_what_those_can_spend_that_they_may_not_see(acme: Acme) -> None:
    stranger, own = acme.program.make(make_user), _key(acme)
    for user, query, status in (
        (acme.other, f"?member_id={acme.member.id}", 404), (acme.other, f"?key_id={own}", 404),
        (acme.member, f"?key_id={own}", 200), (acme.member, f"?member_id={acme.member.id}", 200),
        (acme.owner, f"?member_id={stranger.id}", 404), (acme.owner, f"?member_id={ids.new()}", 404),
        (acme.owner, "?member_id=x", 404), (acme.owner, f"?key_id={ids.new()}", 404),
        (acme.owner, f"?key_id={own}&member_id={acme.member.id}", 422), (acme.owner, "?wallet_id=x", 422),
    ):  # fmt: skip
        assert acme.spendable(user, query).status_code == status, query
    with acme.program.app.app_context(), transaction(acme.org.id):
        key = db.session.query(ApiKey).filter_by(id=own).one()
        keys.revoke(key, by=factories.SYSTEM)
    problem(acme.spendable(acme.owner, f"?key_id={own}"), 404, "not_found")


def test_what_is_no_limit_is_refused_with_its_field(acme: Acme) -> None:
    stranger, foreign = acme.program.make(make_user), acme.program.org("Elsewhere")
    key = acme.program.key(foreign, "wallet:charge")
    with acme.program.app.app_context():
        foreign_key = keys.authenticate(key).id
    good = {"scope": "org", "window": "day", "amount_micros": 1}
    huge = [2**63, 9_007_199_254_740_993 * 1_000, 10**18 + 1]
    for change, field in (
        *(({"amount_micros": one}, "amount_micros") for one in (0, -1, 1.5, "1", None, True, *huge)),
        ({"window": "hour"}, "window"), ({"window": None}, "window"), ({"scope": "team"}, "scope"),
        ({"hard": 1}, "hard"), ({"subject": "x"}, "subject"), ({"scope": "member"}, "subject"),
        ({"scope": "member", "subject": str(stranger.id)}, "subject"),
        ({"scope": "member", "subject": str(ids.new())}, "subject"), ({"scope": "member", "subject": "x"}, "subject"),
        ({"scope": "key", "subject": str(foreign_key)}, "subject"), ({"scope": "key", "subject": "x"}, "subject"),
        ({"scope": "app", "subject": ""}, "subject"), ({"scope": "app", "subject": "x" * 201}, "subject"),
        ({"extra": 1}, "extra"),
    ):  # fmt: skip
        answer = acme.program.post(f"{acme.path}/limits", acme.tokens[acme.owner.id], json=good | change)
        assert answer.status_code == 422, (change, answer.text)
        assert answer.get_json()["errors"][0]["field"] == field, (change, answer.text)
    for number in ("NaN", "Infinity", "1e3", "1.0"):
        raw = f'{{"scope":"org","window":"day","amount_micros":{number}}}'
        answer = acme.program.post(
            f"{acme.path}/limits", acme.tokens[acme.owner.id], data=raw, content_type="application/json"
        )
        assert answer.status_code in (400, 422)
    assert acme.program.get(f"{acme.path}/limits", acme.tokens[acme.owner.id]).get_json()["data"] == []


def test_a_repeated_request_makes_one_limit(acme: Acme) -> None:
    body = {"scope": "org", "window": "day", "amount_micros": 5, "idempotency_key": "one"}
    first, again = (acme.program.post(f"{acme.path}/limits", acme.tokens[acme.owner.id], json=body) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.get_json() == again.get_json()
    other = {"scope": "org", "window": "day", "amount_micros": 6}
    problem(acme.program.post(f"{acme.path}/limits", acme.tokens[acme.owner.id], json=other), 409, "limit_exists")
