"""The inbox on its pages: what came in, what it did, nothing secret, and another try."""

import html
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from dashboard import providers
from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.domain.payments import fulfil
from dashboard.domain.payments.webhooks import inbox, rejected
from dashboard.domain.platform import webhooks
from dashboard.jobs import platform_provider
from dashboard.models import PLATFORM_ORG_ID, AuditEntry, InboxEvent, RateBucket
from dashboard.providers import reading
from tests.domain.payments.seller import Seller
from tests.each import each
from tests.servers import Servers
from tests.web.people import Team, ready_team

COMPLETED = "checkout.session.completed"
MANY = text("""INSERT INTO inbox_events (org_id, id, created_at, provider, mode, event_id, type, payload, state,
  deliveries, attempts)
SELECT :org, CAST('ffffffff-ffff-7000-8000-' || lpad(to_hex(n), 12, '0') AS uuid), now(), 'dummy', 'test', 'many' || n,
  'invoice.paid', '', 'ignored', 1, 1 FROM generate_series(1, :many) AS n""")


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers)


def store(app: Flask, event_id: str = "evt_1", type: str = COMPLETED, **fields: Any) -> UUID:
    body = {
        "id": event_id, "object": "event", "type": type, "created": 1, "livemode": False, "api_version": None,
        "data": {"object": {"id": "dcs_absent", "object": "checkout.session", **fields}},
    }  # fmt: skip
    raw = json.dumps(body).encode()
    with app.app_context():
        return inbox.store(PLATFORM_ORG_ID, reading.event(raw), raw, provider="dummy", mode="test")


def work(app: Flask) -> None:
    with app.app_context():
        inbox.drain(PLATFORM_ORG_ID, provider=platform_provider(), worker="test-worker")


def test_an_empty_inbox_names_its_endpoint(team: Team) -> None:
    page = team.manager.get("/admin/webhooks").text
    assert "No events yet" in page
    assert "/admin/api/v1/webhooks/payments" in page


def test_refused_and_repeated_deliveries_are_counted(app: Flask, client: FlaskClient, team: Team) -> None:
    for _ in range(3):
        assert client.post("/admin/api/v1/webhooks/payments", data=b"{}").status_code == 400
        store(app)
    page = " ".join(team.manager.get("/admin/webhooks").text.split())
    assert "Duplicate deliveries</span> 2<" in page
    assert 'Not signed</dt><dd><span class="strong">3</span> · Anybody can send these' in page


def test_deliveries_that_were_not_taken_say_why_and_what_to_do(app: Flask, team: Team) -> None:
    with app.app_context():
        for reason in rejected.REASONS:
            rejected.count(reason)
        rejected.count("bad_signature")
    page = " ".join(html.unescape(team.manager.get("/admin/webhooks").text).split())
    for meaning, advice in rejected.REASONS.values():
        assert meaning in page
        assert advice in page
    assert page.index("Signed with another secret") < page.index("Of the other mode")
    with app.app_context():
        kept = db.session.query(RateBucket).where(RateBucket.key.startswith(rejected.PREFIX))
        assert kept.count() == len(rejected.REASONS)


def test_webhooks_that_stopped_coming_say_what_to_do(app: Flask, team: Team) -> None:
    with app.app_context():
        seller = Seller(app)
        payment = seller.buy()
        seller.stripe.pay(str(payment.session_id))
        fulfil.confirm(seller.org.id, payment.id, provider=seller.provider)
    with clock.at(clock.now() + timedelta(minutes=11)):
        page = " ".join(team.manager.get("/admin/webhooks").text.split())
        overview = team.manager.get("/admin/").text
    assert "1 payment was credited without one" in page
    assert "In Stripe, check that an endpoint with the address below exists" in page
    assert "Webhooks stopped coming" in overview
    app.extensions.pop(providers.EXTENSION, None)


