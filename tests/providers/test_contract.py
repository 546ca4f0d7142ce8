"""The stand-in is itself bound: by the contract for what goes in and out, and by Stripe's rules of answering."""

import dataclasses
import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from dashboard.providers.stripe import StripeProvider
from tests.each import each
from tests.providers.test_stripe import order
from tests.stripe_fake import contract
from tests.stripe_fake.delivery import PLAIN, Plan
from tests.stripe_fake.server import FakeServer
from tests.stripe_fake.signing import event
from tests.stripe_fake.state import Fake

HEADERS = {"Authorization": "Bearer sk_test_x", "Stripe-Version": contract.version()}
FREE = "mode=payment&success_url=https%3A%2F%2Fx.test&line_items[0][price_data][currency]=usd"
OPEN = f"{FREE}&line_items[0][price_data][unit_amount]=500&line_items[0][price_data][product_data][name]=Pack"


def ask(fake: Fake, method: str, path: str, text: str = "", key: str | None = None, **headers: str):
    again = {"Idempotency-Key": key} if key else {}
    answer = fake.answer(method, path, text, {**HEADERS, **again, **headers})
    return answer.status, json.loads(answer.body)


@each("path", list(contract.event_files()))
def test_event_files_conform(path):
    assert contract.check_event(json.loads(path.read_text())) == []


@each(
    "damage",
    [
        {"api_version": "2020-08-27"},
        {"livemode": True},
        {"type": "moon.landed"},
        {"novel": 1},
        {"created": "now"},
        {"data": {"object": {}}},
    ],
)
def test_damaged_events_do_not_conform(damage: dict):
    assert contract.check_event({**event("charge.succeeded"), **damage}) != []


@each(
    "text",
    [
        f"{OPEN}&payment_method_types[0]=card",
        f"{OPEN}&nonsense=1",
        f"{OPEN}&line_items[0][quantity]=many",
        f"{OPEN}&metadata[a][b]=1",
    ],
)
def test_requests_off_the_contract_are_refused_and_noted(text: str):
    fake = Fake()
    status, answer = ask(fake, "POST", "/v1/checkout/sessions", text)
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")
    assert fake.complaints
    assert ask(Fake(), "POST", "/v1/checkout/sessions", OPEN)[0] == 200


def test_other_api_versions_are_noted():
    fake = Fake()
    ask(fake, "GET", "/v1/account", **{"Stripe-Version": "2020-08-27"})
    assert fake.complaints


@each(
    ("text", "param"),
    [
        (FREE.replace("mode=payment", "mode=setup"), "mode"),
        ("mode=payment&success_url=https%3A%2F%2Fx.test", "line_items"),
        ("mode=payment&success_url=https%3A%2F%2Fx.test&line_items[0][price]=price_never", "line_items[0][price]"),
        (f"{OPEN}&customer=cus_never", "customer"),
    ],
)
def test_impossible_sessions_are_refused(text: str, param: str):
    status, answer = ask(Fake(), "POST", "/v1/checkout/sessions", text)
    assert (status, answer["error"]["param"]) == (400, param)


def test_deleted_customer_is_answered_as_deleted():
    fake = Fake()
    id_ = ask(fake, "POST", "/v1/customers", "name=A")[1]["id"]
    assert ask(fake, "DELETE", f"/v1/customers/{id_}") == (200, {"id": id_, "object": "customer", "deleted": True})
    assert ask(fake, "GET", f"/v1/customers/{id_}")[1]["deleted"] is True
    assert ask(fake, "GET", "/v1/customers/cus_never")[0] == 404


def test_modes_and_accounts_see_their_own_only():
    fake = Fake()
    fake.account_of_key["sk_test_y"] = "acct_y"
    id_ = ask(fake, "POST", "/v1/customers", "name=A")[1]["id"]
    for key in ("sk_live_x", "sk_test_y"):
        assert ask(fake, "GET", f"/v1/customers/{id_}", Authorization=f"Bearer {key}")[0] == 404
    assert ask(fake, "GET", "/v1/balance", Authorization="Bearer rk_live_x")[1]["livemode"] is True
    assert ask(fake, "GET", "/v1/balance", Authorization="Bearer pk_test_x")[0] == 401


def test_idempotency_is_as_at_stripe():
    fake = Fake()
    first = ask(fake, "POST", "/v1/customers", "name=A", key="k")
    assert ask(fake, "POST", "/v1/customers", "name=A", key="k") == first
    status, answer = ask(fake, "POST", "/v1/customers", "name=B", key="k")
    assert (status, answer["error"]["type"]) == (400, "idempotency_error")
    assert ask(fake, "POST", "/v1/customers", "name=A", key="k", Authorization="Bearer sk_live_x") != first
    fake.inject("error", status=500)
    assert [ask(fake, "POST", "/v1/customers", "name=A", key="l")[0] for _ in range(2)] == [500, 500]
    fake.inject("error", status=429)
    assert [ask(fake, "POST", "/v1/customers", "name=A", key="m")[0] for _ in range(2)] == [429, 200]


