"""The Stripe provider against the stand-in: what it sends, what it reads, what its errors mean."""

import dataclasses
import os
import traceback
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest
import stripe

from dashboard.providers.base import (
    CheckoutOrder,
    CustomerMissing,
    Provider,
    ProviderError,
    ProviderRefused,
    ProviderUnavailable,
)
from dashboard.providers.stripe import StripeProvider, _shared_http_client
from tests.each import each
from tests.stripe_fake.client import FakeClient
from tests.stripe_fake.state import Fake

KEY = "sk_test_51CanaryCanaryCanary9f3a"
SECRET = "whsec_CanaryCanary77"
SESSIONS = "/v1/checkout/sessions"


@pytest.fixture
def fake():
    made = Fake()
    yield made
    assert made.complaints == []


@pytest.fixture
def provider(fake: Fake) -> StripeProvider:
    return provider_with(fake, KEY)


def provider_with(fake: Fake, key: str) -> StripeProvider:
    return StripeProvider(api_key=key, webhook_secrets=[SECRET], http_client=FakeClient(fake))


def order(**changes: object) -> CheckoutOrder:
    org_id, payment_id = uuid4(), uuid4()
    made = CheckoutOrder(
        org_id=org_id,
        payment_id=payment_id,
        mode="test",
        name="Starter",
        description="10 credits",
        unit_amount_minor=1000,
        currency="usd",
        quantity=2,
        price_id=None,
        customer_id=None,
        customer_email="owner@demo.test",
        success_url="https://coffer.test/return?session_id={CHECKOUT_SESSION_ID}",
        cancel_url="https://coffer.test/cancel",
        metadata={"org_id": str(org_id), "mode": "test", "kind": "credit_pack", "order_id": str(payment_id)},
        invoice_creation=False,
        idempotency_key=f"checkout:{payment_id}",
    )
    return dataclasses.replace(made, **changes)


def new_customer(provider: Provider, org_id: UUID | None = None) -> str:
    org_id = org_id or uuid4()
    return provider.create_customer(org_id, name="Acme", email="a@demo.test", idempotency_key=f"customer:{org_id}")


def raised_by(call) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        call()
    error = caught.value
    # Nothing of the SDK's hangs behind it: its exceptions hold headers and bodies.
    assert error.__context__ is None
    assert error.__cause__ is None
    shown = "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))
    assert "Canary" not in shown
    assert KEY[-4:] not in shown
    return error


def test_mode_is_that_of_the_key(fake: Fake):
    assert provider_with(fake, "sk_test_x").mode == "test"
    assert provider_with(fake, "rk_live_x").mode == "live"


def test_provider_does_not_show_its_secrets(provider: StripeProvider):
    assert "Canary" not in repr(provider)
    assert "Canary" not in str(provider)


def test_checkout_is_opened_as_ordered(fake: Fake, provider: Provider):
    wanted = order()
    session = provider.open_checkout(wanted)
    assert session.url == f"{fake.base_url}/c/pay/{session.id}"
    assert (session.status, session.payment_status, session.mode) == ("open", "unpaid", "payment")
    assert (session.amount_total, session.currency, session.livemode) == (2000, "usd", False)
    assert session.client_reference_id == str(wanted.org_id)
    assert session.metadata == wanted.metadata
    assert session.payment_intent_id is None
    sent = fake.calls[-1]
    assert sent.idempotency_key == wanted.idempotency_key
    assert sent.version == provider.api_version
    assert sent.params["payment_intent_data"] == {"metadata": dict(wanted.metadata)}
    assert "invoice_creation" not in sent.params
    assert "allowed_payment_method_types" not in sent.params


def test_paid_session_is_read_back_with_its_payment(fake: Fake, provider: Provider):
    wanted = order(invoice_creation=True)
    session = provider.open_checkout(wanted)
    fake.pay(session.id)
    paid = provider.read_checkout(session.id)
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert paid.payment_intent_id.startswith("pi_")
    assert paid.invoice_id.startswith("in_")
    assert fake.account().things[paid.payment_intent_id]["metadata"] == wanted.metadata
    assert fake.account().things[paid.invoice_id]["metadata"] == wanted.metadata


@pytest.mark.parametrize(
    ("verb", "status", "payment_status"),
    [("pay_later", "complete", "unpaid"), ("decline", "open", "unpaid"), ("expire", "expired", "unpaid")],
)
def test_other_ends_of_a_session_are_read(fake: Fake, provider: Provider, verb: str, status: str, payment_status: str):
    session = provider.open_checkout(order())
    getattr(fake, verb)(session.id)
    read = provider.read_checkout(session.id)
    assert (read.status, read.payment_status) == (status, payment_status)


def test_session_free_by_discount_has_no_payment_intent(fake: Fake, provider: Provider):
    session = provider.open_checkout(order())
    fake.discount(session.id, 100)
    fake.pay(session.id)
    read = provider.read_checkout(session.id)
    assert (read.payment_status, read.payment_intent_id) == ("no_payment_required", None)
    assert (read.amount_subtotal, read.amount_discount, read.amount_total) == (2000, 2000, 0)


