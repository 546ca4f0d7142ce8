"""Usage over HTTP: one event or a thousand, each recorded and charged once, with an error for each that is not."""

from typing import Any

import pytest

from dashboard.core import clock
from dashboard.domain.platform import verify
from dashboard.models import Organization
from tests import factories
from tests.api.conftest import Program, problem

PRICE = {"amount_micros": 600}


def set_up(program: Program, key: str = "push", **price: Any) -> None:
    token = program.manager_token("platform:read", "platform:grant", "prices:write")
    made = program.post("/admin/api/v1/metrics", token, json={"metric_key": key, "name": key, "unit": key})
    assert made.status_code == 201, made.get_json()
    if price:
        priced = program.post(f"/admin/api/v1/metrics/{key}/prices", token, json=price)
        assert priced.status_code == 201, priced.get_json()


def path(org: Organization, tail: str = "") -> str:
    return f"/api/v1/orgs/{org.id}/usage{tail}"


def test_an_event_is_recorded_and_charged_once(program: Program) -> None:
    set_up(program, **PRICE)
    org = program.org(funds=1_000_000)
    key = program.key(org, "usage:write", "usage:read", "catalog:read")
    event = {"metric_key": "push", "units": 2, "app": "mailer", "properties": {"campaign": "spring"}}
    first = program.post(path(org), key, json=event, headers={"Idempotency-Key": "e1"})
    again = program.post(path(org), key, json=event, headers={"Idempotency-Key": "e1"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.get_json() | {"duplicate": True} == again.get_json()
    assert (first.get_json()["cost_micros"], first.get_json()["balance_micros"]) == (1_200, 998_800)
    assert again.headers["Idempotent-Replay"] == "true"
    other = program.post(path(org), key, json=event | {"units": 3}, headers={"Idempotency-Key": "e1"})
    problem(other, 422, "idempotency_key_reused")
    (row,) = program.get(path(org, "/events"), key).get_json()["data"]
    assert (row["units"], row["app"], row["properties"]) == (2, "mailer", {"campaign": "spring"})
    (total,) = program.get(path(org), key).get_json()["data"]
    assert (total["units"], total["cost_micros"], total["events"]) == (2, 1_200, 1)
    (by_app,) = program.get(path(org) + "?group_by=app&metric_key=push", key).get_json()["data"]
    assert (by_app["value"], by_app["cost_usd"]) == ("mailer", "$0.0012")
    (offered,) = program.get(f"/api/v1/orgs/{org.id}/metrics", key).get_json()["data"]
    assert (offered["metric_key"], offered["price"]["amount_micros"]) == ("push", 600)


def test_a_batch_answers_for_each_event_in_order(program: Program) -> None:
    set_up(program, **PRICE)
    org = program.org(funds=6_000)
    key = program.key(org, "usage:write")
    events = [{"metric_key": "push", "units": 1, "idempotency_key": f"e{number}"} for number in range(12)]
    events[3]["metric_key"] = "nothing"
    answer = program.post(path(org, "/batch"), key, json={"events": events})
    assert answer.status_code == 207
    results = answer.get_json()["data"]
    assert [one["idempotency_key"] for one in results] == [one["idempotency_key"] for one in events]
    assert [one["status"] for one in results].count("recorded") == 10
    assert (results[3]["code"], results[11]["code"]) == ("unknown_metric", "insufficient_funds")
    assert answer.get_json()["balance_micros"] == 0
    again = program.post(path(org, "/batch"), key, json={"events": events[:3]})
    assert (again.status_code, [one["status"] for one in again.get_json()["data"]]) == (201, ["duplicate"] * 3)
    with program.app.app_context():
        assert verify.broken() == []


def test_a_thousand_events_are_one_call(program: Program) -> None:
    set_up(program, amount_micros=1)
    org = program.org(funds=1_000_000)
    key = program.key(org, "usage:write")
    event = {"metric_key": "push", "units": 1, "app": "mailer", "properties": {"campaign": "x" * 150}}
    thousand = program.post(path(org, "/batch"), key, json={"events": [event] * 1_000})
    assert thousand.status_code == 201
    assert thousand.get_json()["balance_micros"] == 999_000
    problem(program.post(path(org, "/batch"), key, json={"events": [event] * 1_001}), 422, "invalid")
    problem(
        program.post(path(org, "/batch"), key, data=b"{" + b" " * 10_000_000, content_type="application/json"),
        413,
        "too_large",
    )


@pytest.mark.parametrize(
    "units", [0, -1, 2**63, 9_007_199_254_740_993 * 1_000, 1.5, "1", None, True]
)  # fmt: skip
def test_odd_units_are_refused(program: Program, units: Any) -> None:
    set_up(program, **PRICE)
    org = program.org(funds=1_000)
    answer = program.post(path(org), program.key(org, "usage:write"), json={"metric_key": "push", "units": units})
    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, "units")


def test_only_who_may_spend_records_usage(program: Program) -> None:
    set_up(program, **PRICE)
    org = program.org(funds=1_000_000)
    event = {"metric_key": "push", "units": 1}
    for role, status in {"member": 201, "viewer": 403}.items():
        token = program.token(program.make(factories.add_member, org, role), "usage:write")
        assert program.post(path(org), token, json=event).status_code == status, role
    assert program.post(path(org), program.key(org, "wallet:charge"), json=event).status_code == 403
    problem(program.post(path(program.org()), program.key(org, "usage:write"), json=event), 404, "not_found")


def test_a_members_token_reads_only_its_own_usage(program: Program) -> None:
    set_up(program, **PRICE)
    org = program.org(funds=1_000_000)
    people = {role: program.make(factories.add_member, org, role) for role in ("member", "admin", "viewer")}
    tokens = {role: program.token(user, "usage:write", "usage:read") for role, user in people.items()}
    for role, app in (("member", "mine"), ("admin", "theirs")):
        event = {"metric_key": "push", "units": 1, "app": app}
        assert program.post(path(org), tokens[role], json=event).status_code == 201
    for query in ("", "?group_by=app", "?interval=hour", "?interval=month", f"?member_id={people['admin'].id}"):
        for role, events in (("member", 1), ("viewer", 1 if "member_id" in query else 2)):
            rows = program.get(path(org) + query, tokens[role]).get_json()["data"]
            assert sum(row["events"] for row in rows) == events, (query, role)
    for role, apps in (("member", ["mine"]), ("viewer", ["theirs", "mine"])):
        rows = program.get(path(org, "/events"), tokens[role]).get_json()["data"]
        assert [row["app"] for row in rows] == apps
    assert program.get(path(org), program.key(org, "usage:write")).status_code == 403


def test_sums_by_hour_and_month_and_what_is_refused(program: Program) -> None:
    set_up(program, **PRICE)
    org = program.org(funds=1_000_000)
    key = program.key(org, "usage:write", "usage:read")
    assert program.post(path(org), key, json={"metric_key": "push", "units": 2, "app": "a"}).status_code == 201
    now = clock.now()
    (hour,) = program.get(path(org) + "?interval=hour", key).get_json()["data"]
    assert (hour["hour"], hour["units"]) == (f"{now:%Y-%m-%dT%H}:00:00Z", 2)
    (month,) = program.get(path(org) + "?interval=month&group_by=app", key).get_json()["data"]
    assert (month["day"], month["value"]) == (f"{now:%Y-%m}-01", "a")
    for query, field in {
        "?interval=week": "interval", "?interval=hour&group_by=app": "group_by", "?from=2020-01-01": "from",
        "?interval=hour&from=2026-01-01&to=2026-03-01": "from", "?member_id=x": "member_id",
    }.items():  # fmt: skip
        answer = program.get(path(org) + query, key)
        assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, field), query
    rows = program.get(path(org, "/events?from=2020-01-01&to=2020-01-02"), key).get_json()
    assert rows == {"data": [], "next_cursor": None}
    for query, many in {"?app=a": 1, "?app=b": 0, "?metric_key=push": 1, f"?to={now:%Y-%m-%dT%H}:00:00Z": 0}.items():
        assert len(program.get(path(org, "/events") + query, key).get_json()["data"]) == many, query


