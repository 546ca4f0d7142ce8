"""By programs alone, end to end: checkout, payment, webhook, worker, balance, explanation."""

from typing import Any

from dashboard.domain.payments.webhooks import inbox
from dashboard.jobs import platform_provider
from dashboard.models import PLATFORM_ORG_ID
from dashboard.providers.dummy import DummyProvider
from tests import factories
from tests.api.conftest import Program


def pay(session_id: str) -> tuple[bytes, dict[str, str]]:
    provider = platform_provider()
    assert isinstance(provider, DummyProvider)
    assert provider.decide(session_id, "paid")
    return provider.signed_event(session_id)


def work() -> None:
    inbox.drain(PLATFORM_ORG_ID, provider=platform_provider(), worker="test")


def test_a_paid_checkout_raises_the_balance_once(program: Program) -> None:
    org, pack = program.org(), program.make(factories.make_pack, bonus_micros=1_000_000)
    key = program.key(org, "checkout:create", "wallet:read")
    body: dict[str, Any] = {
        "product_id": str(pack.product.id), "quantity": 2,
        "success_url": "http://localhost/ok", "cancel_url": "http://localhost/no",
    }  # fmt: skip
    opened = program.post(f"/api/v1/orgs/{org.id}/checkout", key, json=body).get_json()
    raw, headers = program.make(pay, opened["session_id"])
    for _ in range(2):
        assert program.post("/admin/api/v1/webhooks/payments", data=raw, headers=headers).status_code == 200
        program.make(work)
    wallet = program.get(f"/api/v1/orgs/{org.id}/wallet", key).get_json()
    assert wallet["wallet_balance_usd"] == "$52.00"
    rows = program.get(f"/api/v1/orgs/{org.id}/transactions", key).get_json()["data"]
    assert [(row["type"], row["payment_id"]) for row in rows] == [("purchase", opened["payment_id"])]
    explanation = program.get(f"/api/v1/orgs/{org.id}/transactions/{rows[0]['id']}", key).get_json()["explanation"]
    assert {part["kind"]: part["amount_usd"] for part in explanation["grants"]} == {
        "paid": "$50.00", "promotional": "$2.00",
    }  # fmt: skip
