"""A provider that hangs: a few requests wait for it, the others are told so at once, and charges go on."""

import secrets
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from dashboard import providers
from dashboard.core.db import db
from dashboard.models import Payment
from dashboard.providers.admission import MOST_WAITING
from dashboard.providers.stripe import StripeProvider
from tests import factories
from tests.api.conftest import Program
from tests.stripe_fake.client import FakeClient
from tests.stripe_fake.state import Fake

ASKING = 12


class HangingClient(FakeClient):
    """Answers nothing until it is let go; counts who waits."""

    def __init__(self) -> None:
        super().__init__(Fake())
        self.inside = threading.Semaphore(0)
        self.go = threading.Event()

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> tuple[bytes, int, Mapping[str, str]]:
        if not self.go.is_set():
            self.inside.release()
            self.go.wait(30)
        return super().request(method, url, headers, post_data)


@pytest.fixture
def stripe(app: Flask) -> Iterator[HangingClient]:
    client = HangingClient()
    app.extensions[providers.EXTENSION] = StripeProvider(api_key=f"sk_test_{secrets.token_hex(8)}", http_client=client)
    yield client
    app.extensions.pop(providers.EXTENSION, None)


def test_a_hanging_provider_holds_a_few_threads_and_no_charge(program: Program, stripe: HangingClient) -> None:
    org, pack = program.org(funds=1_000_000), program.make(factories.make_pack)
    key = program.key(org, "checkout:create", "wallet:charge")
    body = {"product_id": str(pack.product.id), "success_url": "http://localhost/ok", "cancel_url": "http://localhost"}

    def buy(number: int) -> TestResponse:
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": f"order-{number}"}
        return program.app.test_client().post(f"/api/v1/orgs/{org.id}/checkout", json=body, headers=headers)

    with ThreadPoolExecutor(ASKING) as threads:
        asked = [threads.submit(buy, number) for number in range(ASKING)]
        assert all(stripe.inside.acquire(timeout=30) for _ in range(MOST_WAITING))
        assert len(list(islice(as_completed(asked, timeout=30), ASKING - MOST_WAITING))) == ASKING - MOST_WAITING
        charge = {"operation": "charge", "amount_micros": 1, "description": "Meanwhile"}
        assert program.post(f"/api/v1/orgs/{org.id}/wallet", key, json=charge).status_code == 201
        assert not stripe.inside.acquire(blocking=False)
        stripe.go.set()
    answers = [one.result() for one in asked]
    busy = [number for number, answer in enumerate(answers) if answer.status_code == 503]
    assert len(busy) == ASKING - MOST_WAITING
    assert {answer.status_code for number, answer in enumerate(answers) if number not in busy} == {201}
    for number in busy:
        refusal = answers[number].get_json()
        assert (refusal["code"], answers[number].headers["Retry-After"]) == ("provider_busy", "5")
        assert "Nothing was charged" in refusal["detail"]
    with program.app.app_context():
        assert db.session.query(Payment).count() == MOST_WAITING
    assert buy(busy[0]).status_code == 201
