"""Every noun that can be listed can be retrieved by its id, with the same content."""

from typing import Any

from dashboard.api.auth import platform_provider
from dashboard.domain.payments import fulfil
from tests import factories
from tests.api.conftest import Program, problem

SCOPES = ("wallet:read", "catalog:read", "members:write", "payments:read", "audit:read", "checkout:create")
NOUNS = ("wallets", "products", "members", "payments", "audit", "transactions")


def paid(program: Program, org: Any, key: str) -> str:
    """A payment that was opened by the API and paid; its id."""
    product = program.make(factories.make_pack).product.id
    urls = {"success_url": "http://localhost/ok", "cancel_url": "http://localhost/no"}
    answer = program.post(f"/api/v1/orgs/{org.id}/checkout", key, json={"product_id": str(product), **urls})
    opened: dict[str, str] = answer.get_json()
    waiting = program.get(f"/api/v1/orgs/{org.id}/payments/{opened['payment_id']}", key).get_json()
    assert (waiting["state"], "transaction_id" in waiting, "receipt_url" in waiting) == ("pending", False, False)
    with program.app.app_context():
        provider = platform_provider()
        provider.decide(opened["session_id"], "paid")  # type: ignore[attr-defined]
        fulfil.confirm(org.id, opened["payment_id"], provider=provider)
    return opened["payment_id"]


def test_what_a_list_shows_can_be_retrieved(program: Program) -> None:
    org = program.org(funds=1_000_000)
    key, live = program.key(org, *SCOPES), program.key(org, *SCOPES, mode="live")
    paid(program, org, key)
    for noun in NOUNS:
        rows = program.get(f"/api/v1/orgs/{org.id}/{noun}", key).get_json()["data"]
        assert rows, noun
        for row in rows:
            path = f"/api/v1/orgs/{org.id}/{noun}/{row.get('id') or row['wallet_id']}"
            found = program.get(path, key).get_json()
            found.pop("explanation", None)
            assert found == row
            if noun in ("wallets", "payments", "transactions"):  # of one mode
                problem(program.get(path, live), 404, "not_found")
        problem(program.get(f"/api/v1/orgs/{org.id}/{noun}/{org.id}", key), 404, "not_found")


def test_a_payment_says_what_became_of_it(program: Program) -> None:
    org = program.org()
    key = program.key(org, *SCOPES)
    payment_id = paid(program, org, key)
    found = program.get(f"/api/v1/orgs/{org.id}/payments/{payment_id}", key).get_json()
    assert (found["state"], found["kind"], found["quantity"]) == ("credited", "purchase", 1)
    assert found["receipt_url"] == f"http://localhost/o/{org.slug}/payments/{payment_id}/receipt.pdf"
    rows = program.get(f"/api/v1/orgs/{org.id}/transactions", key, query_string={"payment_id": payment_id}).get_json()[
        "data"
    ]
    assert [(row["id"], row["amount_micros"]) for row in rows] == [(found["transaction_id"], found["credits_micros"])]
    for query, many in (({"state": "credited"}, 1), ({"state": "failed"}, 0), ({"q": payment_id}, 1)):
        listed = program.get(f"/api/v1/orgs/{org.id}/payments", key, query_string=query).get_json()["data"]
        assert len(listed) == many, query
    refused = program.get(f"/api/v1/orgs/{org.id}/payments", key, query_string={"state": "gone"})
    assert refused.get_json()["errors"][0]["field"] == "state"
