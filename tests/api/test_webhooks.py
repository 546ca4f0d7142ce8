"""Webhooks: signed, fresh, of our mode and stored once before 200; everything else the same plain refusal."""

import secrets
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest
from gunicorn.http.body import Body, ChunkedReader
from gunicorn.http.unreader import IterUnreader
from werkzeug.test import TestResponse

from dashboard import providers
from dashboard.core import clock
from dashboard.core.db import db
from dashboard.domain.payments.webhooks import rejected
from dashboard.models import PLATFORM_ORG_ID, InboxEvent
from dashboard.providers.stripe import StripeProvider
from tests.api.conftest import Program, problem
from tests.each import each
from tests.stripe_fake import signing

SECRET, PREVIOUS = "whsec_current", "whsec_previous"
PLATFORM = "/admin/api/v1/webhooks/payments"
OURS = f"/api/v1/payments/stripe/webhooks/{PLATFORM_ORG_ID}/test"


@pytest.fixture
def program(program: Program) -> Any:
    before = program.app.extensions.get(providers.EXTENSION)
    program.app.extensions[providers.EXTENSION] = StripeProvider(
        api_key="sk_test_x", webhook_secrets=[SECRET, PREVIOUS]
    )
    yield program
    program.app.extensions[providers.EXTENSION] = before


def event(**changes: Any) -> dict[str, Any]:
    made = {
        "id": f"evt_{secrets.token_hex(8)}",
        "object": "event",
        "type": "checkout.session.completed",
        "created": 1_795_000_000,
        "livemode": False,
        "api_version": StripeProvider.api_version,
        "data": {"object": {"id": "cs_test_1", "object": "checkout.session"}},
    }
    return {name: value for name, value in (made | changes).items() if value is not None}


def send(program: Program, raw: bytes, headers: dict[str, str], path: str = PLATFORM) -> TestResponse:
    return program.app.test_client().post(path, data=raw, headers=headers)


def signed(body: dict[str, Any], secret: str = SECRET, age: int = 0) -> tuple[bytes, dict[str, str]]:
    return signing.signed(body, secret, at=int(clock.now().timestamp()) - age)


def stored(program: Program) -> list[InboxEvent]:
    with program.app.app_context():
        return db.session.query(InboxEvent).all()


def refused(program: Program) -> dict[str, int]:
    with program.app.app_context():
        return {one.reason: one.count for one in rejected.last_day()}


@pytest.mark.parametrize("path", [PLATFORM, OURS])
@pytest.mark.parametrize("secret", [SECRET, PREVIOUS])
def test_a_signed_event_is_stored_before_the_answer(program: Program, path: str, secret: str) -> None:
    raw, headers = signed(event(), secret)
    response = send(program, raw, headers, path)
    assert (response.status_code, response.get_json()) == (200, {"received": True})
    row = stored(program)[0]
    assert (row.payload, row.org_id, row.mode, row.provider, row.state) == (
        raw, PLATFORM_ORG_ID, "test", "stripe", "received",
    )  # fmt: skip
    assert "Set-Cookie" not in response.headers
    assert refused(program) == {}


def test_five_copies_at_once_are_one_event(program: Program) -> None:
    raw, headers = signed(event())
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda path: send(program, raw, headers, path).status_code, [PLATFORM, OURS] * 5))
    assert answers == [200] * 10
    row = stored(program)[0]
    assert (len(stored(program)), row.deliveries) == (1, 10)


def test_the_same_event_signed_anew_is_the_same_event(program: Program) -> None:
    told = event()
    for age in (0, 100):
        assert send(program, *signed(told, age=age)).status_code == 200
    assert len(stored(program)) == 1


@pytest.mark.parametrize("age", [301, 86_400, -301, -86_400])
def test_too_old_and_from_the_future(program: Program, age: int) -> None:
    problem(send(program, *signed(event(), age=age)), 400, "bad_signature")
    assert (stored(program), refused(program)) == ([], {"signature_time": 1})


@each(
    "header",
    [
        "", "garbage", "t=1", "v1=abc", "t=,v1=", "t=abc,v1=abc", "t=99999999999999999999,v1=00", "t=-1,v1=0", ",,,",
        "t=1\u00b2,v1=\u00e9", "=" * 5_000, "t=1;v1=2",
    ],
)  # fmt: skip
def test_odd_signature_headers(program: Program, header: str) -> None:
    raw, _ = signed(event())
    problem(send(program, raw, {"Stripe-Signature": header}), 400, "bad_signature")
    assert stored(program) == []


