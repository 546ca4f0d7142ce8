"""Log lines: one per event, with the request's id, without secrets."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from flask import Flask

from dashboard.core import logs
from tests.each import each


@pytest.fixture(autouse=True)
def unchanged_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> "Lines":
    logs.configure(readable=False)
    return Lines(capsys)


@each(
    ("ip", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("a:b@demo.test", "a:b@demo.test"),
        ("", ""),
    ],
)
def test_whom_to_count_for_an_address(ip: str, network: str) -> None:
    assert logs.network_of(ip) == network


class Lines:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.capsys.readouterr().err.splitlines()]


SECRETS = [
    "cof_test_0192aa_Canary-1_x",
    "cofp_Canary2",
    "cofs_test_Canary-3x",
    "sk_live_Canary3",
    "rk_test_Canary4",
    "whsec_Canary5",
    "Bearer Canary6.Canary.Canary",
    "postgresql://coffer:Canary7@db/coffer",
    "password=Canary8&x=1",
    "__Host-coffer=Canary9",
    "'csrf_token': 'Canary10'",
    "GET /invite/0192aa00000070008000000000000000_Canary11-x?y=1",
    "/api/v1/invites/peek?token=0192aa_Canary12",
    "0192aa00000070008000000000000000_Canary13_qgGxsHlGpuh01kSAmkabil7S_KMEcNK7WZ",
    "GET /verify/Canary14-x_y",
    "https://coffer.test/reset/Canary15",
    "/email-change/Canary16?x=1",
    "eyJCanary17.eyJCanary17.Canary17-x_",
    "for-eyJCanary18-eyJ.a-Canary18.Canary18",
    "a.eyJCanary19.Canary19.",
]


@each("secret", SECRETS)
def test_a_secret_is_hidden_wherever_it_stands(lines: Lines, secret: str) -> None:
    log = structlog.get_logger("t")
    log.info(f"one {secret} two", field=f"({secret})", deep={"list": [secret, {"x": (secret,)}]})
    logging.getLogger("library").warning("went wrong: %s", secret, extra={"more": secret})
    try:
        raise RuntimeError(secret)
    except RuntimeError:
        log.exception("failed")
        logging.getLogger("library").exception("failed")
    found = lines()
    assert len(found) == 4
    assert "Canary" not in json.dumps(found)


def test_a_secret_is_hidden_by_its_name(lines: Lines) -> None:
    structlog.get_logger("t").info(
        "x",
        password="Canary",
        headers={"Authorization": "Canary", "Cookie": "Canary"},
        api_key="Canary",
        secret_hash=b"Canary",
    )
    assert "Canary" not in json.dumps(lines())


def test_one_event_is_one_line(lines: Lines) -> None:
    forged = 'x\r\n{"event":"forged"}\x1b[31m\u2028y'
    structlog.get_logger("t").info(forged, name=forged)
    logging.getLogger("library").warning(forged)
    found = lines()
    assert [entry["level"] for entry in found] == ["info", "warning"]
    assert found[0]["event"] == r'x\x0d\x0a{"event":"forged"}\x1b[31m\x2028y'


def test_readable_lines_hold_no_line_break_either(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(readable=True)
    structlog.get_logger("t").info("a\nb", c="d\ne sk_test_Canary")
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert "Canary" not in text


def app(*, trust: bool = False) -> Flask:
    made = Flask("logs")
    logs.init_app(made, trust_request_id=trust)

    @made.get("/page")
    def page() -> str:
        structlog.get_logger("t").info("inside")
        return f"{logs.request_id()} {logs.client_ip()}"

    return made


def test_each_request_has_an_id_in_its_lines_and_its_answer(lines: Lines) -> None:
    answer = app().test_client().get("/page?session_id=cs_1", headers={"X-Request-Id": "forged-by-a-client"})
    name = answer.headers["X-Request-Id"]
    assert name != "forged-by-a-client"
    assert answer.text == f"{name} 127.0.0.1"
    inside, request = lines()
    assert inside["request_id"] == request["request_id"] == name
    assert (request["method"], request["path"], request["status"]) == ("GET", "/page", 200)
    assert "cs_1" not in json.dumps(request)


def test_the_id_of_our_own_proxy_is_taken_if_it_is_well_formed() -> None:
    client = app(trust=True).test_client()
    assert client.get("/page", headers={"X-Request-Id": "proxy-0001"}).headers["X-Request-Id"] == "proxy-0001"
    assert client.get("/page", headers={"X-Request-Id": "a b\t<x>"}).headers["X-Request-Id"] != "a b\t<x>"


def test_a_job_has_an_id_too(lines: Lines) -> None:
    logs.bind_job("inbox.drain", org="o1")
    logging.getLogger("library").info("working")
    [entry] = lines()
    assert (entry["job"], entry["org"], entry["request_id"]) == ("inbox.drain", "o1", logs.request_id())
    assert logs.client_ip() is None


def test_times_are_utc(lines: Lines) -> None:
    structlog.get_logger("t").info("a line of ours")
    logging.getLogger("elsewhere").warning("a line of a library")
    for line in lines():
        at = datetime.fromisoformat(line["timestamp"])
        assert at.utcoffset() == timedelta(0)
        assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