def test_a_call_still_running_is_a_conflict():
    fake = Fake()
    fake.inject("delay", seconds=0.5)
    slow = threading.Thread(target=ask, args=(fake, "POST", "/v1/customers", "name=A", "k"))
    slow.start()
    while not fake.calls:
        time.sleep(0.1)
    status, answer = ask(fake, "POST", "/v1/customers", "name=A", key="k")
    slow.join()
    assert (status, answer["error"]["type"]) == (409, "idempotency_error")
    assert ask(fake, "POST", "/v1/customers", "name=A", key="k")[0] == 200


def test_events_can_be_listed_and_objects_expanded():
    fake = Fake()
    session = ask(fake, "POST", "/v1/checkout/sessions", OPEN)[1]
    fake.decline(session["id"])
    fake.pay(session["id"])
    told = ask(fake, "GET", "/v1/events", "limit=2")[1]
    assert [one["type"] for one in told["data"]] == ["checkout.session.completed", "charge.succeeded"]
    assert told["has_more"] is True
    rest = ask(fake, "GET", "/v1/events", f"starting_after={told['data'][-1]['id']}&types[0]=payment_intent.succeeded")
    assert [one["type"] for one in rest[1]["data"]] == ["payment_intent.succeeded"]
    path = f"/v1/checkout/sessions/{session['id']}"
    read = ask(fake, "GET", path, "expand[0]=payment_intent.latest_charge&expand[1]=line_items")[1]
    assert read["payment_intent"]["latest_charge"]["amount"] == 500
    assert read["line_items"]["data"] == ask(fake, "GET", f"{path}/line_items")[1]["data"]
    assert fake.complaints == []


class Receiver:
    """A webhook endpoint that verifies; `answers` are given in turn, then 200."""

    def __init__(self, *answers: int) -> None:
        self.types: list[str] = []
        self.ids: set[str] = set()
        self.provider = StripeProvider(api_key="sk_test_x", webhook_secrets=["whsec_ours"])
        waiting = list(answers)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                told = receiver.provider.verify(raw, dict(self.headers), now=_now())
                receiver.types.append(told.type)
                receiver.ids.add(told.id)
                self.send_response(waiting.pop() if waiting else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/hook"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()


def _now():
    from datetime import UTC, datetime

    return datetime.now(UTC)


def test_buyer_pays_on_the_hosted_page_and_webhooks_come_late_and_twice():
    with Receiver(500, 302) as receiver, FakeServer(plan=Plan(delay=(0.0, 0.1), retry_after=0.05)) as server:
        server.courier.deliver_to(receiver.url, "whsec_ours")
        provider = StripeProvider(api_key="sk_test_x", api_base=server.url)
        session = provider.open_checkout(order(cancel_url="https://coffer.test/cancel?a=1"))
        shown = requests.get(session.url, timeout=5)
        assert "20.00 USD" in shown.text
        assert "https://coffer.test" in shown.headers["Content-Security-Policy"]

        def press(action: str) -> str:
            pressed = requests.post(session.url, data={"action": action}, allow_redirects=False, timeout=5)
            assert pressed.status_code == 303
            return pressed.headers["Location"]

        assert press("cancel") == "https://coffer.test/cancel?a=1"
        assert "declined" in requests.get(server.url + press("decline"), timeout=5).text
        assert press("pay") == f"https://coffer.test/return?session_id={session.id}"
        assert requests.get(session.url, timeout=5).status_code == 410
        assert provider.read_checkout(session.id).payment_status == "paid"
        assert server.courier.idle()
        assert receiver.types.count("checkout.session.completed") >= 2
        assert len(receiver.ids) == 4
        assert len(receiver.types) == 10
        assert server.fake.complaints == []


def test_delayed_payment_settles_by_the_control_surface():
    with Receiver() as receiver, FakeServer(plan=PLAIN) as server:
        provider = StripeProvider(api_key="sk_test_x", api_base=server.url)

        def control(verb: str, **how: object):
            answer = requests.post(f"{server.url}/_control/{verb}", json=how, timeout=5)
            assert answer.status_code == 200, answer.text
            return answer.json()

        control("deliver_to", url=receiver.url, secret="whsec_ours")
        session = provider.open_checkout(order())
        requests.post(session.url, data={"action": "pay_later"}, allow_redirects=False, timeout=5)
        assert control("idle") == {"idle": True}
        control("hold")
        control("settle", session=session.id)
        assert "checkout.session.async_payment_succeeded" not in receiver.types
        assert provider.read_checkout(session.id).payment_status == "paid"
        control("release")
        control("idle")
        assert receiver.types.count("checkout.session.async_payment_succeeded") == 1
        assert control("deliveries")[0]["answers"] == [200]
        control("amend", session=session.id, amount_total=1, currency="eur")
        assert provider.read_checkout(session.id).amount_total == 1
        control("inject", kind="reset", path="/v1/customers")
        with pytest.raises(requests.ConnectionError):
            requests.post(f"{server.url}/v1/customers", timeout=5)
        assert control("calls")[0]["path"] == "/v1/checkout/sessions"
        assert requests.post(f"{server.url}/_control/settle", json={"session": "cs_x"}, timeout=5).status_code == 400


def test_stand_in_runs_as_a_process_of_its_own():
    command = [sys.executable, "-m", "tests.stripe_fake", "--plain"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            wanted = dataclasses.replace(order(), customer_email=None)
            assert StripeProvider(api_key="sk_live_x", api_base=url).open_checkout(wanted).livemode is True
        finally:
            process.terminate()
