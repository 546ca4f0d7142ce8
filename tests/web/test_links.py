"""Links in mails: opening one changes nothing, its form does; and the pages that send one say the same of everyone."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from dashboard.domain.people import users
from tests.emails import link_in, mails
from tests.factories import PASSWORD, make_user
from tests.web.people import Person, token_in

NEW = "another long password"
HTTPS = "https://localhost"
ADA = {"name": "Ada", "email": "ada@demo.test", "password": PASSWORD}


def post(client: FlaskClient, path: str, fields: dict[str, str], *, base: str = "http://localhost") -> TestResponse:
    token = token_in(client.get("/forgot", base_url=base).text)
    headers = {"Referer": f"{base}/forgot"}
    return client.post(path, data=fields | {"csrf_token": token}, base_url=base, headers=headers)


def link(app: Flask, event: str, *, to: str = "") -> str:
    with app.app_context():
        return link_in(event, to=to)


def test_the_address_is_confirmed_by_the_form_not_by_opening_the_link(app: Flask, client: FlaskClient) -> None:
    assert post(client, "/signup", ADA).status_code == 303
    assert "is not confirmed yet" in client.get("/account").text
    path = link(app, "verify")
    for _ in range(2):
        assert "ada@demo.test" in app.test_client().get(path).text
    assert app.test_client().head(path).status_code == 200
    assert "is not confirmed yet" in client.get("/account").text
    assert post(client, path, {}).location == "/"
    assert "is not confirmed yet" not in client.get("/account").text
    assert client.get(path).status_code == 410
    assert post(client, path, {}).status_code == 410


@pytest.mark.parametrize(("said", "zone"), [("Asia/Kathmandu", "Asia/Kathmandu"), ("Mars/Olympus", "UTC"), ("", "UTC")])
def test_pages_are_in_the_browsers_zone_from_the_sign_up_on(
    app: Flask, client: FlaskClient, said: str, zone: str
) -> None:
    post(client, "/signup", ADA | {"timezone": said})
    with app.app_context():
        user = users.by_email("ada@demo.test")
        assert user
        assert user.timezone == zone


def test_a_signed_in_person_asks_for_the_link_again(app: Flask, client: FlaskClient) -> None:
    post(client, "/signup", ADA)
    assert post(client, "/verify", {"email": "victim@demo.test"}).status_code == 303
    with app.app_context():
        assert {mail.to_address for mail in mails("verify")} == {"ada@demo.test"}
        assert len(mails("verify")) == 2


def test_a_forgotten_password_is_replaced_by_the_link(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        make_user("ada@demo.test")
    answer = post(client, "/forgot", {"email": "ada@demo.test"})
    assert (answer.status_code, answer.location) == (303, "/forgot?sent=1")
    path = link(app, "reset")
    assert client.get(path).status_code == 200
    weak = post(client, path, {"password": "wEak1"})
    assert weak.status_code == 422
    assert "wEak1" not in weak.text
    assert post(client, path, {"password": NEW}).location == "/login"
    assert post(client, "/login", {"email": "ada@demo.test", "password": PASSWORD}).status_code == 422
    assert post(client, "/login", {"email": "ada@demo.test", "password": NEW}).status_code == 303
    assert client.get(path).status_code == 410


def same(one: TestResponse, other: TestResponse) -> bool:
    """But for the form's token and the typed address."""
    texts = [re.sub(r"[\w-]+@demo\.test|content=\"[^\"]+\"|value=\"[^\"]+\"", "", each.text) for each in (one, other)]
    return texts[0] == texts[1] and (one.status_code, one.location) == (other.status_code, other.location)


def test_the_pages_tell_nobody_who_has_an_account(make_app: Callable[..., Flask]) -> None:
    app = make_app(environment="production", base_url=HTTPS)
    with app.app_context():
        make_user("ada@demo.test")
    client = app.test_client()
    for path, fields in (
        ("/forgot", {}),
        ("/verify", {}),
        ("/signup", {"name": "Ada", "password": PASSWORD}),
        ("/login", {"password": "wrong guess"}),
    ):
        known = post(client, path, fields | {"email": "ada@demo.test"}, base=HTTPS)
        unknown = post(client, path, fields | {"email": "new@demo.test"}, base=HTTPS)
        assert same(known, unknown), path
        assert known.status_code == (422 if path == "/login" else 303)
    assert client.get("/account", base_url=HTTPS).status_code == 303


def test_in_production_a_sign_up_leads_through_the_mail(make_app: Callable[..., Flask]) -> None:
    app = make_app(environment="production", base_url=HTTPS)
    client = app.test_client()
    assert post(client, "/signup", ADA, base=HTTPS).location == "/verify"
    assert post(client, "/login", ADA, base=HTTPS).status_code == 422
    path = link(app, "verify")
    assert post(client, path, {}, base=HTTPS).location == "/login"
    assert post(client, "/login", ADA, base=HTTPS).status_code == 303


@pytest.mark.parametrize("path", ["/forgot", "/verify"])
def test_what_is_no_address_is_said_at_its_field(client: FlaskClient, path: str) -> None:
    answer = post(client, path, {"email": "ada"})
    assert answer.status_code == 422
    assert 'id="f-email-error"' in answer.text


def test_another_address_is_agreed_to_by_both_links(app: Flask) -> None:
    with app.app_context():
        make_user("ada@demo.test")
    ada = Person(app, "ada@demo.test")
    assert ada.post("/account/email", {"email": "odd"}).status_code == 422
    assert ada.post("/account/email", {"email": "ada@new.test"}).status_code == 303
    assert "ada@new.test" in ada.get("/account").text
    old, new = link(app, "email_change_from"), link(app, "email_change_to")
    stranger = app.test_client()
    assert "Both addresses must agree" in stranger.get(new).text
    assert post(stranger, new, {"answer": "confirm"}).location == "/login"
    assert ada.post(old, {"answer": "confirm"}).location == "/account"
    assert "ada@new.test" in ada.get("/account").text
    assert "ada@demo.test" not in ada.get("/account").text
    assert stranger.get(new).status_code == 410


def test_a_change_is_called_off_by_a_link_or_on_the_page(app: Flask) -> None:
    with app.app_context():
        make_user("ada@demo.test")
    ada = Person(app, "ada@demo.test")
    for call_off in (lambda: post(app.test_client(), link(app, "email_change_to"), {"answer": "call-off"}),
                     lambda: ada.post("/account/email/call-off")):  # fmt: skip
        ada.post("/account/email", {"email": "ada@new.test"})
        assert call_off().status_code == 303
        assert "ada@new.test" not in ada.get("/account").text
        assert ada.get(link(app, "email_change_from")).status_code == 410