def test_customer_is_used_instead_of_the_address(fake: Fake, provider: Provider):
    customer = new_customer(provider)
    assert provider.open_checkout(order(customer_id=customer)).customer_id == customer
    assert "customer_email" not in fake.calls[-1].params


def test_standing_price_is_used_and_can_be_read(fake: Fake, provider: Provider):
    provider.open_checkout(order(unit_amount_minor=2500))
    price_id = fake.account().newest("price")[0]["id"]
    price = provider.read_price(price_id)
    assert (price.unit_amount_minor, price.currency, price.active) == (2500, "usd", True)
    assert price.product_name == "Starter"
    provider.open_checkout(order(price_id=price_id))
    assert fake.calls[-1].params["line_items"] == [{"price": price_id, "quantity": 2}]


def test_price_without_a_fixed_amount_is_refused(fake: Fake, provider: Provider):
    provider.open_checkout(order())
    price = fake.account().newest("price")[0]
    price["unit_amount"] = None
    price["unit_amount_decimal"] = None
    assert raised_by(lambda: provider.read_price(price["id"])).code == "price_not_fixed"


def test_account_is_asked_once_per_key(fake: Fake):
    # Keys of this run alone: what is known of a key is known for the life of the process.
    mine, other = f"sk_test_{uuid4()}", f"sk_test_{uuid4()}"
    fake.account_of_key[other] = "acct_other"
    assert provider_with(fake, mine).account_id() != provider_with(fake, other).account_id() == "acct_other"
    seen = len(fake.calls)
    assert provider_with(fake, other).account_id() == "acct_other"
    assert len(fake.calls) == seen


def test_same_idempotency_key_gives_the_same_session(provider: Provider):
    wanted = order()
    assert provider.open_checkout(wanted).id == provider.open_checkout(wanted).id


def test_same_key_with_another_order_is_refused(provider: Provider):
    wanted = order()
    provider.open_checkout(wanted)
    error = raised_by(lambda: provider.open_checkout(dataclasses.replace(wanted, quantity=3)))
    assert isinstance(error, ProviderRefused)
    assert error.code == "idempotency_error"


def test_call_still_running_elsewhere_is_passing(fake: Fake, provider: Provider):
    fake.inject("error", status=409, times=2)
    assert isinstance(raised_by(lambda: provider.open_checkout(order())), ProviderUnavailable)


def test_deleted_or_foreign_customer_is_missing(fake: Fake, provider: Provider):
    customer = new_customer(provider)
    fake.answer("DELETE", f"/v1/customers/{customer}", "", _headers(provider))
    for gone in (customer, "cus_never"):
        assert isinstance(raised_by(lambda id_=gone: provider.open_checkout(order(customer_id=id_))), CustomerMissing)


def _headers(provider: Provider) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEY}", "Stripe-Version": str(provider.api_version)}


def test_unknown_session_is_a_definite_no_but_no_missing_customer(provider: Provider):
    error = raised_by(lambda: provider.read_checkout("cs_test_never"))
    assert type(error) is ProviderRefused
    assert error.code == "resource_missing"


@pytest.mark.parametrize("kind", ["timeout", "reset", "broken"])
def test_no_answer_leaves_the_outcome_open_and_the_same_key_finds_it(fake: Fake, provider: Provider, kind: str):
    wanted = order()
    fake.inject(kind, times=2, path=SESSIONS, executed=True)
    assert isinstance(raised_by(lambda: provider.open_checkout(wanted)), ProviderUnavailable)
    fake.faults.clear()
    provider.open_checkout(wanted)
    assert len(fake.account().newest("checkout.session")) == 1


@pytest.mark.parametrize("kind", ["timeout", "reset"])
def test_passing_trouble_is_tried_again_by_the_client(fake: Fake, provider: Provider, kind: str):
    fake.inject(kind, path=SESSIONS)
    assert provider.open_checkout(order()).status == "open"
    assert len({call.idempotency_key for call in fake.calls}) == 1


@pytest.mark.parametrize(("status", "calls"), [(500, 2), (502, 2), (503, 2), (429, 1)])
def test_trouble_at_stripe_is_passing(fake: Fake, provider: Provider, status: int, calls: int):
    fake.inject("error", status=status, times=2)
    error = raised_by(lambda: provider.read_checkout("cs_test_x"))
    assert isinstance(error, ProviderUnavailable)
    assert error.code == f"http_{status}"
    assert len(fake.calls) == calls


def test_a_500_is_remembered_with_its_key(fake: Fake, provider: Provider):
    wanted = order()
    fake.inject("error", status=500)
    raised_by(lambda: provider.open_checkout(wanted))
    assert isinstance(raised_by(lambda: provider.open_checkout(wanted)), ProviderUnavailable)
    assert provider.open_checkout(dataclasses.replace(wanted, idempotency_key="another")).status == "open"


@pytest.mark.parametrize(
    ("status", "code"), [(401, "authentication_failed"), (403, "permission_denied"), (402, "api_error")]
)
def test_definite_answers_are_refusals(fake: Fake, provider: Provider, status: int, code: str):
    fake.inject("error", status=status, times=2)
    error = raised_by(lambda: provider.read_checkout("cs_test_x"))
    assert type(error) is ProviderRefused
    assert error.code == code


