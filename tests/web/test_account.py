"""A person's own account: profile, password, sessions."""

import re

import pytest
from flask import Flask

from dashboard.core.db import db
from dashboard.models import User
from tests.factories import PASSWORD, make_user
from tests.web.people import Person

NEW = "another long password"
PROFILE = {"name": "Ada L.", "timezone": "Asia/Kathmandu", "theme": "dark"}


@pytest.fixture
def ada(app: Flask) -> Person:
    with app.app_context():
        make_user("ada@demo.test")
        make_user("bob@demo.test")
    return Person(app, "ada@demo.test")


def user_of(app: Flask, email: str = "ada@demo.test") -> User:
    with app.app_context():
        found = db.session.scalars(db.select(User).filter_by(email=email)).one()
        db.session.expunge(found)
        return found  # type: ignore[no-any-return]


def session_ids(page: str) -> list[str]:
    return [part.partition("/end")[0] for part in page.split("/account/security/sessions/")[1:] if "/end" in part]


def test_the_profile_is_saved_and_shows_at_once(app: Flask, ada: Person) -> None:
    assert ada.get("/account").text.count("data-keys") == 1
    answer = ada.post("/account", PROFILE)
    assert answer.status_code == 303
    page = ada.get("/account").text
    assert '<html lang="en" data-theme="dark">' in page
    assert "data-keys" not in page
    assert 'value="Asia/Kathmandu"' in page
    user = user_of(app)
    assert (user.name, user.timezone, user.theme, user.keyboard) == ("Ada L.", "Asia/Kathmandu", "dark", False)


@pytest.mark.parametrize(("field", "value"), [("name", " "), ("timezone", "Mars/Base"), ("theme", "<b>")])
def test_odd_entries_are_refused_and_kept(app: Flask, ada: Person, field: str, value: str) -> None:
    answer = ada.post("/account", PROFILE | {field: value})
    assert answer.status_code == 422
    assert f'id="f-{field}-error"' in answer.text
    assert user_of(app).name == "Ada Example"


def test_nothing_else_of_a_person_can_be_set(app: Flask, ada: Person) -> None:
    more = {"email": "x@demo.test", "platform_role": "platform_manager", "email_verified_at": "", "disabled_at": "x"}
    assert ada.post("/account", PROFILE | more).status_code == 303
    user = user_of(app)
    assert (user.email, user.platform_role, user.disabled_at) == ("ada@demo.test", "standard", None)


def test_every_page_leads_to_the_account(app: Flask, ada: Person) -> None:
    with app.app_context():
        make_user("boss@demo.test", manager=True)
    assert 'href="/account"' in Person(app, "boss@demo.test").get("/admin/").text
    assert 'href="/account/security"' in ada.get("/account").text


def test_sessions_are_listed_and_ended_one_by_one(app: Flask, ada: Person) -> None:
    phone = Person(app, "ada@demo.test")
    page = ada.get("/account/security").text
    [other] = session_ids(page)
    assert "This one" in page
    assert ada.post(f"/account/security/sessions/{other}/end").status_code == 303
    assert phone.get("/account").status_code == 303
    assert session_ids(ada.get("/account/security").text) == []
    assert ada.post(f"/account/security/sessions/{other}/end").status_code == 404


def test_nobody_ends_anothers_session(app: Flask, ada: Person) -> None:
    Person(app, "ada@demo.test")
    [other] = session_ids(ada.get("/account/security").text)
    bob = Person(app, "bob@demo.test")
    assert bob.post(f"/account/security/sessions/{other}/end").status_code == 404
    assert bob.post("/account/security/sessions/end-others").status_code == 303
    assert session_ids(ada.get("/account/security").text) == [other]


def test_all_other_sessions_end_at_once(app: Flask, ada: Person) -> None:
    others = [Person(app, "ada@demo.test") for _ in range(2)]
    assert ada.post("/account/security/sessions/end-others").status_code == 303
    assert [one.get("/account").status_code for one in (ada, *others)] == [200, 303, 303]


def test_a_new_password_needs_the_old_one_and_ends_the_others(app: Flask, ada: Person) -> None:
    phone = Person(app, "ada@demo.test")
    wrong = ada.post("/account/security/password", {"password": "wrong guess", "new_password": NEW})
    assert wrong.status_code == 422
    assert "This is not your password." in wrong.text
    assert "wrong guess" not in wrong.text
    assert NEW not in wrong.text
    assert ada.post("/account/security/password", {"password": PASSWORD, "new_password": NEW}).status_code == 303
    assert ada.get("/account").status_code == 200
    assert phone.get("/account").status_code == 303


def test_a_zone_is_found_by_its_city_and_pages_do_not_list_them_all(app: Flask, ada: Person) -> None:
    assert ada.post("/account", {"name": "Ada", "timezone": "kathmandu", "theme": "dark"}).status_code == 303
    page = ada.get("/account")
    assert 'value="Asia/Kathmandu"' in page.text
    assert len(page.data) < 12_000
    zones = ada.get("/account/zones")
    assert zones.headers["Cache-Control"] == "private, max-age=86400"
    assert {"UTC", "Europe/Stockholm"} <= set(zones.text.splitlines())


def test_who_sees_utc_can_take_the_browsers_zone(ada: Person) -> None:
    assert "data-zone-offer" in ada.get("/account").text
    for there, leads in (("/account/tokens?", "/account/tokens"), ("//elsewhere.test", "/account")):
        taken = ada.post("/account/zone", {"timezone": "Europe/Berlin", "next": there})
        assert (taken.status_code, taken.location) == (303, leads)
    page = ada.get("/account").text
    assert 'value="Europe/Berlin"' in page
    assert "data-zone-offer" not in page
    assert ada.post("/account/zone", {"timezone": "Mars"}).status_code == 422


def test_everything_wrong_is_said_at_once(ada: Person) -> None:
    page = ada.post("/account", {"name": "", "timezone": "Mars", "theme": "dark"}).text
    assert "Check these entries" in page
    assert page.count('aria-invalid="true"') == 2
    assert "True" not in "".join(re.findall(r"<(?:input|textarea|select)[^>]*>", page))
