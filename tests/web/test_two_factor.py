"""The second factor on the pages: enrolling, signing in in two steps, confirming, switching off."""

import re
from datetime import timedelta

import pyotp
import pytest
from flask import Flask

from dashboard.core import clock
from dashboard.domain import rate_limits
from dashboard.domain.people import sessions
from tests.factories import PASSWORD, make_user
from tests.web.people import Person, token_in

SECURITY = "/account/security"
ADA = {"email": "ada@demo.test", "password": PASSWORD}

pytestmark = pytest.mark.usefixtures("amid_a_step")


class Phone:
    """An authenticator app; each code is asked for once, so that each is of a later step."""

    def __init__(self, secret: str) -> None:
        self.app, self.used = pyotp.TOTP(secret), 0

    def code(self) -> str:
        now = int(clock.now().timestamp()) // 30
        self.used = max(self.used + 1, now - 1)
        assert self.used <= now + 1, "the test asks for too many codes at once"
        return self.app.generate_otp(self.used)


@pytest.fixture
def ada(app: Flask) -> Person:
    with app.app_context():
        make_user("ada@demo.test")
    return Person(app, "ada@demo.test")


def enrol(ada: Person) -> tuple[Phone, list[str]]:
    assert ada.post(f"{SECURITY}/two-factor/start").location == f"{SECURITY}/two-factor"
    page = ada.get(f"{SECURITY}/two-factor").text
    assert 'class="qr"' in page
    found = re.search(r'data-value="([A-Z2-7 ]{39})"', page)
    assert found
    phone = Phone(found[1].replace(" ", ""))
    assert ada.post(f"{SECURITY}/two-factor", {"code": phone.code()}).location == f"{SECURITY}/codes"
    codes = re.findall(r"[a-z2-7]{4}(?:-[a-z2-7]{4}){3}", ada.get(f"{SECURITY}/codes").text)
    assert len(codes) == 10
    return phone, codes


def browser(app: Flask) -> Person:
    """Somebody who has not signed in yet."""
    person = Person.__new__(Person)
    person.client = app.test_client()
    return person


def send(person: Person, path: str, fields: dict[str, str]) -> tuple[int, str | None]:
    token = token_in(person.client.get("/forgot").text)
    answer = person.client.post(path, data=fields | {"csrf_token": token})
    return answer.status_code, answer.location


def test_codes_are_shown_once(ada: Person) -> None:
    _, codes = enrol(ada)
    assert ada.get(f"{SECURITY}/codes").location == SECURITY
    page = ada.get(SECURITY).text
    assert "10 recovery codes are left" in page
    assert not [code for code in codes if code in page]
    assert ada.get(f"{SECURITY}/two-factor").location == SECURITY, "the secret is not shown again"


def test_signing_in_takes_two_steps(app: Flask, ada: Person) -> None:
    phone, _ = enrol(ada)
    other = browser(app)
    assert send(other, "/login", ADA | {"next": "/account"}) == (303, "/login/code?next=/account")
    assert other.get("/account").status_code == 303, "half the way is not in"
    assert send(other, "/login/code", {"code": "000000"})[0] == 422
    assert send(other, "/login/code", {"code": phone.code(), "next": "/account"}) == (303, "/account")
    assert other.get("/account").status_code == 200


def test_the_code_may_come_to_the_same_address_or_with_the_password(app: Flask, ada: Person) -> None:
    _, codes = enrol(ada)
    other = browser(app)
    send(other, "/login", ADA)
    assert send(other, "/login", {"code": codes[0]})[0] == 303
    assert other.get("/account").status_code == 200
    third = browser(app)
    assert send(third, "/login", ADA | {"code": "000000"})[0] == 422
    assert send(third, "/login", ADA | {"code": codes[1]})[0] == 303
    assert third.get("/account").status_code == 200


def test_half_the_way_lasts_ten_minutes_and_not_beyond_a_new_password(app: Flask, ada: Person) -> None:
    _, codes = enrol(ada)
    other = browser(app)
    send(other, "/login", ADA)
    with clock.at(clock.now() + timedelta(minutes=11)):
        assert send(other, "/login/code", {"code": codes[0]}) == (303, "/login")
    send(other, "/login", ADA)
    changed = {"password": PASSWORD, "new_password": "another long password", "code": codes[1]}
    assert ada.post(f"{SECURITY}/password", changed).status_code == 303
    assert send(other, "/login/code", {"code": codes[0]}) == (303, "/login")
    assert other.get("/account").status_code == 303


def test_without_the_password_no_code_is_judged(app: Flask, ada: Person) -> None:
    phone, codes = enrol(ada)
    other = browser(app)
    for path in ("/login/code", "/login"):
        assert send(other, path, {"code": codes[0]}) == (303, "/login")
    assert send(other, "/login", {"email": "ada@demo.test", "password": "wrong", "code": phone.code()})[0] == 422
    assert other.get("/account").status_code == 303


def test_guesses_at_the_code_are_limited(app: Flask, ada: Person) -> None:
    _, codes = enrol(ada)
    other = browser(app)
    send(other, "/login", ADA)
    answers = [send(other, "/login/code", {"code": "000000"})[0] for _ in range(rate_limits.CODE.most + 1)]
    assert answers == [422] * rate_limits.CODE.most + [429]
    assert send(other, "/login/code", {"code": codes[0]})[0] == 429


def test_a_confirmation_asks_for_the_code_too(app: Flask, ada: Person) -> None:
    _, codes = enrol(ada)
    with clock.at(clock.now() + sessions.REAUTHENTICATED + timedelta(minutes=1)):
        asked = ada.post(f"{SECURITY}/two-factor/off")
        assert asked.status_code == 403
        assert 'name="confirm_code"' in asked.text
        alone = ada.post(f"{SECURITY}/two-factor/off", {"confirm_password": PASSWORD})
        assert alone.status_code == 403
        assert 'id="f-confirm_code-error"' in alone.text
        both = {"confirm_password": PASSWORD, "confirm_code": codes[0]}
        assert ada.post(f"{SECURITY}/two-factor/off", both).status_code == 303
        assert "Turn on" in ada.get(SECURITY).text
    assert send(browser(app), "/login", ADA) == (303, "/o/ada-example/")


def test_a_new_password_needs_the_code_too(app: Flask, ada: Person) -> None:
    _, codes = enrol(ada)
    assert 'name="code"' in ada.get(SECURITY).text
    change = {"password": PASSWORD, "new_password": "another long password"}
    for wrong in ("", "000000"):
        refused = ada.post(f"{SECURITY}/password", change | {"code": wrong})
        assert (refused.status_code, 'id="f-code-error"' in refused.text) == (422, True)
    assert ada.post(f"{SECURITY}/password", change | {"code": codes[0]}).status_code == 303
    assert send(browser(app), "/login", ADA)[0] == 422


def test_switching_it_on_and_new_codes_need_a_recent_sign_in(ada: Person) -> None:
    with clock.at(clock.now() + sessions.REAUTHENTICATED + timedelta(minutes=1)):
        assert ada.post(f"{SECURITY}/two-factor/start").status_code == 403
    enrol(ada)
    with clock.at(clock.now() + sessions.REAUTHENTICATED + timedelta(minutes=1)):
        assert ada.post(f"{SECURITY}/codes").status_code == 403
    assert ada.post(f"{SECURITY}/codes").location == f"{SECURITY}/codes"


def test_switching_it_on_ends_the_other_sessions(app: Flask, ada: Person) -> None:
    other = Person(app, "ada@demo.test")
    enrol(ada)
    assert other.get("/account").status_code == 303
    assert ada.get("/account").status_code == 200
