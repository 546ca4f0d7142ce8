"""The dummy provider's hosted page: needs no sign-in, decides once, and leads back to the shop."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from dashboard.core import queue
from dashboard.core.db import db
from dashboard.jobs import platform_provider
from dashboard.models import DummySession, Transaction
from dashboard.providers.base import CheckoutOrder
from dashboard.providers.dummy import DummyProvider
from tests.web.people import token_in

SUCCESS = "https://yourapp.com/success?session={CHECKOUT_SESSION_ID}"
CANCEL = "https://shop.example.com/cancel"


@pytest.fixture
def session_id(app: Flask) -> str:
    order = CheckoutOrder(
        org_id=uuid4(), payment_id=uuid4(), mode="test", name="Starter <b>", description="Credits for Acme",
        unit_amount_minor=2_500, currency="usd", quantity=2, price_id=None, customer_id="dummy_cus_1",
        customer_email=None, success_url=SUCCESS, cancel_url=CANCEL, metadata={}, invoice_creation=False,
        idempotency_key="key-1",
    )  # fmt: skip
    with app.test_request_context("/"):
        provider = platform_provider()
        assert isinstance(provider, DummyProvider)
        return provider.open_checkout(order).id


def press(client: FlaskClient, session_id: str, outcome: str) -> Any:
    path = f"/dummy/checkout/{session_id}"
    token = token_in(client.get(path).text)
    return client.post(path, data={"outcome": outcome, "csrf_token": token})


def state(app: Flask) -> str:
    with app.app_context():
        return db.session.scalars(select(DummySession.state)).one()


def jobs(app: Flask) -> list[Any]:
    with app.app_context():
        found = queue.Queue(queue.WORK, connection=queue.job_queue().redis, serializer=queue.JSONSerializer).jobs
        return [(job.func_name, *job.args) for job in found]


def test_the_page_shows_the_order_to_anybody(client: FlaskClient, session_id: str) -> None:
    answer = client.get(f"/dummy/checkout/{session_id}")
    assert answer.status_code == 200
    assert "Starter &lt;b&gt;" in answer.text
    assert "2 × $25.00" in answer.text
    assert "Pay $50.00" in answer.text
    assert "no money moves" in answer.text


def test_its_form_may_lead_to_the_shops_own_hosts(client: FlaskClient, session_id: str) -> None:
    policy = client.get(f"/dummy/checkout/{session_id}").headers["Content-Security-Policy"]
    assert "https://yourapp.com" in policy
    assert "https://shop.example.com" in policy


def test_pay_tells_our_webhook_and_goes_back(app: Flask, client: FlaskClient, session_id: str) -> None:
    answer = press(client, session_id, "pay")
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"https://yourapp.com/success?session={session_id}"
    assert state(app) == "paid"
    assert jobs(app) == [("dashboard.jobs.dummy.deliver", session_id)]
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Transaction)) == 0


def test_decline_is_final_and_goes_back_too(app: Flask, client: FlaskClient, session_id: str) -> None:
    answer = press(client, session_id, "decline")
    assert answer.headers["Location"].startswith("https://yourapp.com/success")
    assert state(app) == "declined"
    assert jobs(app) == [("dashboard.jobs.dummy.deliver", session_id)]
    assert press(client, session_id, "pay").headers["Location"] == f"/dummy/checkout/{session_id}"
    assert state(app) == "declined"
    assert "The card was declined" in client.get(f"/dummy/checkout/{session_id}").text


def test_cancel_leaves_it_open(app: Flask, client: FlaskClient, session_id: str) -> None:
    assert press(client, session_id, "cancel").headers["Location"] == CANCEL
    assert state(app) == "open"
    assert not jobs(app)
    assert press(client, session_id, "pay").headers["Location"].startswith("https://yourapp.com/success")


def test_what_was_decided_stays(app: Flask, client: FlaskClient, session_id: str) -> None:
    press(client, session_id, "pay")
    page = client.get(f"/dummy/checkout/{session_id}").text
    assert "made already" in page
    assert "<button" not in page.split("<main")[1].split("</main>")[0]
    for outcome in ("pay", "decline", "cancel"):
        assert press(client, session_id, outcome).headers["Location"] == f"/dummy/checkout/{session_id}"
    assert state(app) == "paid"
    assert len(jobs(app)) == 1


@pytest.mark.parametrize("outcome", ["", "expired", "paid", "x" * 500])
def test_other_outcomes_decide_nothing(app: Flask, client: FlaskClient, session_id: str, outcome: str) -> None:
    assert press(client, session_id, outcome).headers["Location"] == f"/dummy/checkout/{session_id}"
    assert state(app) == "open"


def test_an_unknown_session_is_not_there(client: FlaskClient) -> None:
    assert client.get("/dummy/checkout/dummy_cs_none").status_code == 404
    assert client.get("/dummy/checkout/a%00b").status_code == 404


def test_another_sites_form_decides_nothing(app: Flask, client: FlaskClient, session_id: str) -> None:
    assert client.post(f"/dummy/checkout/{session_id}", data={"outcome": "pay"}).status_code == 403
    assert state(app) == "open"


def test_with_another_provider_there_is_no_such_page(make_app: Callable[..., Flask]) -> None:
    app = make_app(payment={"provider": "stripe", "stripe": {"api_key": "sk_test_x", "webhook_secret": "whsec_x"}})
    assert app.test_client().get("/dummy/checkout/dummy_cs_x").status_code == 404
