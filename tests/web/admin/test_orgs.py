"""The organizations and people that platform managers find, and what they see of one."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core import clock, ids, lists
from dashboard.core.db import db, transaction
from dashboard.domain.access import keys
from dashboard.domain.audit import SYSTEM
from dashboard.models import (
    ApiKey,
    AuditEntry,
    Customer,
    Organization,
    Payment,
    Transaction,
    User,
)
from tests.factories import charge, grant, make_key, make_org, make_user, wallet_of
from tests.servers import Servers
from tests.web.people import HTMX, Team, ready_team

NASTY = "<script>alert(1)</script>"


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers, funds=10_000_000)


def make_payment(org_id: Any, **changes: Any) -> Payment:
    values = {
        "provider": "dummy", "mode": "test", "key": str(ids.new()), "body_hash": b"x", "actor_kind": "user",
        "product_id": ids.new(), "version_id": ids.new(), "name": "Starter", "quantity": 1, "unit_price_minor": 2500,
        "amount_minor": 2500, "currency": "usd", "grant_micros": 25_000_000, "bonus_micros": 0,
        "success_url": "http://127.0.0.1/", "cancel_url": "http://127.0.0.1/",
    }  # fmt: skip
    with transaction(org=org_id):
        payment = Payment(org_id=org_id, **(values | changes))
        db.session.add(payment)
    return payment


def names(page: str) -> str:
    return page.partition('<div id="orgs">')[2]


def test_an_organization_is_found_by_anything_in_a_ticket(app: Flask, team: Team) -> None:
    with app.app_context():
        org = make_org("Northwind Labs", owner=make_user("mara@northwind.test", name="Mara Lindqvist"))
        payment = make_payment(org.id, session_id="cs_test_Abc123", intent_id="pi_9", invoice_id="in_7")
        row = grant(wallet_of(org), 5)
        key = make_key(org, "wallet:read")
        end = db.session.scalars(select(ApiKey.prefix).filter_by(org_id=org.id)).one()[-4:]
        with transaction(org=org.id):
            db.session.add(Customer(org_id=org.id, mode="test", account_id="acct_1", customer_id="cus_Qx1"))
        user_id = db.session.query(User).filter_by(name="Mara Lindqvist").one().id
        told = [
            "northwind", "NORTHWIND labs", org.slug, "mara@northwind.test", "Lindqvist", str(org.id), str(payment.id),
            "cs_test_Abc123", "pi_9", "in_7", "cus_Qx1", str(row.id), str(wallet_of(org).id), str(user_id), key,
            f"cof_test_…{end}", end, org.id.hex,
        ]  # fmt: skip
    for text in told:
        page = names(team.manager.get(f"/admin/orgs?q={quote(text)}").text)
        assert "Northwind Labs" in page, text
        assert ">Acme<" not in page, text
    assert "No organizations match" in team.manager.get(f"/admin/orgs?q={ids.new()}").text
    assert "No organizations match" in team.manager.get("/admin/orgs?q=100%25").text


def test_filters_narrow_and_odd_ones_say_so(app: Flask, team: Team) -> None:
    with app.app_context():
        make_org("Empty Hands")
        make_org("Rich Folks", funds=90_000_000)
        reviewed = make_org("Odd Payment", funds=90_000_000)
        make_payment(reviewed.id, state="review", problem="Sold for 2500 usd")
    found = {
        state: names(team.manager.get(f"/admin/orgs?kind=team&state={state}").text)
        for state in ("out", "overdrawn", "low", "review", "no_keys", "closed", "suspended", "uncredited", "unknown")
    }
    assert [state for state, page in found.items() if "Empty Hands" in page] == ["out", "no_keys"]
    assert [state for state, page in found.items() if "Odd Payment" in page] == ["review", "no_keys"]
    for query in ("state=nonsense", "kind=x", "q=" + "x" * 201, "cursor=%00", "cursor=zzzz", "q=%00"):
        assert team.manager.get(f"/admin/orgs?{query}").status_code == 422, query


def test_lists_page_by_cursor_without_loss(app: Flask, team: Team) -> None:
    with app.app_context():
        owner = make_user("many@example.test")
        for number in range(lists.PAGE_ROWS + 5):
            make_org(f"Paged {number:03}", owner=owner)
    page = team.manager.get("/admin/orgs?q=Paged").text
    older = page.rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    assert "cursor=" in older
    more = team.manager.get(older).text
    seen = [f"Paged {number:03}" for number in range(55) if f"Paged {number:03}" in page + more]
    assert (len(seen), page.count("/grant"), more.count("/grant")) == (55, 50, 5)


def test_a_list_answers_htmx_with_its_fragment_alone(team: Team) -> None:
    for path, root in (("/admin/orgs", "orgs"), ("/admin/users", "users"), ("/admin/webhooks", "events")):
        whole, part = team.manager.get(path).text, team.manager.client.get(path, headers=HTMX).text
        assert part.startswith(f'<div id="{root}">')
        assert f'<div id="{root}">' in whole
        assert "<html" not in part


def test_an_organization_shows_everything_but_secrets(app: Flask, team: Team) -> None:
    with app.app_context():
        org = db.session.get(Organization, team.org_id)
        assert org
        charge(wallet_of(org), 1_250_000, app="chat-api")
        key = make_key(org, "wallet:read", "wallet:charge")
        make_payment(org.id, state="review", problem="Sold for 2500 usd, the provider took 2400 usd.")
    page = team.manager.get(f"/admin/orgs/{team.org_id}").text
    for text in ("$8.75", "Olga Owner", "Viewer Person", "chat-api", "the provider took 2400 usd", "In review",
                 "wallet:charge", "Needs 3 full days of usage", "Viewed the organization"):  # fmt: skip
        assert text in page, text
    assert "platform manager. The visit is in its audit log" in page
    assert key.split("_", 3)[3] not in page


def test_a_key_that_expired_is_not_told_as_living(app: Flask, team: Team) -> None:
    with app.app_context(), transaction(org=team.org_id):
        org = db.session.get(Organization, team.org_id)
        assert org
        soon = clock.now() + timedelta(minutes=5)
        keys.make(org, name="Trial", scopes=["wallet:read"], mode="test", by=SYSTEM, expires_at=soon)
    path = f"/admin/orgs/{team.org_id}"
    assert ">Expires " in team.manager.get(path).text
    with clock.at(soon + timedelta(seconds=1)):
        page = team.manager.get(path).text
    assert ">Expired<" in page
    assert ">Expires " not in page


def test_each_visit_is_in_the_organizations_trail(app: Flask, team: Team) -> None:
    for path in ("", "/grant", "/remove"):
        team.manager.get(f"/admin/orgs/{team.org_id}{path}")
    team.stranger.get(f"/admin/orgs/{team.org_id}")
    with app.app_context():
        query = select(AuditEntry).filter_by(org_id=team.org_id, action="organization.visited")
        visits = list(db.session.scalars(query.order_by(AuditEntry.id)))
    assert [visit.actor_kind for visit in visits] == ["manager"] * 3
    assert visits[0].object_id == f"/admin/orgs/{team.org_id}"
    assert team.manager.get(f"/admin/orgs/{team.org_id}").text.count("Viewed the organization") == 1


def test_reading_moves_nothing(app: Flask, team: Team) -> None:
    with app.app_context():
        before = db.session.query(Transaction).count()
    for path in ("/admin/", "/admin/orgs", f"/admin/orgs/{team.org_id}", f"/admin/orgs/{team.org_id}/grant?confirm=1"):
        assert team.manager.get(path).status_code == 200
    with app.app_context():
        assert db.session.query(Transaction).count() == before


def test_names_are_text(app: Flask, team: Team) -> None:
    with app.app_context():
        owner = make_user("nasty@example.test", name=NASTY)
        org = make_org(NASTY, owner=owner)
        org_id, user_id = org.id, owner.id
    paths = ["/admin/orgs", f"/admin/orgs/{org_id}", f"/admin/orgs/{org_id}/grant", "/admin/users",
             f"/admin/users/{user_id}", f"/admin/orgs?q={quote(NASTY)}"]  # fmt: skip
    for path in paths:
        page = team.manager.get(path).text
        assert "&lt;script&gt;" in page, path
        assert "<script>alert" not in page, path


def test_people_are_found_and_shown_with_their_organizations(app: Flask, team: Team) -> None:
    with app.app_context():
        user = db.session.query(User).filter_by(name="Olga Owner").one()
        email, user_id = user.email, user.id
    for text in (email, "olga", "OWNER olga", str(user_id)):
        assert email in team.manager.get(f"/admin/users?q={quote(text)}").text
    page = team.manager.get(f"/admin/users/{user_id}").text
    for text in (email, ">Acme<", "Olga Owner", "Owner", "Grant credits", "$10.00"):
        assert text in page, text
    assert email not in team.manager.get("/admin/users?role=platform_manager").text
    assert team.manager.get("/admin/users?role=king").status_code == 422
