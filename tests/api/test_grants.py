"""Credit grants for programs."""

from datetime import timedelta

from dashboard.core import clock
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import expiry, ledger
from dashboard.domain.funds.ledger import NewGrant
from tests import factories
from tests.api.conftest import Program, problem


def test_grants_are_listed_with_what_is_left(program: Program) -> None:
    org = program.org(funds=10_000_000)
    with program.app.app_context():
        wallet = factories.wallet_of(org)
        ledger.post(
            wallet, type="admin_grant", amount=4_000_000, origin="test", key="g", by=SYSTEM,
            slices=[NewGrant("promotional", "promotion", 4_000_000, 7, expiry.after_days(9))],
        )  # fmt: skip
        factories.charge(wallet, 11_500_000)
    key, base = program.key(org, "wallet:read"), f"/api/v1/orgs/{org.id}/grants"
    late, first = program.get(base, key).json["data"]
    expected = {
        "kind": "promotional", "category": "promotion", "amount_micros": 4_000_000, "remaining_micros": 2_500_000,
        "priority": 7, "state": "open",
    }  # fmt: skip
    assert {name: late[name] for name in expected} == expected
    assert late["expires_at"] == f"{clock.today() + timedelta(days=10)}T00:00:00Z"
    assert (first["remaining_micros"], first["expires_at"], first["state"]) == (0, None, "used")
    assert (
        program.get(f"/api/v1/orgs/{org.id}/transactions/{late['transaction_id']}", key).json["type"] == "admin_grant"
    )
    assert program.get(f"{base}/{late['id']}", key).json == late
    assert program.get(f"{base}?wallet_id={late['wallet_id']}", key).json["data"] == [late, first]

    page = program.get(f"{base}?limit=1", key).json
    assert [page["data"], program.get(f"{base}?limit=1&cursor={page['next_cursor']}", key).json["data"]] == [
        [late],
        [first],
    ]
    for state, expected in (("open", [late]), ("used", [first]), ("expired", [])):
        assert program.get(f"{base}?state={state}", key).json["data"] == expected, state
    with program.app.app_context(), clock.at(expiry.after_days(9)):
        expiry.drain(org.id)
        rows = program.get(f"/api/v1/orgs/{org.id}/transactions?type=expiry", key).json["data"]
    gone = program.get(f"{base}?state=expired", key).json["data"]
    assert [(one["id"], one["remaining_micros"], one["expired_micros"]) for one in gone] == [(late["id"], 0, 2_500_000)]
    assert [(row["grant_id"], row["amount_micros"]) for row in rows] == [(late["id"], -2_500_000)]


def test_odd_questions_are_refused(program: Program) -> None:
    org, other = program.org(funds=1), program.org(funds=1)
    key = program.key(org, "wallet:read")
    with program.app.app_context():
        wallet_id = factories.wallet_of(other).id
    foreign = program.get(f"/api/v1/orgs/{other.id}/grants", program.key(other, "wallet:read")).json["data"][0]["id"]
    for query, field in (
        ("state=gone", "state"), (f"wallet_id={wallet_id}", "wallet_id"), ("wallet_id=x", "wallet_id"),
        ("limit=0", "limit"), ("cursor=x", "cursor"), ("kind=paid", "kind"),
    ):  # fmt: skip
        refused = program.get(f"/api/v1/orgs/{org.id}/grants?{query}", key)
        assert (refused.status_code, refused.json["errors"][0]["field"]) == (422, field), query
    problem(program.get(f"/api/v1/orgs/{org.id}/grants/{foreign}", key), 404, "not_found")
