"""Webhooks as anyone may send them: only a fresh, well signed snapshot event gets through."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import pytest
import stripe

from dashboard.providers.base import BadPayload, BadSignature, ProviderError
from dashboard.providers.stripe import StripeProvider
from tests.each import each
from tests.stripe_fake import contract
from tests.stripe_fake.signing import event, event_file, signed

NOW = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)
OURS = "whsec_CanaryCurrent"
OLD = "whsec_CanaryPrevious"
PROVIDER = StripeProvider(api_key="sk_test_CanaryKey", webhook_secrets=[OURS, OLD])


def verify(body: bytes, headers: dict[str, str], provider: StripeProvider = PROVIDER):
    return provider.verify(body, headers, now=NOW)


def refused(body: bytes, headers: dict[str, str]) -> ProviderError:
    with pytest.raises((BadSignature, BadPayload)) as caught:
        verify(body, headers)
    assert caught.value.__context__ is None
    assert "Canary" not in repr(caught.value)
    return caught.value


@each("path", list(contract.event_files()))
def test_every_kind_of_event_is_read(path):
    body, headers = signed(path.read_bytes(), OURS, NOW)
    read = verify(body, headers)
    told = json.loads(body)
    assert dataclasses.astuple(read)[:3] == (told["id"], told["type"], told["created"])
    assert (read.livemode, read.account, read.api_version) == (
        told["livemode"],
        told.get("account"),
        told["api_version"],
    )
    assert (read.object, read.raw) == (told["data"]["object"], told)


def test_our_signatures_are_those_of_the_sdk():
    body, headers = signed({"id": "evt_1"}, OURS, NOW)
    theirs = stripe.WebhookSignature.generate_signature_header(body.decode(), OURS, int(NOW.timestamp()))
    assert headers["Stripe-Signature"] == theirs


@each("seconds", [-300, -299, 0, 299, 300])
def test_fresh_signatures_pass(seconds: int):
    assert verify(*signed(event("charge.succeeded"), OURS, NOW + timedelta(seconds=seconds))).type == "charge.succeeded"


@each("seconds", [-301, 301, -86400, 86400, 10**9])
def test_old_and_future_signatures_are_refused(seconds: int):
    body, headers = signed(event("charge.succeeded"), OURS, NOW + timedelta(seconds=seconds))
    assert refused(body, headers).code == "signature_time"


def test_header_name_is_found_in_any_case():
    body, headers = signed(event("charge.succeeded"), OURS, NOW)
    assert verify(body, {"STRIPE-signature": headers["Stripe-Signature"]})


@each("secrets", [OURS, OLD, (OLD, "whsec_unknown"), ("whsec_unknown", OURS)])
def test_any_current_secret_and_any_of_several_signatures_will_do(secrets):
    assert verify(*signed(event("charge.succeeded"), secrets, NOW))


def test_another_organizations_secret_is_refused():
    assert refused(*signed(event("charge.succeeded"), "whsec_of_someone_else", NOW)).code == "bad_signature"


def test_changed_body_is_refused():
    body, headers = signed(event("charge.succeeded"), OURS, NOW)
    assert isinstance(refused(body.replace(b"4900", b"9900"), headers), BadSignature)


@each("secrets", [(), ("",), ("   ",)])
def test_without_a_secret_nothing_passes(secrets: tuple[str, ...]):
    provider = StripeProvider(api_key="sk_test_x", webhook_secrets=secrets)
    for secret in ("", "   ", "None"):
        with pytest.raises(BadSignature):
            verify(*signed(event("charge.succeeded"), secret, NOW), provider)


def _headers() -> list[str | None]:
    good = signed(b"{}", OURS, NOW)[1]["Stripe-Signature"]
    moment, mark = good.split(",")
    return [
        None,
        "",
        "garbage",
        "t",
        "t=",
        "=",
        ",,,,",
        mark,
        moment,
        f"{moment},{mark.replace('v1=', 'v0=')}",
        f"{moment}, {mark}",
        f"{moment},v1=",
        f"{moment},v1",
        f"{moment},v1=é",
        f"{moment},v1=\ud800",
        f"{moment}0,{mark}",
        f"-{moment},{mark}",
        f"t=-{moment[2:]},{mark}",
        f"t= {moment[2:]},{mark}",
        f"t={moment[2:4]}_{moment[4:]},{mark}",
        f"t=１{moment[3:]},{mark}",
        f"t={'9' * 5000},{mark}",
        f"t={moment[2:]}.0,{mark}",
        f"t=1e9,{mark}",
        f"t=nan,{mark}",
        f"{moment},{moment},{mark}",
        f"{moment}," + "v1=x," * 5000 + mark[:-1],
    ]


@each("header", _headers())
def test_bad_headers_are_refused(header: str | None):
    assert isinstance(refused(b"{}", {} if header is None else {"Stripe-Signature": header}), BadSignature)


@each("times", ["t={old}=1,t={new}", "t={old},t={new}", "t={new},t={old}", "t={new},t={old}=1"])
def test_captured_event_gets_no_younger_by_a_second_time(times: str):
    old = NOW - timedelta(hours=1)
    body, headers = signed(event("charge.succeeded"), OURS, old)
    mark = headers["Stripe-Signature"].split(",")[1]
    moments = times.format(old=int(old.timestamp()), new=int(NOW.timestamp()))
    assert isinstance(refused(body, {"Stripe-Signature": f"{moments},{mark}"}), BadSignature)


def test_body_that_is_no_utf8_is_refused():
    assert isinstance(refused(*signed(b"\xff\xfe{}", OURS, NOW)), BadSignature)


def _event_with(**changes: object) -> bytes:
    told = {**event_file("charge.succeeded"), **changes}
    return json.dumps({name: value for name, value in told.items() if value is not ...}).encode()


@each(
    "body",
    [
        b"",
        b"x",
        b"[]",
        b"null",
        b"7",
        b"{}",
        b'"text"',
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"id": "evt_1", "id": "evt_2"}',
        _event_with(object="v2.core.event"),
        _event_with(id=...),
        _event_with(id=7),
        _event_with(id=""),
        _event_with(id="e" * 256),
        _event_with(type=...),
        _event_with(type=None),
        _event_with(livemode=...),
        _event_with(livemode="false"),
        _event_with(livemode=0),
        _event_with(data=...),
        _event_with(data=[]),
        _event_with(data={}),
        _event_with(data={"object": []}),
        _event_with(data={"object": None}),
        _event_with(account=7),
        _event_with(created="now"),
        _event_with(created=True),
        _event_with(extra=float("nan")),
        _event_with(extra=float("inf")),
        _event_with(extra="\x00"),
        _event_with(extra="\ud800"),
        _event_with(extra=1).replace(b'"extra": 1', b'"extra": 1e999'),
        _event_with(extra=1).replace(b'"extra": 1', b'"extra": ' + b"9" * 5000),
        _event_with()[:-1],
    ],
)
def test_signed_nonsense_is_refused(body: bytes):
    assert isinstance(refused(*signed(body, OURS, NOW)), BadPayload)


def test_unknown_types_and_fields_and_versions_pass():
    told = {**event("charge.succeeded"), "type": "moon.landed", "api_version": "2020-08-27", "novel": {"x": "\\u0000"}}
    read = verify(*signed(told, OURS, NOW))
    assert (read.type, read.api_version, read.raw) == ("moon.landed", "2020-08-27", told)


def test_account_and_mode_are_told_to_the_receiver():
    read = verify(*signed(event_file("checkout.session.completed.payment_paid_connect_account"), OURS, NOW))
    assert read.account is not None
    read = verify(*signed(event_file("checkout.session.completed.payment_paid_livemode"), OURS, NOW))
    assert read.livemode is True
