"""Guessing at sign-in, and learning from answers who has an account. `make soak` runs both in full.

`-s` prints the figures of docs/security.md.
"""

import statistics
import time
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard.core.db import db
from dashboard.domain import rate_limits
from tests.factories import PASSWORD, make_user
from tests.web.people import Person, token_in

HTTPS = "https://localhost"
MOST_GAP_MS = 5
pytestmark = pytest.mark.slow
FULL = pytest.mark.soak


class Guesser:
    """A browser that comes from any address it likes."""

    def __init__(self, app: Flask, *, base: str = "http://localhost") -> None:
        self.base, self.client = base, app.test_client()
        self.token = token_in(self.client.get("/login", base_url=base).text)

    def post(self, path: str, ip: str, **fields: str) -> int:
        return self.client.post(
            path, data=fields | {"csrf_token": self.token}, base_url=self.base,
            headers={"Referer": f"{self.base}{path}"}, environ_overrides={"REMOTE_ADDR": ip},
        ).status_code  # fmt: skip


def address(n: int) -> str:
    return f"198.{18 + n // 65_536}.{n // 256 % 256}.{n % 256}"


@pytest.mark.parametrize("tries", [200, pytest.param(5_000, marks=FULL)])
def test_a_victim_gets_in_while_everybody_guesses(app: Flask, tries: int) -> None:
    with app.app_context():
        make_user("victim@demo.test")
    at_home = Person(app, "victim@demo.test").client
    guesser = Guesser(app)
    answers = [
        guesser.post("/login", address(n), email="victim@demo.test", password=f"wrong-{n}") for n in range(tries)
    ]
    judged = answers.count(422)
    print(
        f"\n{tries} tries from {tries} addresses on one account: {judged} judged, {answers.count(429)} refused unseen"
    )
    assert judged <= rate_limits.SIGN_IN_STRANGERS.most <= 20
    assert judged + answers.count(429) == tries
    assert guesser.post("/login", "203.0.113.9", email="victim@demo.test", password=PASSWORD) == 429
    assert signs_in(at_home)


@pytest.mark.parametrize("tries", [200, pytest.param(5_000, marks=FULL)])
def test_one_place_cannot_try_many_accounts(app: Flask, tries: int) -> None:
    with app.app_context():
        make_user("victim@demo.test")
    at_home = Person(app, "victim@demo.test").client
    guesser = Guesser(app)
    answers = [
        guesser.post("/login", "127.0.0.1", email=f"person{n}@demo.test", password="Spring2026!") for n in range(tries)
    ]
    print(f"\n{tries} tries from one address on {tries} accounts: {answers.count(422)} judged")
    assert answers.count(422) == rate_limits.SIGN_IN_IP.most
    assert signs_in(at_home), "also from the guesser's own address"


def signs_in(client: FlaskClient) -> bool:
    """In the browser that the person has used before."""
    client.delete_cookie("coffer")
    token = token_in(client.get("/login").text)
    form = {"email": "victim@demo.test", "password": PASSWORD, "csrf_token": token}
    return client.post("/login", data=form).status_code == 303


@pytest.mark.soak
@pytest.mark.parametrize("path", ["/login", "/forgot", "/verify", "/signup"])
def test_the_time_of_an_answer_tells_nothing(make_app: Callable[..., Flask], path: str) -> None:
    """The medians over 500 tries each, with and without an account, taken in turn."""
    app = make_app(environment="production", base_url=HTTPS)
    tries = 500
    with app.app_context():
        for n in range(tries):
            make_user(f"known{n}@demo.test")
        if path == "/verify":
            db.session.execute(db.text("UPDATE users SET email_verified_at = NULL"))
    guesser = Guesser(app, base=HTTPS)
    times: dict[str, list[float]] = {"known": [], "other": []}
    for n in range(2 * tries):
        who = "known" if n % 2 else "other"
        fields = {"email": f"{who}{n // 2}@demo.test", "password": "a wrong long password", "name": "Ada"}
        began = time.perf_counter()
        status = guesser.post(path, address(n), **fields)
        times[who].append((time.perf_counter() - began) * 1000)
        assert status == (422 if path == "/login" else 303)
    known, other = (statistics.median(times[who]) for who in ("known", "other"))
    print(f"\n{path}: {known:.2f} ms with an account, {other:.2f} ms without, {known - other:+.2f} ms")
    assert abs(known - other) < MOST_GAP_MS
