"""How pages, fragments, redirects and errors are answered, and with which headers. Needs no database."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_login import LoginManager
from flask_wtf import CSRFProtect

from dashboard.config import Settings
from dashboard.core.errors import CofferError, Conflict, Forbidden, NotFound, TooManyRequests, Unavailable
from dashboard.web import errors, headers, render, styleguide
from tests.each import each

ROOT = Path(__file__).resolve().parents[2]
HTMX = {"HX-Request": "true"}
HERE = {"Sec-Fetch-Site": "same-origin"}
LONG_AGO = {"csrf_token": "old", "reason": "Outage <b>", "amount": "5", "password": "hunter2", "idempotency_key": "k1"}


def made(**settings: object) -> Flask:
    app = Flask("dashboard", static_folder=str(ROOT / "static"), template_folder=str(ROOT / "templates"))
    app.config["SECRET_KEY"] = "for this test"
    CSRFProtect(app)
    LoginManager(app).request_loader(lambda request: None)
    chosen = app.config["COFFER"] = Settings.model_construct(**settings)
    headers.init_app(app, chosen, is_call=lambda path: False)
    render.init_app(app)
    styleguide.init_app(app, chosen)
    app.register_error_handler(CofferError, errors.answer)
    app.register_error_handler(Exception, errors.answer)
    refusals: dict[str, Callable[[], CofferError]] = {
        "role": lambda: Forbidden("Only an owner can do this."),
        "changed": lambda: Conflict("Someone changed this at 09:41. Review the new values."),
        "absent": lambda: NotFound(),
        "limit": lambda: TooManyRequests("Too many tries.", retry_after=95),
        "away": lambda: Unavailable("The database is away. Nothing was changed.", retry_after=3),
    }

    @app.get("/refuse/<why>")
    def refuse(why: str) -> None:
        raise refusals[why]()

    @app.post("/grant")
    def grant() -> str:
        return "granted"

    @app.get("/folder/")
    def folder() -> str:
        return "folder"

    @app.get("/leave")
    def leave() -> object:
        return render.redirect("https://checkout.stripe.com/c/pay")

    @app.get("/hosted")
    def hosted() -> str:
        headers.allow_form_to("https://yourapp.com/success?x=1")
        return "x"

    return app


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return made().test_client()


@each(
    ("path", "status", "words"),
    [
        ("/nothing", 404, "Page not found"),
        ("/refuse/role", 403, "Only an owner can do this."),
        ("/refuse/changed", 409, "Someone changed this at 09:41."),
        ("/refuse/limit", 429, "Try again in 2 minutes."),
        ("/refuse/away", 503, "The database is away. Nothing was changed."),
        ("/refuse/unheard-of", 500, "Something went wrong on our side"),
        ("/grant", 405, "Nothing was changed."),
    ],
)
def test_an_error_is_a_page_that_says_what_happened(client: FlaskClient, path: str, status: int, words: str) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert words in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_waiting_times_are_told_to_programs_too(client: FlaskClient) -> None:
    assert client.get("/refuse/limit").headers["Retry-After"] == "95"
    assert client.get("/refuse/away").headers["Retry-After"] == "3"


def test_htmx_gets_a_toast_and_keeps_its_page(client: FlaskClient) -> None:
    answer = client.get("/refuse/role", headers=HTMX)
    assert answer.status_code == 403
    assert answer.headers["HX-Reswap"] == "none"
    assert 'hx-target="#toasts"' in answer.text
    assert 'data-toast="stay"' in answer.text


def test_pages_for_failures_ask_for_no_session(client: FlaskClient) -> None:
    for path in ("/refuse/away", "/refuse/unheard-of"):
        assert "csrf" not in client.get(path).text


def test_a_form_left_open_too_long_keeps_its_entries(client: FlaskClient) -> None:
    answer = client.post("/grant?from=x", data=LONG_AGO, headers=HERE)
    assert answer.status_code == 403
    assert "This page was open too long" in answer.text
    assert 'name="reason" value="Outage &lt;b&gt;"' in answer.text
    assert 'name="idempotency_key" value="k1"' in answer.text
    assert 'action="/grant?from=x"' in answer.text
    assert "hunter2" not in answer.text
    assert 'name="password" type="password"' in answer.text
    assert 'value="old"' not in answer.text


def test_the_form_given_back_can_be_sent(client: FlaskClient) -> None:
    page = client.post("/grant", data=LONG_AGO, headers=HERE).text
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    assert client.post("/grant", data={**LONG_AGO, "csrf_token": token}).text == "granted"


@each(
    "sent_from",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.test"},
        {"Origin": "http://["},
        {},
    ],
)
def test_another_sites_form_is_not_made_ready_to_send(client: FlaskClient, sent_from: dict[str, str]) -> None:
    answer = client.post("/grant", data=LONG_AGO, headers=sent_from)
    assert answer.status_code == 403
    assert "Outage" not in answer.text


def test_a_redirect_reaches_another_origin_either_way(client: FlaskClient) -> None:
    plain = client.get("/leave")
    assert (plain.status_code, plain.headers["Location"]) == (303, "https://checkout.stripe.com/c/pay")
    assert client.get("/leave", headers=HTMX).headers["HX-Redirect"] == "https://checkout.stripe.com/c/pay"


@each("host", ["localhost", "evil.test", "evil.test:1", "[", "a b"])
def test_a_missing_slash_is_added_on_the_host_at_hand(client: FlaskClient, host: str) -> None:
    answer = client.get("/folder?x=1", headers={"Host": host})
    assert (answer.status_code, answer.headers["Location"]) == (308, "/folder/?x=1")


def test_a_page_that_is_not_there_says_what_may_be_the_reason(client: FlaskClient) -> None:
    page = client.get("/refuse/absent").text
    assert "There is nothing at this address." not in page
    assert "The link may be old" in page


def test_the_policy_allows_our_own_files_and_the_payment_pages(client: FlaskClient) -> None:
    answer = client.get("/nothing")
    assert answer.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self' https://checkout.stripe.com https://billing.stripe.com; "
        "base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert "HX-Request" in answer.headers["Vary"]
    assert "Strict-Transport-Security" not in answer.headers


def test_one_answer_may_lead_to_one_more_host(client: FlaskClient) -> None:
    assert "https://yourapp.com;" in client.get("/hosted").headers["Content-Security-Policy"]
    assert "yourapp.com" not in client.get("/nothing").headers["Content-Security-Policy"]


def test_production_insists_on_https_and_has_no_style_guide() -> None:
    client = made(environment="production").test_client()
    assert client.get("/nothing").headers["Strict-Transport-Security"]
    assert client.get("/styleguide").status_code == 404


def test_static_files_are_kept_for_ever_under_their_hash(client: FlaskClient) -> None:
    with client.application.test_request_context():
        url = render.asset("css/app.css")
    kept = client.get(url)
    assert kept.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert client.get("/static/css/app.css?v=other").headers["Cache-Control"] == "no-cache"
    assert client.get("/static/css/none.css").status_code == 404


def test_a_refusal_names_the_support_if_there_is_one() -> None:
    client = made(support_email="help@acme.test").test_client()
    assert 'href="mailto:help@acme.test?subject=Reference' in client.get("/refuse/role").text
    assert "mailto:" not in client.get("/refuse/absent").text
    assert "mailto:" not in made().test_client().get("/refuse/role").text


def test_every_template_compiles(client: FlaskClient) -> None:
    environment = client.application.jinja_env
    for name in environment.list_templates(extensions=["html"]):
        environment.get_template(name)


def test_the_style_guide_shows_every_component(client: FlaskClient) -> None:
    page = client.get("/styleguide")
    assert page.status_code == 200
    assert len(page.data) < 60_000
    assert page.text.count("autofocus") == 1, "of two fields with errors, the first"
    assert client.get("/styleguide?shell=platform").status_code == 200


def test_the_same_address_answers_with_page_or_fragment(client: FlaskClient) -> None:
    page, fragment = client.get("/styleguide/form").text, client.get("/styleguide/form", headers=HTMX).text
    assert page.startswith("<!doctype html>")
    assert fragment.startswith("<form")
    assert 'id="sample-form"' in page
    assert 'id="sample-form"' in fragment
