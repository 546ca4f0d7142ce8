"""Browser sessions: rows behind Flask's session, rotated at sign-in, ended at sign-out, idle and absolute limits."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask, flash, get_flashed_messages, request, session
from flask.testing import FlaskClient
from flask_login import current_user, login_required
from flask_wtf.csrf import generate_csrf
from sqlalchemy import event, select

from dashboard import create_app
from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.domain.organizations import registration
from dashboard.domain.people import sessions, users
from dashboard.models import User, UserSession
from dashboard.web.sessions import current_row, poll, safe_next, sign_in, sign_out
from tests.each import each
from tests.servers import Servers

PASSWORD = "coffer-demo"


def routes(app: Flask) -> None:
    @app.get("/t/nothing")
    def nothing() -> str:
        return "nothing"

    @app.get("/t/form")
    def form() -> str:
        return generate_csrf()

    @app.post("/t/post")
    def post() -> str:
        return "posted"

    @app.post("/t/in/<email>")
    def enter(email: str) -> str:
        user = users.by_email(email)
        assert user is not None
        sign_in(user)
        return "in"

    @app.post("/t/out")
    def leave() -> str:
        sign_out()
        if request.args.get("say"):
            flash("bye")
        return "out"

    @app.get("/t/who")
    def who() -> str:
        return str(getattr(current_user, "email", "nobody"))

    @app.get("/t/poll")
    @poll
    def ask() -> str:
        return str(getattr(current_user, "email", "nobody"))

    @app.get("/t/private")
    @login_required
    def private() -> str:
        return "private"

    @app.get("/t/keep/<value>")
    def keep(value: str) -> str:
        session["kept"] = value
        return value

    @app.get("/t/kept")
    def kept() -> str:
        return f"{session.get('kept')} {get_flashed_messages()}"


@pytest.fixture(scope="module")
def _site(_servers: Servers) -> Iterator[Flask]:
    app = create_app(_servers.settings())
    routes(app)
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def site(_site: Flask, servers: Servers) -> Flask:
    with _site.app_context():
        registration.create_user(email="ada@demo.test", password=PASSWORD, mode="test")
        registration.create_user(email="bob@demo.test", password=PASSWORD, mode="test")
    return _site


@pytest.fixture
def client(site: Flask) -> FlaskClient:
    return site.test_client()


def rows(site: Flask) -> list[UserSession]:
    with site.app_context():
        return list(db.session.scalars(select(UserSession).order_by(UserSession.id)))


def cookie(client: FlaskClient) -> str | None:
    found = client.get_cookie("coffer")
    return found.value if found else None


def post(client: FlaskClient, path: str) -> Any:
    return client.post(path, headers={"X-CSRFToken": client.get("/t/form").text})


def enter(client: FlaskClient, email: str = "ada@demo.test") -> str:
    assert post(client, f"/t/in/{email}").status_code == 200
    found = cookie(client)
    assert found
    return found


@pytest.fixture
def writes(site: Flask) -> Iterator[list[str]]:
    """The writing statements since the test looked last."""
    found: list[str] = []

    def note(*args: Any) -> None:
        if not args[2].lstrip().upper().startswith(("SELECT", "BEGIN", "COMMIT", "SHOW")):
            found.append(args[2])

    with site.app_context():
        event.listen(db.engine, "before_cursor_execute", note)
        yield found
        event.remove(db.engine, "before_cursor_execute", note)


def test_a_page_that_stores_nothing_makes_no_row_and_no_cookie(site: Flask, client: FlaskClient) -> None:
    for path in ("/t/nothing", "/t/who", "/t/kept"):
        assert "Set-Cookie" not in client.get(path).headers
    assert rows(site) == []


def test_forms_of_people_who_are_not_signed_in_make_no_row(site: Flask, client: FlaskClient) -> None:
    for _ in range(3):
        for path in ("/t/form", "/login", "/signup", "/forgot"):
            assert site.test_client().get(path).status_code == 200
            assert site.test_client().head(path).status_code == 200
    token = client.get("/t/form").text
    assert client.post("/login", data={"email": "x", "password": "x", "csrf_token": token}).status_code == 422
    assert client.post("/t/post", headers={"X-CSRFToken": token}).text == "posted"
    assert rows(site) == []


def test_a_form_s_cookie_is_signed_lasts_half_a_day_and_is_given_once(site: Flask, client: FlaskClient) -> None:
    form, token = client.get("/t/form").text, cookie(client)
    assert token
    assert "Set-Cookie" not in client.get("/t/form").headers
    for odd in (token[:-1], token.replace("form.", "form.x"), f"form.{form}", "form.", "form"):
        client.set_cookie("coffer", odd)
        assert client.post("/t/post", headers={"X-CSRFToken": form}).status_code == 403
    client.set_cookie("coffer", token)
    for hours, status in ((11, 200), (13, 403)):
        with clock.at(clock.now() + timedelta(hours=hours)):
            assert client.post("/t/post", headers={"X-CSRFToken": form}).status_code == status


def test_what_a_form_adds_is_kept_in_one_row_with_its_token(site: Flask, client: FlaskClient) -> None:
    form = client.get("/t/form").text
    answer = client.get("/t/keep/one")
    [row] = rows(site)
    token = cookie(client)
    assert token
    assert row.user_id is None
    assert row.state == {"kept": "one"}
    assert token.encode() not in row.token_hash
    assert client.post("/t/post", headers={"X-CSRFToken": form}).text == "posted"
    assert answer.headers["Set-Cookie"].startswith(f"coffer={token}; ")
    assert {"HttpOnly", "Path=/", "SameSite=Lax"} <= set(answer.headers["Set-Cookie"].split("; "))
    assert "Domain" not in answer.headers["Set-Cookie"]
    assert "Cookie" in answer.headers["Vary"]


def test_the_cookie_in_production_is_bound_to_the_host(make_app: Callable[..., Flask]) -> None:
    app = make_app(environment="production")
    routes(app)
    answer = app.test_client().get("/t/form", base_url="https://localhost")
    assert answer.headers["Set-Cookie"].startswith("__Host-coffer=")
    assert {"Secure", "Path=/"} <= set(answer.headers["Set-Cookie"].split("; "))
    assert "Domain" not in answer.headers["Set-Cookie"]


def test_a_forged_or_missing_csrf_token_is_refused(client: FlaskClient) -> None:
    assert client.post("/t/post").status_code == 403
    assert client.post("/t/post", headers={"X-CSRFToken": "x"}).status_code == 403
    assert post(client, "/t/post").text == "posted"


def test_another_session_s_csrf_token_is_refused(site: Flask, client: FlaskClient) -> None:
    other = site.test_client().get("/t/form").text
    client.get("/t/form")
    assert client.post("/t/post", headers={"X-CSRFToken": other}).status_code == 403


def test_signing_in_gives_a_new_token_and_a_new_csrf_secret(site: Flask, client: FlaskClient) -> None:
    form = client.get("/t/form").text
    before = cookie(client)
    after = enter(client)
    assert after != before
    assert client.get("/t/who").text == "ada@demo.test"
    [row] = rows(site)
    assert row.user_id is not None
    assert row.reauthenticated_at is not None
    assert client.post("/t/post", headers={"X-CSRFToken": form}).status_code == 403
    thief = site.test_client()
    thief.set_cookie("coffer", str(before))
    assert thief.get("/t/who").text == "nobody"


def test_tabs_opened_right_after_the_sign_in_share_the_token_of_forms(site: Flask, client: FlaskClient) -> None:
    enter(client)
    [row] = rows(site)
    assert row.csrf_token
    client.get("/t/form")
    assert [one.csrf_token for one in rows(site)] == [row.csrf_token]


def test_signing_in_again_gives_a_new_token_too(site: Flask, client: FlaskClient) -> None:
    first, second = enter(client), enter(client)
    assert first != second
    assert [row.revoked_at is None for row in rows(site)] == [False, True]


def test_signing_in_as_another_carries_nothing_over(client: FlaskClient) -> None:
    enter(client)
    client.get("/t/keep/adas")
    enter(client, "bob@demo.test")
    assert client.get("/t/who").text == "bob@demo.test"
    assert client.get("/t/kept").text == "None []"


def test_signing_out_ends_the_session_everywhere_at_once(site: Flask, client: FlaskClient) -> None:
    token = enter(client)
    copy = site.test_client()
    copy.set_cookie("coffer", token)
    assert copy.get("/t/private").text == "private"
    answer = post(client, "/t/out")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert not cookie(client)
    assert copy.get("/t/private").status_code == 303
    assert copy.get("/t/who").text == "nobody"
    assert all(row.revoked_at for row in rows(site))


def test_a_message_survives_signing_out_in_a_new_session(client: FlaskClient) -> None:
    token = enter(client)
    post(client, "/t/out?say=1")
    assert cookie(client) not in (None, token)
    assert "bye" in client.get("/t/kept").text
    assert "bye" not in client.get("/t/kept").text


def test_values_and_messages_are_kept_in_the_row(site: Flask, client: FlaskClient) -> None:
    client.get("/t/keep/one")
    client.get("/t/keep/two")
    assert client.get("/t/kept").text == "two []"
    assert [row.state for row in rows(site)] == [{"kept": "two"}]


def test_a_request_that_only_reads_writes_nothing(client: FlaskClient, writes: list[str]) -> None:
    enter(client)
    client.get("/t/form")
    writes.clear()
    for path in ("/t/who", "/t/private", "/t/form", "/t/kept", "/t/nothing"):
        client.get(path)
    assert writes == []


def test_being_there_is_noted_once_a_minute_but_polls_are_not(site: Flask, client: FlaskClient) -> None:
    enter(client)
    start = rows(site)[0].last_seen_at

    def seen(seconds: int, path: str) -> datetime:
        with clock.at(start + timedelta(seconds=seconds)):
            client.get(path)
        return rows(site)[0].last_seen_at

    assert seen(59, "/t/who") == start
    assert seen(90, "/t/poll") == start
    assert seen(90, "/t/who") == start + timedelta(seconds=90)
    with site.app_context():
        user = users.by_email("ada@demo.test")
        assert user is not None
        assert user.last_seen_at == start + timedelta(seconds=90)


def test_a_session_ends_after_twelve_idle_hours_and_after_seven_days(site: Flask, client: FlaskClient) -> None:
    enter(client)
    start = rows(site)[0].last_seen_at
    for hours in range(11, 24 * 7, 11):
        with clock.at(start + timedelta(hours=hours)):
            assert client.get("/t/who").text == "ada@demo.test"
    with clock.at(start + timedelta(days=7, seconds=1)):
        assert client.get("/t/who").text == "nobody"


def test_an_idle_session_ends_although_a_page_polls(site: Flask, client: FlaskClient) -> None:
    enter(client)
    start = rows(site)[0].last_seen_at
    for hours in range(1, 12):
        with clock.at(start + timedelta(hours=hours)):
            assert client.get("/t/poll").text == "ada@demo.test"
    with clock.at(start + timedelta(hours=12, seconds=1)):
        assert client.get("/t/poll").text == "nobody"


def change(site: Flask, act: Callable[[User], None]) -> None:
    with site.app_context():
        user = users.by_email("ada@demo.test")
        assert user is not None
        with transaction():
            act(user)


def test_a_disabled_person_is_out_at_once(site: Flask, client: FlaskClient) -> None:
    enter(client)
    change(site, lambda user: setattr(user, "disabled_at", clock.now()))
    assert client.get("/t/private").status_code == 303


def test_all_sessions_of_a_person_can_be_ended_but_one(site: Flask, client: FlaskClient) -> None:
    other = site.test_client()
    enter(other)
    enter(client)
    kept = rows(site)[-1].id
    change(site, lambda user: sessions.end_all(user.id, but=kept))
    assert client.get("/t/who").text == "ada@demo.test"
    assert other.get("/t/who").text == "nobody"


@each("value", ["", "x", "x" * 4000, "é", "../../etc", '"; drop'])
def test_an_odd_cookie_is_nobody(client: FlaskClient, value: str) -> None:
    client.set_cookie("coffer", value)
    assert client.get("/t/who").text == "nobody"


def test_without_a_session_one_is_led_to_sign_in_and_back(client: FlaskClient) -> None:
    answer = client.get("/t/private?a=1&b=2")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login?next=/t/private%3Fa%3D1%26b%3D2")
    answer = client.get("/t/private", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/login?next=/t/private")


ELSEWHERE = [
    "", "x", " /x", "https://evil.example", "//evil.example", "/\\evil.example", "\\evil", "/a\\b", "javascript:x",
    "/a\nb", "/\t/evil.example", "/\u2028x", "/" * 600,
]  # fmt: skip


@each("target", ELSEWHERE)
def test_next_never_leads_away(target: str) -> None:
    assert safe_next(target) is None


def test_next_leads_to_our_own_pages() -> None:
    assert safe_next("/o/demo/transactions?type=charge") == "/o/demo/transactions?type=charge"
    assert safe_next(None) is None


def test_recent_sign_in_is_known_for_half_an_hour(site: Flask) -> None:
    app_client = site.test_client()
    enter(app_client)
    [row] = rows(site)
    assert sessions.reauthenticated(row)
    with clock.at(clock.now() + timedelta(minutes=31)):
        assert not sessions.reauthenticated(row)
    with site.test_request_context("/"):
        assert current_row() is None


def test_ended_and_anonymous_rows_are_purged(site: Flask, client: FlaskClient) -> None:
    client.get("/t/keep/one")
    enter(site.test_client())
    for later, left in ((timedelta(hours=1), 2), (timedelta(hours=13), 1), (timedelta(days=38), 0)):
        with site.app_context(), clock.at(clock.now() + later), transaction():
            sessions.purge()
        assert len(rows(site)) == left


def test_a_page_that_counts_on_what_cannot_be_kept_is_not_shown(make_app: Callable[..., Flask]) -> None:
    """The database goes away between the view and the session's row."""
    app = make_app(database_url="postgresql+psycopg://nobody@127.0.0.1:1/none")
    routes(app)
    assert app.test_client().get("/login").status_code == 200
    answer = app.test_client().get("/t/keep/one")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "Set-Cookie" not in answer.headers
    assert "csrf_token" not in answer.text