def test_many_events_are_counted_up_to_a_bound(app: Flask, team: Team) -> None:
    store(app)
    with app.app_context(), transaction(org=PLATFORM_ORG_ID) as session:
        session.execute(MANY, {"org": PLATFORM_ORG_ID, "many": webhooks.MOST_COUNTED + 100})
    page = " ".join(team.manager.get("/admin/webhooks").text.split())
    assert "Ignored</span></a> over 10,000<" in page
    assert "Received</span></a> 1<" in page
    assert "Parked</span></a> 0<" in page


def test_a_parked_event_says_why_and_is_retried_after_a_question(app: Flask, team: Team) -> None:
    event_id = store(app)
    assert "Waiting for the worker" in team.manager.get("/admin/webhooks").text
    work(app)
    page = team.manager.get(f"/admin/webhooks/{event_id}").text
    for word in ("Parked", "test-worker", "evt_1", "Retry"):
        assert word in page, word
    assert 'hx-get="/admin/webhooks/' in page  # the dialog
    assert "/live?v=" not in page
    question = team.manager.get(f"/admin/webhooks/{event_id}/retry")
    assert "Retry checkout.session.completed?" in question.text
    assert team.manager.get(f"/admin/webhooks/{event_id}/retry", htmx=True).text.startswith("<form")
    answer = team.manager.post(f"/admin/webhooks/{event_id}/retry")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/admin/webhooks/{event_id}")
    with app.app_context():
        assert db.session.scalars(select(InboxEvent.state)).one() == "received"
        entry = db.session.scalars(select(AuditEntry).filter_by(action="inbox_event.retried")).one()
        assert (entry.org_id, entry.actor_kind) == (PLATFORM_ORG_ID, "manager")
    assert team.manager.post(f"/admin/webhooks/{event_id}/retry").status_code == 409
    assert team.manager.get(f"/admin/webhooks/{event_id}/retry").status_code == 409


def test_a_parked_event_is_ignored_with_a_reason_and_leaves_the_work_list(app: Flask, team: Team) -> None:
    event_id = store(app)
    assert team.manager.get(f"/admin/webhooks/{event_id}/ignore").status_code == 409  # it is not parked yet
    assert team.manager.post(f"/admin/webhooks/{event_id}/ignore", {"reason": "x"}).status_code == 409
    work(app)
    assert "Webhooks parked" in team.manager.get("/admin/").text
    assert f"/admin/webhooks/{event_id}/ignore" in team.manager.get(f"/admin/webhooks/{event_id}").text
    assert team.manager.get(f"/admin/webhooks/{event_id}/ignore", htmx=True).text.startswith("<form")
    empty = team.manager.post(f"/admin/webhooks/{event_id}/ignore", {"reason": " "})
    assert (empty.status_code, "Give a reason" in empty.text) == (422, True)
    done = team.manager.post(f"/admin/webhooks/{event_id}/ignore", {"reason": "<b>A test of ours</b>"})
    assert (done.status_code, done.headers["Location"]) == (303, f"/admin/webhooks/{event_id}")
    page = team.manager.get(f"/admin/webhooks/{event_id}").text
    assert "Ignored by hand: &lt;b&gt;A test of ours&lt;/b&gt;" in page
    assert "Webhooks parked" not in team.manager.get("/admin/").text
    with app.app_context():
        entry = db.session.scalars(select(AuditEntry).filter_by(action="inbox_event.ignored")).one()
        assert (entry.org_id, entry.actor_kind, entry.reason) == (PLATFORM_ORG_ID, "manager", "<b>A test of ours</b>")
    assert team.manager.post(f"/admin/webhooks/{event_id}/retry").status_code == 409


