"""The price list of an organization, and who writes it."""

from datetime import timedelta
from typing import Any

import pytest

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.models import AuditEntry, Organization, Price
from tests.api.conftest import Program
from tests.each import each
from tests.factories import make_metric, make_org, make_user

TOKENS = {"metric_key": "tokens", "name": "Tokens", "unit": "token"}
FLAT = {"metric_key": "tokens", "amount_micros": 150_000, "per_units": 1_000_000}


def path(org: Organization, what: str) -> str:
    return f"/api/v1/orgs/{org.id}/{what}"


@pytest.fixture
def own(program: Program) -> Any:
    """A self-funded organization, and the token of its owner."""

    def make() -> tuple[Organization, Any]:
        owner = make_user()
        org = make_org(owner=owner)
        with transaction(org=org.id):
            db.session.get_one(Organization, org.id).funding = "own"
        return org, owner

    org, owner = program.make(make)
    return org, program.token(owner, "prices:write", "catalog:read")


def test_a_self_funded_organization_keeps_its_price_list(program: Program, own: Any) -> None:
    org, token = own
    made = program.call("PUT", path(org, "metrics"), token, json=TOKENS)
    assert (made.status_code, made.get_json()) == (201, TOKENS | {"archived": False})
    assert program.call("PUT", path(org, "metrics"), token, json=TOKENS).status_code == 200
    renamed = program.call("PUT", path(org, "metrics"), token, json=TOKENS | {"name": "Words"})
    assert (renamed.status_code, renamed.get_json()["name"]) == (200, "Words")
    first = program.call("PUT", path(org, "prices"), token, json=FLAT)
    again = program.call("PUT", path(org, "prices"), token, json=FLAT)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.get_json() == again.get_json()
    day = f"{clock.today() + timedelta(days=3)}T00:00:00Z"
    later = FLAT | {"amount_micros": 1, "effective_from": day}
    assert [program.call("PUT", path(org, "prices"), token, json=later).status_code for _ in range(2)] == [201, 200]
    clash = program.call("PUT", path(org, "prices"), token, json=later | {"amount_micros": 2})
    assert (clash.status_code, clash.get_json()["code"]) == (409, "price_exists")
    [listed] = program.get(path(org, "prices"), token).get_json()["data"]
    assert [(one["state"], one["amount_micros"], one["agreed"]) for one in listed["versions"]] == [
        ("scheduled", 1, False), ("in_force", 150_000, False),
    ]  # fmt: skip
    assert program.get(path(org, "prices?metric_key=other"), token).get_json()["data"] == []
    archived = program.call("PUT", path(org, "metrics"), token, json=TOKENS | {"archived": True})
    assert archived.get_json()["archived"]
    assert program.get(path(org, "metrics"), token).get_json()["data"] == []
    with program.app.app_context():
        actions = [one.action for one in db.session.query(AuditEntry).filter_by(org_id=org.id).order_by(AuditEntry.id)]
    assert [one for one in actions if one.startswith(("metric", "price"))] == [
        "metric.created", "metric.changed", "price.set", "price.set", "metric.changed", "metric.archived",
    ]  # fmt: skip


def test_only_operators_write_the_prices_of_a_platform_funded_organization(program: Program) -> None:
    program.make(lambda: make_metric("tokens", amount_micros=200_000))
    owner = program.make(make_user)
    org = program.make(lambda: make_org(owner=owner))
    manager = program.make(lambda: make_user(manager=True))
    body = FLAT | {"kind": "per_event", "min_micros": 5}
    theirs, operators = program.token(owner, "prices:write"), program.token(manager, "prices:write")
    for token, status in (
        (theirs, 403), (program.key(org, "catalog:write"), 403), (operators, 201),
        (program.key(org, "prices:write"), 200),
    ):  # fmt: skip
        assert program.call("PUT", path(org, "prices"), token, json=body).status_code == status
    refused = program.call("PUT", path(org, "metrics"), operators, json=TOKENS)
    assert (refused.status_code, refused.get_json()["code"]) == (403, "platform_funded")
    [listed] = program.get(path(org, "prices"), program.key(org, "catalog:read")).get_json()["data"]
    assert [(one["state"], one["agreed"], one.get("min_micros")) for one in listed["versions"]] == [
        ("in_force", True, 5), ("past", False, None),
    ]  # fmt: skip


@each(
    ("change", "field"),
    [
        ({"kind": "volume"}, "kind"), ({"kind": "minimum"}, "kind"), ({"amount_micros": -1}, "amount_micros"),
        ({"amount_micros": 1.5}, "amount_micros"), ({"amount_micros": "1"}, "amount_micros"),
        ({"per_units": 0}, "per_units"), ({"free_units": 2**63}, "free_units"), ({"period": "year"}, "period"),
        ({"min_micros": 1}, "min_micros"), ({"tiers": [{"up_to": None, "amount_micros": 1}]}, "tiers"),
        ({"effective_from": "2020-01-01T00:00:00Z"}, "effective_from"), ({"surprise": 1}, "surprise"),
    ],
)  # fmt: skip
def test_bad_prices_are_refused_at_their_field(program: Program, own: Any, change: dict[str, Any], field: str) -> None:
    org, token = own
    program.call("PUT", path(org, "metrics"), token, json=TOKENS)
    answer = program.call("PUT", path(org, "prices"), token, json=FLAT | change)
    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, field)
    assert field != "kind" or "must never fall" in answer.get_json()["errors"][0]["detail"]
    with program.app.app_context():
        assert db.session.query(Price).count() == 0


def test_a_price_needs_a_metric(program: Program, own: Any) -> None:
    org, token = own
    assert program.call("PUT", path(org, "prices"), token, json=FLAT).status_code == 404