def test_only_the_old_scheme_another_secret_another_body_no_header(program: Program) -> None:
    raw, headers = signed(event())
    given = headers["Stripe-Signature"]
    bad = [
        (raw, {"Stripe-Signature": given.replace("v1=", "v0=")}),
        (raw, {}),
        (raw + b" ", headers),
        signed(event(), "whsec_someone_elses"),
        signed(event(), ""),
    ]
    for body, sent in bad:
        problem(send(program, body, sent), 400, "bad_signature")
    several = given.replace("v1=", f"v1={'0' * 64},v1=")
    assert send(program, raw, {"Stripe-Signature": several}).status_code == 200
    assert refused(program) == {"bad_signature": len(bad) - 1, "no_signature": 1}


@each(
    "path",
    [
        "/api/v1/payments/stripe/webhooks/01890000-0000-7000-8000-000000000000/test",
        f"/api/v1/payments/stripe/webhooks/{PLATFORM_ORG_ID}/live",
        f"/api/v1/payments/stripe/webhooks/{PLATFORM_ORG_ID}/other",
        "/api/v1/payments/stripe/webhooks/not-an-id/test",
        "/api/v1/payments/stripe/webhooks/%00%ff/test",
    ],
)
def test_an_unknown_organization_answers_like_a_bad_signature(program: Program, path: str) -> None:
    raw, headers = signed(event())
    unknown = problem(send(program, raw, headers, path), 400, "bad_signature")
    forged = problem(send(program, raw, {"Stripe-Signature": "t=1,v1=0"}, OURS), 400, "bad_signature")
    assert {**unknown, "request_id": ""} == {**forged, "request_id": ""}
    assert stored(program) == []


def test_another_organizations_id_answers_like_a_bad_signature(program: Program) -> None:
    org = program.org()
    path = f"/api/v1/payments/stripe/webhooks/{org.id}/test"
    problem(send(program, *signed(event()), path), 400, "bad_signature")


@each(
    ("change", "code"),
    [
        ({"account": "acct_123"}, "foreign_account"),
        ({"id": None}, "malformed_event"),
        ({"type": None}, "malformed_event"),
        ({"data": None}, "malformed_event"),
        ({"data": {"object": []}}, "malformed_event"),
        ({"livemode": None}, "malformed_event"),
        ({"livemode": "false"}, "malformed_event"),
        ({"object": "v2.core.event"}, "malformed_event"),
        ({"id": "e" * 300}, "malformed_event"),
    ],
)
def test_signed_but_not_for_us(program: Program, change: dict[str, Any], code: str) -> None:
    before = Counter(refused(program))
    problem(send(program, *signed(event(**change))), 400, code)
    assert (stored(program), Counter(refused(program)) - before) == ([], {code: 1})


@pytest.mark.parametrize(("key", "livemode"), [("sk_test_x", True), ("sk_live_x", False)])
def test_an_event_of_the_other_mode_is_acknowledged_and_kept(program: Program, key: str, livemode: bool) -> None:
    program.app.extensions[providers.EXTENSION] = StripeProvider(api_key=key, webhook_secrets=[SECRET])
    assert send(program, *signed(event(livemode=livemode))).status_code == 200
    assert [(kept.state, kept.mode) for kept in stored(program)] == [("received", key[3:7])]
    assert refused(program) == {"wrong_mode": 1}


@each(
    "raw", [b"", b"{", b"[]", b"5", b"null", b'"x"', b"{}", b"\xff\xfe", b"[" * 10_000, b"[" * 10_000 + b"]" * 10_000,
            b'{"id":"a","id":"b"}', b"\x1f\x8b" + b"0" * 100, b'{"id":NaN}']
)  # fmt: skip
def test_bodies_that_are_no_event(program: Program, raw: bytes) -> None:
    _, headers = signing.signed(raw, SECRET)
    for given in (headers, {}):
        response = send(program, raw, given)
        assert response.status_code == 400, response.get_data(as_text=True)
        assert response.content_type == "application/problem+json"
    assert stored(program) == []


def test_ten_megabytes_are_not_read(program: Program) -> None:
    large = send(program, b"x" * 10_000_000, {"Stripe-Signature": "t=1,v1=0"})
    problem(large, 413, "too_large")
    assert large.headers["Connection"] == "close"
    padded = event(padding="x" * 900_000)
    assert send(program, *signed(padded)).status_code == 200
    assert len(orjson.dumps(padded)) < 1_000_000


def test_reading_a_webhook_address_is_refused(program: Program) -> None:
    for path in (PLATFORM, OURS):
        problem(program.get(path), 405, "method_not_allowed")


def test_a_body_in_broken_chunks_is_a_bad_request(program: Program) -> None:
    read = Body(ChunkedReader(None, IterUnreader([b"zz\r\n"])))
    chunked = {"wsgi.input": read, "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    problem(program.post(PLATFORM, environ_overrides=chunked), 400, "bad_request")