def test_a_queued_event_is_asked_after_until_it_changes(app: Flask, team: Team) -> None:
    event_id = store(app)
    page = team.manager.get(f"/admin/webhooks/{event_id}").text
    live = page.partition('hx-get="')[2].partition('"')[0]
    assert live.startswith(f"/admin/webhooks/{event_id}/live?v=")
    assert team.manager.get(live, htmx=True).status_code == 204
    work(app)
    answer = team.manager.get(live, htmx=True)
    assert (answer.status_code, "Parked" in answer.text, "/live?v=" in answer.text) == (200, True, False)


def test_what_an_event_did_leads_to_the_books(app: Flask, team: Team) -> None:
    with app.app_context():
        seller = Seller(app)
        payment = seller.buy()
        seller.stripe.pay(str(payment.session_id))
        seller.deliver_all()
        seller.work()
        done_id = seller.event(seller.told(COMPLETED)["id"]).id
        row, slug, org_id = seller.payment(payment.id).transaction_id, seller.org.slug, seller.org.id
        app.extensions.pop(providers.EXTENSION, None)
    for path in ("/admin/webhooks?state=processed", f"/admin/webhooks/{done_id}", f"/admin/webhooks?org={org_id}"):
        page = team.manager.get(path).text
        assert f"/o/{slug}/transactions/{row}" in page, path
        assert "+$26.00" in page, path
        assert f"/admin/orgs/{org_id}" in page, path


def test_filters_narrow_the_list(app: Flask, team: Team) -> None:
    store(app, "evt_a")
    store(app, "evt_b", type="invoice.paid")
    work(app)
    queries = {
        "state=parked": ["evt_a"], "state=ignored": ["evt_b"], "type=invoice": ["evt_b"], "event=evt_a": ["evt_a"],
        "event=evt_": [], "to=2020-01-01": [], "from=2020-01-01": ["evt_a", "evt_b"],
        f"org={team.org_id}": [], "state=received": [],
    }  # fmt: skip
    for query, expected in queries.items():
        page = team.manager.get(f"/admin/webhooks?{query}", htmx=True).text
        assert [name for name in ("evt_a", "evt_b") if f">{name}<" in page] == expected, query
    for query in ("state=x", "org=x", "from=x", "from=2026-02-01&to=2026-01-01", "cursor=x"):
        assert team.manager.get(f"/admin/webhooks?{query}").status_code == 422, query


def test_a_payload_is_text_without_secrets_and_card_data(app: Flask, team: Team) -> None:
    event_id = store(
        app,
        client_secret="cs_secret_marker1",
        note="<script>alert(1)</script>",
        payment_method_details={
            "card": {"brand": "visa", "last4": "4242", "number": "4242424242424242", "cvc": "987", "exp_year": 2031}
        },
        words="key sk_test_marker2 and whsec_marker3, card 4242 4242 4242 4242, cof_test_" + "a" * 32 + "_marker4",
        url="https://pay.test/c/pay/cs_test_1#pi_1_secret_marker5",
        amount_total=2500,
    )
    page = team.manager.get(f"/admin/webhooks/{event_id}").text
    payload = page.partition("<pre")[2].partition("</pre>")[0]
    assert "visa" in payload
    for secret in ("4242", "987", "2031"):  # an id elsewhere on the page may hold these digits
        assert secret not in payload, secret
    assert "marker" not in page
    assert "<script>alert" not in page
    for word in ("&lt;script&gt;", "visa", "2500", "hx-ignore"):
        assert word in page, word


@each(
    ("value", "kept"),
    [
        ({"amount": 4242424242424242}, True), ({"id": "evt_1", "n": None, "flag": True}, True),
        ({"invoice_number": "A-1"}, True), ({"account_number": "123"}, False), ({"a": [{"api_key": "x"}]}, False),
        ({"card": "4000-0566-5566-5556"}, False), ({"order": "1234567890123456"}, True), ({"token": ["a"]}, False),
    ],
)  # fmt: skip
def test_masking_goes_by_name_and_by_looks(value: Any, kept: bool) -> None:
    assert (webhooks.masked(value) == value) is kept