def test_revoked_key_is_refused_without_showing_it(fake: Fake, provider: Provider):
    fake.revoked_keys.add(KEY)
    error = raised_by(lambda: new_customer(provider))
    assert error.code == "authentication_failed"


class _Says(stripe.HTTPClient):
    name = "says"

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__()
        self.status, self.body = status, body

    def request(self, method, url, headers, post_data=None, **_):
        return self.body, self.status, {}

    def _sleep_time_seconds(self, num_retries: int) -> float:
        return 0.0


@each(
    ("status", "body"),
    [
        (200, b""),
        (200, b"<html>proxy</html>"),
        (200, b"[]"),
        (200, b"null"),
        (200, b'"text"'),
        (200, b"{}"),
        (200, b'{"id": 7}'),
        (200, b"\xff\xfe"),
        (200, b'{"id": "cs_1", "object": "checkout.session", "total_details": 3}'),
        (403, b"<html>proxy</html>"),
        (404, b'{"error": "text"}'),
        (400, b"{}"),
        (302, b""),
        (500, b""),
    ],
)
def test_answers_that_are_not_stripes_are_no_definite_answer(status: int, body: bytes):
    provider = StripeProvider(api_key=KEY, http_client=_Says(status, body))
    for call in (lambda: provider.read_checkout("cs_1"), lambda: provider.read_price("price_1")):
        assert isinstance(raised_by(call), ProviderUnavailable)


def test_secrets_in_an_error_text_are_struck_out():
    body = f'{{"error": {{"type": "invalid_request_error", "message": "Got {KEY} and {SECRET}, pk_live_Canary"}}}}'
    provider = StripeProvider(api_key=KEY, http_client=_Says(400, body.encode()))
    assert raised_by(lambda: provider.read_checkout("cs_1")).detail == "Got sk_*** and whsec_***, pk_***"


def test_nobody_listening_is_no_answer():
    provider = StripeProvider(api_key=KEY, api_base="http://127.0.0.1:9", http_client=_no_waiting())
    assert isinstance(raised_by(lambda: provider.read_checkout("cs_1")), ProviderUnavailable)


def _no_waiting() -> stripe.HTTPClient:
    class Client(stripe.RequestsClient):
        def _sleep_time_seconds(self, num_retries: int) -> float:
            return 0.0

    return Client(timeout=(1, 1))


def test_http_client_is_shared_within_a_process_only():
    mine = _shared_http_client()
    assert _shared_http_client() is mine
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"same" if _shared_http_client() is mine else b"own")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 10) == b"own"
    os.close(reader)
    os.close(writer)


def test_telemetry_is_off():
    assert stripe.enable_telemetry is False


def test_a_restricted_key_that_may_not_ask_for_its_account_still_works(fake: Fake, provider: StripeProvider) -> None:
    fake.inject("error", status=403, path="/v1/account")
    account = provider.account_id()
    assert account.startswith("key_")
    assert provider.account_id() == account


def test_a_session_tells_why_the_last_try_was_declined(fake: Fake, provider: Provider):
    session = provider.open_checkout(order())
    fake.decline(session.id)
    read = provider.read_checkout(session.id)
    assert (read.decline_code, read.declined) == ("insufficient_funds", False)  # the page is open for another try
    fake.pay(session.id)
    assert (provider.read_checkout(session.id).decline_code, provider.read_checkout(session.id).declined) == (
        None,
        False,
    )


def test_a_delayed_payment_that_did_not_come_is_declined(fake: Fake, provider: Provider):
    session = provider.open_checkout(order())
    fake.pay_later(session.id)
    assert provider.read_checkout(session.id).declined is False
    fake.fail(session.id)
    assert provider.read_checkout(session.id).declined is True


def test_a_key_that_may_not_read_intents_reads_the_session(fake: Fake, provider: Provider):
    session = provider.open_checkout(order())
    fake.inject("error", status=403)
    assert provider.read_checkout(session.id).id == session.id


def test_a_page_is_found_by_its_order_among_many(fake: Fake, provider: Provider):
    since = datetime.now(UTC)
    wanted = dataclasses.replace(order(), customer_id=new_customer(provider))
    mine = provider.open_checkout(wanted)
    metadata = {**wanted.metadata, "order_id": str(uuid4())}
    for number in range(105):
        provider.open_checkout(dataclasses.replace(wanted, idempotency_key=f"other-{number}", metadata=metadata))
    ask = partial(provider.find_checkout, customer_id=str(wanted.customer_id))
    found = ask(UUID(wanted.metadata["order_id"]), since=since)
    assert found is not None
    assert found.id == mine.id
    assert ask(uuid4(), since=since) is None
    assert ask(UUID(wanted.metadata["order_id"]), since=since + timedelta(hours=1)) is None
    fake.inject("reset", times=2)
    assert isinstance(raised_by(lambda: ask(uuid4(), since=since)), ProviderUnavailable)