def test_prices_are_the_operators(program: Program) -> None:
    set_up(program, **PRICE)
    org = program.org(funds=1_000_000)
    token = program.manager_token("platform:grant", "prices:write")
    there = "/admin/api/v1/metrics/push/prices"
    assert program.post(there, program.key(org, "usage:write"), json=PRICE).status_code == 403
    special = program.post(there, token, json={"amount_micros": 100, "org_id": str(org.id)})
    assert special.status_code == 201
    charged = program.post(path(org), program.key(org, "usage:write"), json={"metric_key": "push", "units": 1})
    assert charged.get_json()["cost_micros"] == 100
    bad_ones: list[dict[str, Any]] = [
        {"amount_micros": -1}, {"per_units": 0}, {"kind": "graduated"}, {"effective_from": "2020-01-01T00:00:00Z"},
        {"tiers": [{"up_to": None, "amount_micros": 1}]},
    ]  # fmt: skip
    for bad in bad_ones:
        assert program.post(there, token, json=bad).status_code == 422, bad
    tiers = [{"up_to": 10, "amount_micros": 2}, {"up_to": None, "amount_micros": 1, "per_units": 10}]
    assert program.post(there, token, json={"kind": "graduated", "tiers": tiers}).status_code == 201


def test_an_operator_voids_an_event_once(program: Program) -> None:
    set_up(program, **PRICE)
    org = program.org(funds=1_000_000)
    key = program.key(org, "usage:write", "usage:read", "wallet:read")
    event_id = program.post(path(org), key, json={"metric_key": "push", "units": 2}).get_json()["usage_event_id"]
    there, why = path(org, f"/events/{event_id}/void"), {"reason": "Sent twice"}
    service, operator = program.service_key("usage:void"), program.manager_token("usage:void")
    problem(program.post(there, key, json=why), 403, "forbidden")
    problem(program.post(there, service, json={}), 422, "invalid")
    answers = [program.post(there, who, json=why) for who in (service, operator)]
    assert [answer.status_code for answer in answers] == [200, 200]
    first, again = (answer.get_json() for answer in answers)
    assert (first["credited_micros"], first["credited_usd"], first["duplicate"]) == (1_200, "$0.0012", False)
    assert first | {"duplicate": True} == again
    assert first["balance_micros"] == 1_000_000
    event = program.get(path(org, f"/events/{event_id}"), key).get_json()
    assert (event["voided_at"], event["void_transaction_id"]) == (first["voided_at"], first["transaction_id"])
    row = program.get(f"/api/v1/orgs/{org.id}/transactions/{first['transaction_id']}", key).get_json()
    assert (row["type"], row["amount_micros"]) == ("reversal", 1_200)
    (total,) = program.get(path(org), key).get_json()["data"]
    assert (total["units"], total["cost_micros"], total["events"]) == (0, 0, 0)
    other = program.org("Other")
    problem(program.post(path(other, f"/events/{event_id}/void"), operator, json=why), 404, "not_found")


def test_parts_of_a_total_are_separate_metrics(program: Program) -> None:
    """10,000 input tokens of which 8,000 are cached: each part is charged once, at its own price."""
    prices = {"input": 2_000_000, "cached-input": 200_000, "output": 8_000_000}
    for metric, micros in prices.items():
        set_up(program, metric, amount_micros=micros, per_units=1_000_000)
    org = program.org(funds=1_000_000)
    used = {"input": 10_000 - 8_000, "cached-input": 8_000, "output": 500}
    events = [{"metric_key": metric, "units": units} for metric, units in used.items()]
    answer = program.post(path(org, "/batch"), program.key(org, "usage:write"), json={"events": events}).get_json()
    assert [one["cost_micros"] for one in answer["data"]] == [4_000, 1_600, 4_000]
    assert answer["balance_micros"] == 990_400


def test_an_event_is_recorded_first_and_charged_later(program: Program) -> None:
    set_up(program, **PRICE)
    org = program.org(funds=10_000)
    key = program.key(org, "usage:write", "usage:read")
    event = {"metric_key": "push", "units": 2, "charge": False}
    first = program.post(path(org), key, json=event, headers={"Idempotency-Key": "e1"}).get_json()
    assert (first["state"], first["cost_micros"], first["cost_usd"]) == ("uncharged", None, None)
    assert (first["balance_micros"], "transaction_id" in first) == (10_000, False)
    wanted = {"event_ids": [first["usage_event_id"]]}
    charged, again = (program.post(path(org, "/charge"), key, json=wanted) for _ in range(2))
    assert (charged.status_code, again.status_code) == (200, 200)
    (now,), (then,) = charged.get_json()["data"], again.get_json()["data"]
    assert (now["status"], now["cost_micros"], charged.get_json()["balance_micros"]) == ("charged", 1_200, 8_800)
    assert then == now | {"status": "duplicate"}
    partly = program.post(path(org, "/charge"), key, json={"event_ids": [*wanted["event_ids"], str(org.id)]})
    assert (partly.status_code, partly.get_json()["data"][1]["code"]) == (207, "not_found")
    member = program.token(program.make(factories.add_member, org, "member"), "usage:write")
    assert program.post(path(org, "/charge"), member, json=wanted).get_json()["data"][0]["code"] == "not_found"
    for bad in ([], ["x"], [str(org.id)] * 1_001):
        problem(program.post(path(org, "/charge"), key, json={"event_ids": bad}), 422, "invalid")
